"""Training learns, repeats itself, stops in time and keeps its best weights."""

from typing import Any

import numpy as np
import pytest
import torch
from rankscape.foundation.errors import RasterError, SettingsError, WeightsError
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_table
from rankscape.learning.processes import use_device
from rankscape.models.preparation import Preparation
from rankscape.models.weights import load_weights, save_weights
from rankscape.studies.ranking.scoring import training
from rankscape.studies.ranking.scoring.network import start_network
from rankscape.studies.ranking.scoring.network_ensemble import split_ranked, train_ensemble
from rankscape.studies.ranking.scoring.samples import balanced_mean, clusters_of, levels_of, open_ranked, targets_of
from rankscape.studies.ranking.scoring.score_targets import cluster_targets
from rankscape.studies.ranking.scoring.settings import TrainSettings
from rankscape.studies.ranking.scoring.training import ScoreTask, predict_samples, train_network

from .conftest import ARCHITECTURE, write_backbone


@pytest.fixture
def pool(world):
    use_device(0, 1)
    targets = cluster_targets(read_json(world.order), read_json(world.summary), "levels", "order.json")
    return open_ranked(world.tiles, read_table(world.clusters), targets)


def task_of(pool, world, **changes: Any) -> ScoreTask:
    settings = TrainSettings.from_text(world.settings(**changes), "train")
    split = split_ranked(pool, settings, np.random.default_rng(0))
    preparation = Preparation.from_document(load_weights(world.backbone)[1]["preparation"])
    return ScoreTask(
        pool.take(split.training), pool.take(split.validation), preparation, settings, torch.device("cpu")
    )  # fmt: skip


def fitted(task: ScoreTask, world, seed: int = 0):
    network = start_network(ARCHITECTURE, str(world.backbone), 3, seed)
    return network, train_network(network, task, seed)


def test_a_new_network_scores_everything_one_half(world):
    scores = start_network(ARCHITECTURE, str(world.backbone), 3, 0)(torch.rand(3, 3, 32, 32))
    assert scores.tolist() == [0.5] * 3


def test_training_learns_an_invented_gradient_of_images(pool, world):
    _, fit = fitted(task_of(pool, world, epochs=10), world)
    assert fit.epochs[-1]["training_loss"] < fit.epochs[0]["training_loss"] / 2
    assert min(epoch["validation_loss"] for epoch in fit.epochs) < 0.1


def test_the_network_is_left_with_the_weights_of_its_best_epoch(pool, world):
    task = task_of(pool, world)
    network, fit = fitted(task, world)
    scores = predict_samples(network, task.validation, task)
    error = balanced_mean(np.abs(scores - targets_of(task.validation)), levels_of(task.validation))
    assert np.array_equal(scores, fit.scores)
    assert error == pytest.approx(min(epoch["validation_loss"] for epoch in fit.epochs))
    assert fit.epochs[fit.best_epoch - 1]["validation_loss"] == pytest.approx(error)


def test_training_stops_when_validation_gets_no_better(pool, world, monkeypatch: pytest.MonkeyPatch):
    losses = iter([0.5, 0.3, 0.4, 0.35, 0.2])
    monkeypatch.setattr(training, "balanced_mean", lambda values, groups: next(losses))
    _, fit = fitted(task_of(pool, world, epochs=9, patience=2), world)
    assert [epoch["validation_loss"] for epoch in fit.epochs] == [0.5, 0.3, 0.4, 0.35]
    assert fit.best_epoch == 2


def test_equal_seeds_give_equal_weights_and_other_seeds_others(pool, world):
    task = task_of(pool, world, epochs=2)
    first, again, other = (fitted(task, world, seed)[0].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_training_leaves_the_global_random_state_alone(pool, world):
    before = torch.random.get_rng_state()
    fitted(task_of(pool, world, epochs=1), world)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_frozen_batch_norm_keeps_the_statistics_of_the_backbone(pool, world):
    before = start_network(ARCHITECTURE, str(world.backbone), 3, 0).state_dict()
    names = [name for name in before if name.endswith(("running_mean", "running_var"))]
    frozen = fitted(task_of(pool, world, epochs=1, batch_norm="frozen"), world)[0].state_dict()
    moving = fitted(task_of(pool, world, epochs=1), world)[0].state_dict()
    assert names
    assert all(torch.equal(before[name], frozen[name]) for name in names)
    assert not any(torch.equal(before[name], moving[name]) for name in names)


def ensemble(pool, world, backbone=None, **changes: Any):
    targets = cluster_targets(read_json(world.order), read_json(world.summary), "levels", "order.json")
    settings = TrainSettings.from_text(world.settings(epochs=1, **changes), "train")
    return train_ensemble(pool, targets, backbone or world.backbone, settings, torch.device("cpu"))


def test_an_ensemble_has_a_network_a_seed_and_a_record(pool, world):
    model, record = ensemble(pool, world, seeds=2, seed=5)
    assert model.parts[0].seeds == (5, 6)
    assert [one["seed"] for one in record["seeds"]] == [5, 6]
    assert set(record["validation"]) == {"patches", "share_within", "mean_absolute_error", "kendall_tau_b"}
    assert sum(record["patches"].values()) == len(pool)
    assert record["validation"]["patches"] == record["patches"]["validation"]
    assert sum(c["training"] for c in record["clusters"].values()) == record["patches"]["training"]
    assert record["blocks"]["training"] > record["blocks"]["validation"] > 0
    assert record["settings"]["block_m"] == 400
    assert record["limits"]


def test_training_can_start_from_random_weights_of_each_seed(pool, world):
    changes = {"seeds": 1, "learning_rate": 1e-9, "weight_decay": 0.0}
    near = ensemble(pool, world, **changes)[0].networks[0].state_dict()
    random = ensemble(pool, world, start="random", **changes)[0].networks[0].state_dict()
    adapted = start_network(ARCHITECTURE, str(world.backbone), 3, 0).state_dict()
    name = next(name for name in adapted if name.endswith("conv1.weight"))
    assert torch.allclose(near[name], adapted[name], atol=1e-5)
    assert not torch.allclose(random[name], adapted[name], atol=1e-3)


def test_few_held_out_blocks_and_clusters_on_one_side_are_said(pool, world):
    few = pool.take((clusters_of(pool) != 3) | (np.arange(len(pool)) == np.flatnonzero(clusters_of(pool) == 3)[0]))
    limits = ensemble(few, world, block_m=800.0)[1]["limits"]
    assert any("Few blocks were held out" in limit for limit in limits)
    assert any("clusters [3] was held out" in limit for limit in limits)


def test_patches_of_one_block_cannot_be_validated(pool, world):
    with pytest.raises(SettingsError, match=r"lower train\.block_m"):
        ensemble(pool, world, block_m=20_000_000.0)


def test_a_backbone_of_other_bands_is_refused(pool, world):
    path = write_backbone(world.folder / "other.safetensors", ("B04", "B03", "B02", "B08"))
    with pytest.raises(RasterError, match="adapted to the bands B04, B03, B02, B08, the patches have B04, B03, B02"):
        ensemble(pool, world, path)


def test_a_file_that_is_no_backbone_is_refused(pool, world):
    save_weights(world.folder / "other.safetensors", {"a": torch.zeros(1)}, {"architecture": ARCHITECTURE})
    with pytest.raises(WeightsError, match=r"is no backbone \(its description lacks preparation\)"):
        ensemble(pool, world, world.folder / "other.safetensors")


def test_weights_of_another_architecture_are_refused(pool, world):
    tensors, document = load_weights(world.backbone)
    save_weights(world.folder / "other.safetensors", tensors, {**document, "architecture": "resnet10t"})
    with pytest.raises(WeightsError, match="no weights of resnet10t"):
        ensemble(pool, world, world.folder / "other.safetensors")


@pytest.mark.parametrize(("rate", "groups"), [(1.0, 1), (0.1, 2)])
def test_the_backbone_learns_at_its_own_rate(pool, world, rate, groups):
    task = task_of(pool, world, backbone_rate=rate)
    network = start_network(ARCHITECTURE, str(world.backbone), 3, 0)
    optimizer, _ = training._optimizer(network, 64, task.settings)
    rates = [group["max_lr"] for group in optimizer.param_groups]
    assert len(rates) == groups
    assert rates == pytest.approx([5e-3 * rate, 5e-3][-groups:])
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(network.parameters()))


def test_with_rate_0_the_head_alone_is_trained(pool, world):
    before = start_network(ARCHITECTURE, str(world.backbone), 3, 0).state_dict()
    network, fit = fitted(task_of(pool, world, epochs=4, backbone_rate=0.0), world)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"head.weight", "head.bias"}
    assert fit.epochs[-1]["validation_loss"] < fit.epochs[0]["validation_loss"]


def test_appearance_changes_training_and_repeats_itself(pool, world):
    first, again, plain = (
        fitted(task_of(pool, world, epochs=1, appearance=strength), world)[0].state_dict() for strength in (0.5, 0.5, 0)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], plain["head.weight"])
