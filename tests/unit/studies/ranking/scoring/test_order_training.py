"""Whole trainings with the objectives that learn from the order alone."""

from typing import Any

import numpy as np
import pytest
import torch
from rankscape.__main__ import main
from rankscape.foundation.errors import SettingsError
from rankscape.foundation.files import read_json, write_json
from rankscape.foundation.tables import read_table
from rankscape.learning.processes import use_device
from rankscape.studies.ranking.scoring.model import read_model
from rankscape.studies.ranking.scoring.network_ensemble import train_ensemble
from rankscape.studies.ranking.scoring.samples import levels_of, open_ranked
from rankscape.studies.ranking.scoring.score_targets import cluster_targets
from rankscape.studies.ranking.scoring.settings import TrainSettings
from rankscape.studies.ranking.stages.train import train

CPU = torch.device("cpu")
NAMES = ("rank", "listwise")


def trained(world, order: dict[str, Any] | None = None, **changes: Any):
    use_device(0, 1)
    targets = cluster_targets(order or read_json(world.order), read_json(world.summary), "levels", "order.json")
    pool = open_ranked(world.tiles, read_table(world.clusters), targets)
    settings = TrainSettings.from_text(world.settings(**changes), "train")
    return train_ensemble(pool, targets, world.backbone, settings, CPU)


@pytest.mark.parametrize("name", NAMES)
def test_scores_follow_the_order_and_are_brought_to_its_targets(world, name: str):
    _, record = trained(world, objective=name, epochs=8, seeds=1)
    assert record["objective"] == name
    assert record["validation"]["kendall_tau_b"] > 0.7
    assert record["validation"]["mean_absolute_error"] < 0.15
    for seed in record["seeds"]:
        assert seed["calibration"]["slope"] > 0
        losses = [epoch["validation_loss"] for epoch in seed["epochs"]]
        assert min(losses) == losses[seed["best_epoch"] - 1] < 0.15
        assert max(losses) <= 1
    assert any("not by how much" in limit for limit in record["limits"])


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_weights(world, name: str):
    (first, _), (again, _) = (trained(world, objective=name, epochs=2, seeds=1) for _ in range(2))
    states = [model.networks[0].state_dict() for model in (first, again)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_regression_is_not_calibrated_and_says_nothing_of_it(world):
    _, record = trained(world, epochs=1, seeds=1)
    assert "calibration" not in record["seeds"][0]
    assert not any("not by how much" in limit for limit in record["limits"])


def test_a_cluster_that_is_above_and_below_none_is_named(world):
    order = read_json(world.order) | {"edges": [[3, 0], [0, 1], [1, 4]], "incomparable": [[0, 2], [1, 2], [2, 3]]}
    _, record = trained(world, order, objective="rank", epochs=1, seeds=1)
    assert any("clusters [2] above or below no other" in limit for limit in record["limits"])


def test_the_command_trains_on_a_partial_order(world):
    order = read_json(world.order)
    write_json(world.order, order | {"edges": [[3, 0], [3, 2], [0, 1], [1, 4], [2, 4]], "incomparable": [[1, 2]]})
    out, record = world.folder / "score.safetensors", world.folder / "score.json"
    train(settings=world.settings(objective="rank", epochs=1), **world.train_files(), out=out, record=record)
    patches = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    scores = read_model(out, CPU).score(patches, CPU)
    assert scores.shape == (2, 4)
    assert ((scores > 0) & (scores < 1)).all()
    assert read_json(record)["settings"]["rank_steepness"] == 30


def test_chains_do_not_go_with_other_balances_nor_with_small_batches(world, capsys: pytest.CaptureFixture[str]):
    arguments = ["ranking", "train", "--settings", world.settings(objective="rank", balance="patches")]
    for name, value in world.train_files().items():
        arguments += [f"--{name}", *(map(str, value) if isinstance(value, list) else [str(value)])]
    arguments += ["--out", str(world.folder / "s.safetensors"), "--record", str(world.folder / "s.json")]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "balance = 'patches' does not go with objective = 'rank'" in capsys.readouterr().err
    assert TrainSettings(objective="listwise", balance="patches").balance == "patches"
    with pytest.raises(SettingsError, match=r"train\.batch_size = 3 has no room"):
        trained(world, objective="rank", batch_size=3)


def test_unknown_objectives_are_refused():
    with pytest.raises(SettingsError, match=r"objective.*'regression', 'rank', 'listwise' or 'ridge'"):
        TrainSettings.from_text('{"objective": "magic"}', "train")


def test_networks_of_different_seeds_agree_on_the_scale(world):
    model, _ = trained(world, objective="rank", epochs=6, seeds=2)
    targets = cluster_targets(read_json(world.order), read_json(world.summary), "levels", "order.json")
    pool = open_ranked(world.tiles, read_table(world.clusters), targets)
    scores = model.score(pool.pixels(np.arange(len(pool))), CPU)
    means = [[row[levels_of(pool) == level].mean() for level in range(4)] for row in scores]
    assert np.std(means, axis=0).max() < 0.1
