"""Several processes train what one would have, and leave none behind."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rankscape.foundation.errors import DeviceError, OrderError
from rankscape.foundation.files import read_json
from rankscape.learning.processes import ProcessGroup, launch
from rankscape.models.weights import load_weights
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.scoring import network_ensemble
from rankscape.studies.ranking.scoring.network import ScoreNetwork
from rankscape.studies.ranking.scoring.objectives import objective_of
from rankscape.studies.ranking.scoring.settings import TrainSettings
from rankscape.studies.ranking.stages.train import Given, Kept, Made, train_together
from torch import nn
from workflow_copy import PATIENCE_S

from .conftest import World

ALONE = ProcessGroup(torch.device("cpu"))
ORDER = PartialOrder.from_levels([(0,), (1,), (2,)])


class Flat(nn.Module):
    """A backbone with a parameter that no image uses."""

    num_features = 4

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.unused = nn.Conv2d(3, 4, 3), nn.Linear(2, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images).relu().mean((2, 3))


def gradient(group: ProcessGroup, objective: str, count: int) -> torch.Tensor:
    """Gradient of a batch's loss, every parameter after the other."""
    torch.manual_seed(0)
    network = ScoreNetwork(Flat())
    nn.init.normal_(network.head.weight)
    images, taught = torch.randn(count, 3, 8, 8), group.distributed(network)
    settings = TrainSettings(objective=objective)
    labels = torch.linspace(0, 1, count) if objective == "regression" else torch.arange(count) % 3
    loss = objective_of(settings, ORDER).loss(taught, images, labels, torch.Generator().manual_seed(1))
    loss.backward()
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


CASES = [(objective, count) for objective in ("regression", "rank", "listwise") for count in (9, 4)] + [("listwise", 1)]


def compared(group: ProcessGroup) -> list[float]:
    """Largest difference of each gradient from that of one process, relative to its largest number."""
    found = []
    for case in CASES:
        alone, shared = gradient(ALONE, *case), gradient(group, *case)
        found.append(float((shared - alone).abs().max() / alone.abs().max().clamp(min=1e-3)))
    rows = torch.arange(7.0)
    for count in (7, 2, 1):
        whole = group.gather(rows[:count][group.share(count)], count)
        assert torch.equal(whole, rows[:count])
    return found


def failing(group: ProcessGroup, how: str) -> None:
    if group.rank == 1 and how == "raises":
        raise OrderError("The order is upside down.")
    if group.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    torch.distributed.barrier()


def children(parent: int) -> list[int]:
    """Processes of a parent; not the tracker of multiprocessing, which lives as long as its parent."""
    listed = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return [pid for pid in listed if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def alone_after_training(group: ProcessGroup, *given: Any) -> None:
    """Train with an auxiliary model, which fails on all processes but the first."""
    if group.rank:
        network_ensemble.assemble = None
    train_together(group, *given)


def task(world: World, name: str, checkpoints: Path | None = None) -> tuple[Any, ...]:
    changes = {"batch_norm": "frozen", "seeds": 1, "epochs": 3, "batch_size": 16, "learning_rate": 1e-3}
    changes["auxiliary"] = {"architecture": "random-convolutions-3px-8-log-standard", "input_px": 16, "seeds": 1}
    settings = TrainSettings.from_text(world.settings(**changes), "train")
    files = world.train_files()
    given = Given(
        order=files["order"][0], values=(), patches=tuple(files["patches"]), clusters=files["clusters"],
        summary=files["summary"], backbone=files["backbone"],
    )  # fmt: skip
    out = world.folder / name / "score.safetensors"
    made = Made(out, out.with_suffix(".json"), out.with_suffix(".md"), out.with_name("score-curves.png"))
    return settings, given, made, Kept(checkpoints, 1.0)


def curve(folder: Path) -> np.ndarray:
    epochs = read_json(folder / "score.json")["seeds"][0]["epochs"]
    return np.array([[epoch["training_loss"], epoch["validation_loss"]] for epoch in epochs])


def test_the_shares_give_the_gradient_of_the_whole_batch_whatever_the_objective():
    before = children(os.getpid())
    assert launch(compared, 0, 2, processes=2) == pytest.approx([0.0] * len(CASES), abs=1e-5)
    assert children(os.getpid()) == before


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [("raises", OrderError, "^The order is upside down.$"), ("dies", DeviceError, r"Process 1 of 2 ended \(SIGKILL\)")],
)
def test_a_process_that_fails_ends_all_with_one_error(how: str, error: type[Exception], message: str):
    before = children(os.getpid())
    with pytest.raises(error, match=message):
        launch(failing, 0, 2, how, processes=2)
    assert children(os.getpid()) == before


def test_two_processes_train_the_curve_of_one_also_after_a_kill(world: World):
    """The parent is killed with SIGKILL after its first epoch: its processes end, and a new start goes on."""
    for name, processes in (("one", 1), ("two", 2)):
        launch(alone_after_training, 0, 2, *task(world, name), processes=processes)
    np.testing.assert_allclose(curve(world.folder / "two"), curve(world.folder / "one"), rtol=1e-3)
    first, second = (load_weights(world.folder / name / "score.safetensors")[0] for name in ("one", "two"))
    assert all(torch.allclose(first[name].float(), second[name].float(), atol=1e-3) for name in first)
    assert read_json(world.folder / "two" / "score.json")["provenance"]["backend"] == "2 x cpu"

    kept = world.folder / "training"
    arguments = task(world, "killed", kept)
    begin = (
        "import pickle, sys; from rankscape.learning.processes import launch; "
        "from rankscape.studies.ranking.stages.train import train_together; "
        "launch(train_together, 0, 2, *pickle.load(open(sys.argv[1], 'rb')), processes=2)"
    )
    (world.folder / "task").write_bytes(pickle.dumps(arguments))
    process = subprocess.Popen([sys.executable, "-c", begin, str(world.folder / "task")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while not list(kept.glob("*/seed-0.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.02)
    members = children(process.pid)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "the kill came too late"
    assert len(members) == 2
    while any(Path(f"/proc/{pid}").exists() and not is_zombie(pid) for pid in members):
        assert time.monotonic() < deadline, "a process outlived its parent"
        time.sleep(0.02)
    assert not (world.folder / "killed" / "score.safetensors").exists()

    launch(train_together, 0, 2, *arguments, processes=2)
    for name in ("score.safetensors", "score.json", "score-curves.png"):
        assert (world.folder / "killed" / name).read_bytes() == (world.folder / "two" / name).read_bytes()
    assert not kept.exists()


@pytest.mark.parametrize(("rank", "made"), [(0, 1), (1, 0)])
def test_ridges_are_fitted_by_the_first_process_alone(world: World, monkeypatch: pytest.MonkeyPatch, rank, made):
    fitted = []
    fit = network_ensemble.ridges_of
    monkeypatch.setattr(network_ensemble, "ridges_of", lambda *given: fitted.append(given) or fit(*given))
    settings, given, files, _ = task(world, "ridge")
    ridge = settings.model_copy(update={"objective": "ridge", "auxiliary": None})
    train_together(ProcessGroup(torch.device("cpu"), rank, 2), ridge, given, files, Kept())
    assert (len(fitted), files.out.exists()) == (made, bool(made))


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
