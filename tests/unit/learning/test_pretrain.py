"""A backbone that teaches itself: the stage, its views, and that it goes on after a stop to the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from rankscape.foundation.files import read_json
from rankscape.learning import trainer
from rankscape.learning.adapted import load_adapted
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.pretraining import ViewComparison, pretrain_backbone, spread
from rankscape.learning.processes import use_device
from rankscape.learning.settings import AdaptSettings, PretrainSettings
from rankscape.models.backbones import create_backbone
from rankscape.models.weights import load_weights
from rankscape.samples.patches import open_patches
from stopping import dying_in
from workflow_copy import PATIENCE_S

NETWORK = {"architecture": "test_resnet", "colour": "all", "normalisation": "patches"}
SETTINGS = {"input_px": 32, "epochs": 3, "batch_size": 32, "projection_dims": 16, "patches": 90}
CPU = torch.device("cpu")


def arguments(land, out, network, settings):
    chosen = [json.dumps({**SETTINGS, **settings}), "--network", json.dumps({**NETWORK, **network})]
    files = ["--patches", *land.tiles, "--out", out, "--record", out.with_suffix(".json")]
    return ["ranking", "pretrain", "--settings", *map(str, [*chosen, *files, "--checkpoints", out.with_suffix("")])]


@pytest.fixture
def pretrain(run, land):
    """Run the stage on the invented land: `pretrain(out, epochs=2, ...)` returns its exit status."""

    def call(out, *, network=(), **settings):
        return run(*arguments(land, out, dict(network), settings))

    return call


@pytest.fixture
def taught(land):
    """Pre-train without the command line: `taught(checkpoints, method=..., ...)` returns weights and curve."""
    use_device(0, 1)
    stores = [open_patches(path) for path in land.tiles]

    def call(checkpoints=None, **settings):
        chosen = PretrainSettings.checked({**SETTINGS, **settings}, "test")
        adapted, record = pretrain_backbone(chosen, AdaptSettings(**NETWORK), stores, CPU, checkpoints)
        return adapted.backbone.state_dict(), record["epochs"]

    return call


def same(first, second):
    return first[1] == second[1] and all(torch.equal(first[0][name], second[0][name]) for name in first[0])


def test_a_backbone_teaches_itself_and_adapt_starts_from_it(pretrain, adapt, tmp_path, capsys):
    out, adapted = tmp_path / "pretrained.safetensors", tmp_path / "backbone.safetensors"
    assert pretrain(out) == 0
    record = read_json(out.with_suffix(".json"))
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1, 2, 3]
    assert record["epochs"][-1]["loss"] < record["epochs"][0]["loss"]
    assert (record["patches"], record["channels"]) == (90, 4)
    assert record["provenance"]["network"] == NETWORK
    assert not out.with_suffix("").exists(), "checkpoints are left behind"

    learned = load_adapted(out).backbone.state_dict()
    start = create_backbone("test_resnet", "random", 4, 0).state_dict()
    assert not torch.equal(learned["conv1.0.weight"], start["conv1.0.weight"])
    assert adapt(adapted, epochs=0, weights="self_supervised", pretrained=out) == 0
    found = load_adapted(adapted).backbone.state_dict()
    assert all(torch.equal(found[name], learned[name]) for name in learned)
    assert "weights" in read_json(adapted.with_suffix(".json"))["provenance"]["inputs"]


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(pretrain, tmp_path):
    outs = [tmp_path / name / "pretrained.safetensors" for name in "abc"]
    for out, seed in zip(outs, (0, 0, 1), strict=True):
        assert pretrain(out, epochs=1, seed=seed) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert outs[0].with_suffix(".json").read_bytes() == outs[1].with_suffix(".json").read_bytes()
    ours, other = (load_weights(out)[0]["backbone.conv1.0.weight"] for out in outs[::2])
    assert not torch.equal(ours, other)


def test_precision_changes_little(taught):
    weights, curve = taught()
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert all(tensor.isfinite().all() for tensor in weights.values())
    fast = taught(precision="bfloat16")[1]
    assert fast != curve
    assert fast[0]["loss"] == pytest.approx(curve[0]["loss"], rel=0.05)


@pytest.mark.parametrize(("name", "call"), [("_one_epoch", 2), ("_one_epoch", 3), ("_step", 5), ("_step", 1)])
def test_a_training_stopped_at_any_moment_gives_the_same_curve_and_weights(taught, tmp_path, monkeypatch, name, call):
    kept = Checkpoints.of(tmp_path / "kept", {})
    with dying_in(trainer, name, call, monkeypatch):
        taught(kept)
    assert kept.path(0).exists() == ((name, call) != ("_step", 1))
    assert same(taught(kept), taught())


def test_a_training_that_was_over_is_not_run_again(taught, tmp_path, monkeypatch):
    kept = Checkpoints.of(tmp_path / "kept", {})
    whole = taught(kept)
    monkeypatch.delattr(trainer, "_one_epoch")
    assert same(taught(kept), whole)


def test_a_killed_command_goes_on_to_the_same_bytes(land, pretrain, tmp_path):
    """SIGKILL: nothing can clean up, and the second command must find all it needs."""
    whole, killed = tmp_path / "whole" / "p.safetensors", tmp_path / "killed" / "p.safetensors"
    assert pretrain(whole, epochs=6) == 0
    log = tmp_path / "log.txt"
    command = [sys.executable, "-m", "rankscape", *arguments(land, killed, {}, {"epochs": 6})]
    with log.open("w") as said:
        process = subprocess.Popen(command, stderr=said)
        deadline = time.monotonic() + PATIENCE_S
        while "epoch 2 of 6" not in log.read_text() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the kill came too late"
    assert not killed.exists()
    assert list(killed.with_suffix("").glob("*/seed-0.safetensors"))
    assert pretrain(killed, epochs=6) == 0
    for name in ("p.safetensors", "p.json"):
        assert (killed.parent / name).read_bytes() == (whole.parent / name).read_bytes()


def test_what_cannot_be_learned_from_is_named(pretrain, run, adapt, land, patch_store, tmp_path, capsys):
    out = tmp_path / "pretrained.safetensors"
    assert pretrain(out, weights="self_supervised") == 2
    assert pretrain(out, network={"architecture": "random-convolutions-3px-8"}) == 2
    assert pretrain(out, network={"architecture": "vit_tiny_patch16_224"}) == 2
    assert adapt(out, weights="self_supervised") == 2
    assert adapt(out, weights="random", pretrained=out) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rankscape:")]
    for line, part in zip(
        told,
        (
            "pretrain.weights = 'self_supervised' is refused: pre-training starts from other weights than its own",
            "Nothing in random-convolutions-3px-8 can be trained",
            "vit_tiny_patch16_224 does not take images of 32 px (",
            "`self_supervised` needs the file that pretrain made",
            "and no other weights take one",
        ),
        strict=True,
    ):
        assert part in line
    assert not out.exists()


@pytest.mark.parametrize(("usable", "says"), [(0, "No patch of the tiles is usable"), (1, "two at least are needed")])
def test_tiles_without_usable_patches_are_named(pretrain, land, patch_store, tmp_path, capsys, usable, says):
    kinds = np.arange(9) < usable
    pixels = np.full((24, 24, 4), 0.1, np.float32)
    land.tiles[:] = [patch_store("03TXF", pixels=pixels, usable=kinds, bands=("B04", "B03", "B02", "B08"))]
    assert pretrain(tmp_path / "pretrained.safetensors") == 2
    assert says in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_it_with_one_line(pretrain, tmp_path, monkeypatch, capsys):
    losses = iter([1.0] * 4 + [float("nan")] * 9)
    real = trainer._step
    monkeypatch.setattr(
        trainer, "_step", lambda *given: replace(real(*given), means={"loss": torch.tensor(next(losses))})
    )
    assert pretrain(tmp_path / "p.safetensors", batch_size=30) == 2
    assert "has come apart in epoch 2: set pretrain.learning_rate below 0.001." in capsys.readouterr().err
    assert not (tmp_path / "p.safetensors").exists()


def test_weights_of_another_architecture_name_it(pretrain, adapt, tmp_path, capsys):
    out = tmp_path / "pretrained.safetensors"
    assert pretrain(out, epochs=1) == 0
    assert adapt(tmp_path / "b", architecture="resnet10t", weights="self_supervised", pretrained=out) == 2
    assert "holds no weights of resnet10t with 4 channels" in capsys.readouterr().err
    assert pretrain(tmp_path / "c.safetensors", network={"architecture": "resnet10t"}, weights=str(out)) == 2
    assert "holds no weights of resnet10t" in capsys.readouterr().err


def test_spread_is_one_for_directions_of_all_kinds_and_none_for_one():
    features = torch.randn(4000, 64, generator=torch.Generator().manual_seed(0))
    assert float(spread(features)) == pytest.approx(1, abs=0.02)
    assert float(spread(features[:1].expand(50, 64))) == pytest.approx(0, abs=1e-6)


def test_the_loss_is_that_of_the_paper():
    """Against the formula, on projections as they are."""
    views = torch.randn(12, 5, generator=torch.Generator().manual_seed(1))

    class Given(torch.nn.Module):
        num_features = 5

        def forward(self, images):
            return images

    network = ViewComparison(Given(), PretrainSettings(projection_dims=5))
    network.head = torch.nn.Identity()
    first, second = (part.double() for part in views.chunk(2))
    covariance = [torch.cov(part.T).fill_diagonal_(0).square().sum() / 5 for part in (first, second)]
    deviation = [torch.relu(1 - (part.var(0) + 1e-4).sqrt()).mean() / 2 for part in (first, second)]
    expected = 25 * (first - second).square().mean() + 25 * sum(deviation) + sum(covariance)
    assert float(network(views)[0]) == pytest.approx(float(expected), rel=1e-5)


def test_importing_the_library_opens_no_socket():
    program = (
        "import sys\n"
        "def watch(event, given):\n"
        "    if event.startswith('socket.'):\n"
        "        raise SystemExit(f'{event} {given}')\n"
        "sys.addaudithook(watch)\n"
        "import os\n"
        "import rankscape.learning.pretraining\n"
        "assert os.environ['LIGHTLY_DID_VERSION_CHECK'] == 'True'\n"
        "assert not [name for name in sys.modules if name.startswith(('pytorch_lightning', 'lightly.api'))]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=PATIENCE_S)
