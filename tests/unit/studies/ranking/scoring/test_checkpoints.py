"""A training that is stopped at any moment goes on to the same curve and weights, bit for bit."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stopping
import torch
from rankscape.foundation.errors import DiskError
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_table
from rankscape.learning import trainer
from rankscape.learning.checkpoints import Checkpoints, digest
from rankscape.learning.processes import ProcessGroup, use_device
from rankscape.learning.trainer import TrainState
from rankscape.models.preparation import Preparation
from rankscape.models.weights import load_weights, save_weights
from rankscape.studies.ranking.scoring import training
from rankscape.studies.ranking.scoring.network import ScoreNetwork
from rankscape.studies.ranking.scoring.network_ensemble import split_ranked
from rankscape.studies.ranking.scoring.samples import open_ranked
from rankscape.studies.ranking.scoring.score_targets import cluster_targets
from rankscape.studies.ranking.scoring.settings import TrainSettings
from rankscape.studies.ranking.scoring.training import FitResult, ScoreTask, train_network
from rankscape.studies.ranking.stages.train import train
from torch import nn
from workflow_copy import PATIENCE_S

from .conftest import World

EPOCHS = 4


class Small(nn.Module):
    """A backbone with everything that has a state: batch normalisation, dropout, unused parameters."""

    num_features = 6

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 6, 5, 4), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.3))
        self.unused = nn.Linear(2, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images).mean((2, 3))


dying_in = partial(stopping.dying_in, training)


def make_task(world: World, **changes: Any) -> ScoreTask:
    use_device(0, 1)
    settings = TrainSettings.from_text(world.settings(epochs=EPOCHS, batch_size=8, **changes), "train")
    targets = cluster_targets(read_json(world.order), read_json(world.summary), "levels", "order.json")
    pool = open_ranked(world.tiles, read_table(world.clusters), targets)
    split = split_ranked(pool, settings, np.random.default_rng(0))
    preparation = Preparation.from_document(load_weights(world.backbone)[1]["preparation"])
    sides = pool.take(split.training[:24]), pool.take(split.validation)
    return ScoreTask(*sides, preparation, settings, torch.device("cpu"))


def taught(
    task: ScoreTask, kept: Checkpoints | None = None, seed: int = 3
) -> tuple[dict[str, torch.Tensor], FitResult]:
    torch.manual_seed(1)
    network = ScoreNetwork(Small())
    network.use(task.settings.precision)
    fit = train_network(network, task, seed, kept)
    return network.state_dict(), fit


def same(first: tuple[dict[str, torch.Tensor], FitResult], second: tuple[dict[str, torch.Tensor], FitResult]) -> bool:
    weights = all(torch.equal(first[0][name], second[0][name]) for name in first[0])
    return weights and first[1].to_document() == second[1].to_document() and (first[1].scores == second[1].scores).all()


@pytest.fixture
def kept(tmp_path: Path) -> Checkpoints:
    return Checkpoints.of(tmp_path / "training", {"settings": {}})


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("epoch", range(1, EPOCHS + 1))
def test_a_training_stopped_at_any_epoch_gives_the_same_curve_and_weights(
    world: World, kept: Checkpoints, monkeypatch: pytest.MonkeyPatch, epoch: int, precision: str
):
    task = make_task(world, precision=precision)
    whole = taught(task)
    with dying_in("predict_samples", epoch, monkeypatch):
        taught(task, kept)
    assert kept.path(3).exists() == (epoch > 1)
    assert same(taught(task, kept), whole)


@pytest.mark.parametrize("batch", [2, 5, 9])
def test_a_training_stopped_within_an_epoch_starts_that_epoch_again(
    world: World, kept: Checkpoints, monkeypatch: pytest.MonkeyPatch, batch: int
):
    task = make_task(world)
    whole = taught(task)
    with dying_in("augment", batch, monkeypatch):
        taught(task, kept)
    assert same(taught(task, kept), whole)


def test_early_stopping_counts_the_epochs_before_a_stop(world: World, kept: Checkpoints, monkeypatch):
    task = make_task(world, patience=2)
    losses = [0.5, 0.3, 0.4, 0.35]
    monkeypatch.setattr(training, "balanced_mean", lambda values, groups: losses[calls.pop(0)])
    calls = [0, 1, 2]
    with stopping.dying_in(trainer, "_report", 3, monkeypatch):
        taught(task, kept)
    calls = [2, 3]
    _, fit = taught(task, kept)
    assert [epoch["validation_loss"] for epoch in fit.epochs] == losses
    assert fit.best_epoch == 2


def test_a_seed_that_is_over_is_not_trained_again(world: World, kept: Checkpoints, monkeypatch, capsys):
    task = make_task(world)
    whole = taught(task, kept)
    names = load_weights(kept.path(3))[0]
    assert not [name for name in names if name.startswith(("network.", "moments."))]
    monkeypatch.delattr(trainer, "_one_epoch")
    assert same(taught(task, kept), whole)
    assert "seed 3: was trained already, after epoch 4" in capsys.readouterr().err


def test_the_global_random_state_stays_as_it_was(world: World, kept: Checkpoints, monkeypatch):
    task = make_task(world)
    with dying_in("predict_samples", 3, monkeypatch):
        taught(task, kept)
    network, before = ScoreNetwork(Small()), torch.random.get_rng_state()
    train_network(network, task, 3, kept)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_losses_that_are_no_numbers_survive_too(kept: Checkpoints):
    def state() -> TrainState:
        network = ScoreNetwork(Small())
        optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=9)
        sources = np.random.default_rng(0), torch.Generator()
        made = TrainState(network, (optimizer,), schedule, *sources, torch.device("cpu"))
        made.remember()
        return made

    first, second = state(), state()
    first.note({"validation_loss": math.nan}, math.nan, np.ones(4))
    kept.keep(1, first, False)
    kept.resume(1, second, ProcessGroup(torch.device("cpu")))
    assert len(second.curve) == 1
    assert math.isnan(second.curve[0]["validation_loss"])
    assert math.isnan(second.losses[0])
    assert (second.best, len(second.best_outputs)) == (math.inf, 0)
    assert all(torch.equal(value, second.network.state_dict()[name]) for name, value in first.best_state.items())


def half(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, record: dict[str, Any]) -> Checkpoints:
    """Checkpoints of a training that was stopped in its third epoch."""
    kept = Checkpoints.of(folder, record)
    with dying_in("predict_samples", 3, monkeypatch):
        taught(make_task(world), kept)
    return kept


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


def _foreign(path: Path) -> None:
    save_weights(path, {"a": torch.zeros(2)}, {"architecture": "other"})


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _moved(path: Path) -> None:
    tensors, document = load_weights(path)
    document = {name: value for name, value in document.items() if name != "digest"} | {"seed": 8}
    save_weights(path, tensors, {**document, "digest": digest(tensors, document)})


@pytest.mark.parametrize("spoil", [_cut, _flipped, _foreign, _empty, _moved])
def test_a_broken_checkpoint_is_put_aside_with_one_line(
    world: World, tmp_path: Path, monkeypatch, capsys, spoil: Callable[[Path], None]
):
    kept = half(world, tmp_path / "training", monkeypatch, {})
    spoil(kept.path(3))
    capsys.readouterr()
    again = taught(make_task(world), kept)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 + EPOCHS
    assert "seed 3 starts anew, its checkpoint is put aside as" in lines[0]
    assert kept.path(3).with_suffix(".broken").exists()
    assert same(again, taught(make_task(world)))


def test_another_training_starts_anew_and_the_first_can_still_go_on(world: World, tmp_path: Path, monkeypatch, capsys):
    first = half(world, tmp_path / "training", monkeypatch, {"settings": {"epochs": 4}})
    capsys.readouterr()
    other = Checkpoints.of(tmp_path / "training", {"settings": {"epochs": 5}})
    said = capsys.readouterr().err
    assert "holds 1 checkpoint(s) of other settings, data or code: not used" in said
    assert len(said.splitlines()) == 1
    taught(make_task(world), other)
    assert "goes on" not in capsys.readouterr().err
    taught(make_task(world), Checkpoints.of(tmp_path / "training", {"settings": {"epochs": 4}}))
    assert f"seed 3: goes on after epoch 2, from {first.path(3)}" in capsys.readouterr().err


def test_clearing_removes_checkpoints_and_nothing_else(world: World, tmp_path: Path, monkeypatch):
    folder = tmp_path / "training"
    kept = half(world, folder, monkeypatch, {})
    half(world, folder, monkeypatch, {"other": 1})
    (kept.path(3).parent / ".seed-3.abc.part.safetensors").write_bytes(b"torn")
    kept.path(4).with_suffix(".broken").write_bytes(b"")
    kept.clear()
    assert not folder.exists()
    kept.clear()

    folder.mkdir()
    (folder / "seed-1.safetensors").write_bytes(b"a person's own")
    kept.clear()
    assert [path.name for path in folder.iterdir()] == ["seed-1.safetensors"]


def test_a_write_that_was_cut_off_is_swept_up_at_the_next_start(world: World, tmp_path: Path, monkeypatch):
    kept = half(world, tmp_path / "training", monkeypatch, {})
    torn = kept.path(3).with_name(".seed-3.abc.part.safetensors")
    torn.write_bytes(b"torn")
    Checkpoints.of(tmp_path / "training", {})
    assert not torn.exists()
    assert kept.path(3).exists()


def test_a_full_disk_is_one_clear_error_and_keeps_the_last_checkpoint(world: World, tmp_path: Path, monkeypatch):
    kept = half(world, tmp_path / "training", monkeypatch, {})
    before = kept.path(3).read_bytes()

    def full(*_: Any) -> None:
        raise DiskError("No disk space left")

    monkeypatch.setattr("rankscape.models.weights.write_bytes", full)
    with pytest.raises(DiskError):
        taught(make_task(world), kept)
    assert kept.path(3).read_bytes() == before


def files(world: World, folder: Path) -> dict[str, Any]:
    return {**world.train_files(), "out": folder / "score.safetensors", "record": folder / "score.json"}


def command(world: World, folder: Path, settings: str, *options: str) -> list[str]:
    given = {
        name: value if isinstance(value, list | tuple) else (value,) for name, value in files(world, folder).items()
    }
    named = [part for name, paths in given.items() for part in (f"--{name.replace('_', '-')}", *map(str, paths))]
    return [sys.executable, "-m", "rankscape", "ranking", "train", "--settings", settings, *named, *options]


def test_a_killed_command_goes_on_to_the_same_bytes(world: World, tmp_path: Path):
    """SIGKILL at an epoch drawn by chance: nothing can clean up, and the second command must find all it needs."""
    settings = world.settings(epochs=8, patience=8)
    train(settings=settings, **files(world, tmp_path / "whole"))
    kill_after = int(np.random.default_rng().integers(2, 13))
    folder, log = tmp_path / "killed", tmp_path / "log.txt"
    with log.open("w") as said:
        process = subprocess.Popen(
            command(world, folder, settings, "--checkpoints", str(folder / "training")), stderr=said
        )
        deadline = time.monotonic() + PATIENCE_S
        while log.read_text().count("training loss") < kill_after and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the kill came too late"
    assert not (folder / "score.safetensors").exists()
    assert list((folder / "training").glob("*/seed-0.safetensors"))

    again = subprocess.run(
        command(world, folder, settings, "--checkpoints", str(folder / "training")),
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "seed 0: " in again.stderr
    assert again.stderr.count("training loss") <= 16 - kill_after + 1
    for name in ("score.safetensors", "score.json", "score.md"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), f"killed after {kill_after}"
    assert not (folder / "training").exists()


def test_the_stage_knows_checkpoints_of_other_settings_and_data(world: World, tmp_path: Path, monkeypatch, capsys):
    def stopped(settings: str) -> str:
        with dying_in("predict_samples", 2, monkeypatch):
            train(settings=settings, **files(world, tmp_path / "out"), checkpoints=tmp_path / "training")
        return capsys.readouterr().err

    assert "not used" not in stopped(world.settings(epochs=3))
    assert "goes on after epoch 1" in stopped(world.settings(epochs=3))
    assert "holds 1 checkpoint(s) of other" in stopped(world.settings(epochs=4))
    order = read_json(world.order)
    world.order.write_text(json.dumps({**order, "remark": "other bytes"}))
    assert "holds 2 checkpoint(s) of other" in stopped(world.settings(epochs=3))
    train(settings=world.settings(epochs=3), **files(world, tmp_path / "out"), checkpoints=tmp_path / "training")
    assert not (tmp_path / "training").exists()


@pytest.mark.parametrize("objective", ["rank", "listwise"])
def test_other_objectives_go_on_too(world: World, tmp_path: Path, monkeypatch, objective: str):
    settings = world.settings(objective=objective, epochs=3)
    train(settings=settings, **files(world, tmp_path / "whole"))
    with dying_in("predict_samples", 5, monkeypatch):
        train(settings=settings, **files(world, tmp_path / "killed"), checkpoints=tmp_path / "training")
    train(settings=settings, **files(world, tmp_path / "killed"), checkpoints=tmp_path / "training")
    for name in ("score.safetensors", "score.json", "score.md"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
