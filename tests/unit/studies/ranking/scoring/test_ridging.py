"""Ridge as a score model of its own, and as auxiliary model of trained networks."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from rankscape.foundation.errors import SettingsError, TableError, WeightsError
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_table
from rankscape.learning import feature_buffer
from rankscape.learning.processes import use_device
from rankscape.learning.ridge import fit_ridge
from rankscape.models.backbones import create_backbone
from rankscape.models.preparation import Preparation
from rankscape.models.weights import load_weights
from rankscape.studies.ranking.scoring.auxiliary import auxiliary_part, balance
from rankscape.studies.ranking.scoring.model import read_model
from rankscape.studies.ranking.scoring.network import combine
from rankscape.studies.ranking.scoring.network_ensemble import split_ranked, train_ensemble
from rankscape.studies.ranking.scoring.ridging import _draw, buffered, fit_drawn, ridge_part
from rankscape.studies.ranking.scoring.samples import levels_of, open_ranked, targets_of, validation_metrics
from rankscape.studies.ranking.scoring.score_targets import cluster_targets
from rankscape.studies.ranking.scoring.settings import AuxiliarySettings, TrainSettings
from rankscape.studies.ranking.scoring.training import ScoreTask
from rankscape.studies.ranking.stages.predict import predict
from rankscape.studies.ranking.stages.train import train
from torch import nn

from .conftest import ARCHITECTURE, World

CPU = torch.device("cpu")
AUXILIARY = {
    "architecture": "random-convolutions-3px-8-log-standard",
    "input_px": 16,
    "normalisation": "none",
    "seeds": 2,
}


@pytest.fixture
def pool(world: World):
    use_device(0, 1)
    targets = cluster_targets(read_json(world.order), read_json(world.summary), "levels", "order.json")
    return open_ranked(world.tiles, read_table(world.clusters), targets)


def task_of(pool, world: World, **changes: Any) -> ScoreTask:
    settings = TrainSettings.from_text(world.settings(objective="ridge", **changes), "train")
    split = split_ranked(pool, settings, np.random.default_rng(0))
    preparation = Preparation.from_document(load_weights(world.backbone)[1]["preparation"])
    return ScoreTask(pool.take(split.training), pool.take(split.validation), preparation, settings, CPU)


def backbone_of(world: World) -> nn.Module:
    return create_backbone(ARCHITECTURE, str(world.backbone), 3, 0)


def trained(world: World, name: str = "score", **changes: Any):
    out = world.folder / f"{name}.safetensors"
    train(settings=world.settings(**changes), **world.train_files(), out=out, record=out.with_suffix(".json"))
    return out, read_json(out.with_suffix(".json"))


def features_by_hand(backbone: nn.Module, task: ScoreTask, pool) -> np.ndarray:
    with torch.inference_mode():
        images = task.preparation.tensor(pool.pixels(np.arange(len(pool))))
        return backbone(images).double().numpy()


@pytest.mark.parametrize("resample", [False, True])
def test_the_network_scores_as_the_ridge_predicts(pool, world: World, resample: bool):
    task, backbone = task_of(pool, world), backbone_of(world)
    part, fits = ridge_part(backbone, ARCHITECTURE, task, [3], 1, resample)
    seen = features_by_hand(backbone, task, task.training)
    mean, scale = seen.mean(0), np.where(seen.std(0) < 1e-8, 1.0, seen.std(0))
    draw = _draw(task, 3, resample)
    direct = fit_ridge((seen - mean) / scale, targets_of(task.training), draw.parts, weights=draw.weights)
    expected = direct.predict((features_by_hand(backbone, task, task.validation) - mean) / scale)
    np.testing.assert_allclose(fits[0].scores, expected, atol=2e-4)
    assert fits[0].ridge.penalty == direct.penalty
    assert part.link == "clip"
    assert fits[0].scores.min() >= direct.lowest
    assert fits[0].scores.max() <= direct.highest
    assert fits[0].rows == draw.samples


def test_sums_and_all_rows_at_once_give_the_same_ridge(pool, world: World, monkeypatch: pytest.MonkeyPatch):
    task = task_of(pool, world)
    draw, narrow = _draw(task, 0, True), nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    narrow.num_features = 12
    monkeypatch.setattr(feature_buffer, "BLOCK_MB", 0.001)
    with buffered(narrow, task, 2, 0, room_mb=0.001) as buffer:
        assert len(buffer) == 2 * len(task.training) > buffer.dims
        unit = buffer.statistics()
        summed = fit_drawn(buffer, unit, targets_of(task.training), draw)
        rows = (np.concatenate([block for _, block in buffer.blocks()]) - unit[0]) / unit[1]
    doubled = (np.tile(values, 2) for values in (targets_of(task.training), draw.parts, draw.weights))
    labels, parts, weights = doubled
    direct = fit_ridge(rows, labels, parts, weights=weights)
    np.testing.assert_allclose(summed.predict(rows), direct.predict(rows), atol=1e-8)
    assert not np.allclose(rows[: len(rows) // 2], rows[len(rows) // 2 :], atol=1e-3)


def test_copies_look_as_training_shows_patches(pool, world: World):
    """With `appearance` their colours differ from the patch's too; the first row of a patch is the patch as it is."""
    flat = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    flat.num_features = 3
    rows = {}
    for strength in (0.0, 1.0):
        task = task_of(pool, world, appearance=strength)
        with buffered(flat, task, 2, 0) as buffer:
            found = np.concatenate([block for _, block in buffer.blocks()])
        rows[strength] = np.split(found, 2)
        np.testing.assert_allclose(rows[strength][0], features_by_hand(flat, task, task.training), atol=1e-6)
    plain, changed = (np.abs(copy - patch).max() for patch, copy in rows.values())
    assert plain < 0.4 < changed
    light = torch.Generator().manual_seed(0)
    shown = task.varied(torch.from_numpy(task.preparation.resized(task.training.pixels(np.arange(32)))), light)
    np.testing.assert_allclose(rows[1.0][1][:32], flat(shown), atol=1e-6)


def test_ridge_trains_predicts_and_says_so(world: World):
    out, record = trained(world, objective="ridge", seeds=3)
    assert record["validation"]["kendall_tau_b"] > 0.7
    assert [seed["epochs"] for seed in record["seeds"]] == [[], [], []]
    known = record["seeds"][0]["ridge"]
    assert known["errors"][f"{known['penalty']:.6g}"] == min(known["errors"].values())
    assert 1 < known["places"] <= record["blocks"]["training"]
    assert not any("epoch at which training stopped" in limit for limit in record["limits"])
    text = out.with_suffix(".md").read_text()
    assert "| objective | ridge |" in text
    assert "| seed 0 | – | 0 |" in text
    names = [name for name in load_weights(out)[0] if "backbone" in name]
    assert {name.split(".")[1] for name in names} == {"0"}
    predict(settings="{}", patches=world.tiles[1], model=out, out=world.folder / "scores.parquet")
    means = read_table(world.folder / "scores.parquet").merge(read_table(world.clusters), on="patch_id")
    by_cluster = means.groupby("cluster").score.mean()
    assert by_cluster[3] > by_cluster[1] > by_cluster[4]
    assert (means.ensemble_std > 0).any()


def test_one_seed_of_ridge_learns_from_all_and_repeats_itself(world: World):
    (first, record), (again, _) = (trained(world, name, objective="ridge", seeds=1) for name in ("a", "b"))
    assert first.read_bytes() == again.read_bytes()
    assert record["seeds"][0]["ridge"]["rows"] == record["patches"]["training"]
    assert record["seeds"][0]["ridge"]["places"] == record["blocks"]["training"]


def test_random_backbones_of_ridge_are_of_each_seed(world: World):
    out, _ = trained(world, objective="ridge", seeds=2, start="random")
    (part,) = read_model(out, CPU).parts
    assert not part.is_shared


def test_features_that_are_not_finite_are_refused(pool, world: World):
    class Broken(nn.Module):
        num_features = 2

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.full((len(images), 2), torch.nan)

    with pytest.raises(TableError, match="finite features"):
        ridge_part(Broken(), "broken", task_of(pool, world), [0], 1, False)


def test_ridge_needs_two_places(pool, world: World):
    task = task_of(pool, world)
    far = replace(task, settings=task.settings.model_copy(update={"block_m": 5e6}))
    with pytest.raises(SettingsError, match="into one block, so the penalty"):
        ridge_part(backbone_of(world), ARCHITECTURE, far, [0], 1, True)


def test_an_auxiliary_model_is_a_second_part_and_its_worth_is_recorded(world: World):
    out, record = trained(world, epochs=2, auxiliary={**AUXILIARY, "weight": 0.25})
    model = read_model(out, CPU)
    assert [(part.weight, len(part.networks)) for part in model.parts] == [(0.75, 2), (0.25, 2)]
    filters = [network.backbone.filters for network in model.parts[1].networks]
    assert not torch.equal(*filters)
    networks, auxiliary = record["parts"]
    assert (networks["name"], auxiliary["name"]) == ("networks", "auxiliary")
    assert (networks["weight"], auxiliary["weight"]) == (0.75, 0.25)
    taus = auxiliary["kendall_tau_b_by_weight"]
    assert networks["validation"]["kendall_tau_b"] == pytest.approx(taus["0"])
    assert auxiliary["validation"]["kendall_tau_b"] == pytest.approx(taus["1"])
    assert record["validation"]["kendall_tau_b"] == pytest.approx(taus["0.25"])
    assert auxiliary["weight_chosen_by"] == "settings"
    assert len(auxiliary["seeds"]) == 2
    text = out.with_suffix(".md").read_text()
    assert "2 networks of architecture `test_resnet` (weight 0.75)" in text
    assert "| auxiliary alone, `random-convolutions-3px-8-log-standard`, weight 0.25 |" in text
    predict(settings="{}", patches=world.tiles[0], model=out, out=world.folder / "s.parquet")
    frame = read_table(world.folder / "s.parquet")
    assert frame.score.dropna().between(0, 1).all()


def test_auto_takes_the_weight_that_follows_the_levels_best(world: World, pool):
    _, record = trained(world, epochs=1, auxiliary={**AUXILIARY, "weight": "auto"})
    networks, auxiliary = record["parts"]
    taus = auxiliary["kendall_tau_b_by_weight"]
    assert taus[f"{auxiliary['weight']:g}"] == max(taus.values())
    assert networks["weight"] + auxiliary["weight"] == 1
    assert any(
        "the epoch at which training stopped and the auxiliary model's share" in limit for limit in record["limits"]
    )
    kept = [part for part in record["parts"] if part["weight"] > 0]
    assert len(record["model"]["parts"]) == len(kept)
    good, bad = targets_of(pool).astype(float), np.zeros(len(pool))
    assert balance("auto", good, good, pool).weight == 0.5
    assert balance("auto", bad, good, pool).weight == 0.5
    assert balance("auto", -good, good, pool).weight == 0.75
    assert balance(0.1, bad, good, pool).tried["0"] is None


def test_an_auxiliary_model_of_weight_0_is_left_out(world: World):
    out, record = trained(world, objective="ridge", seeds=1, auxiliary={**AUXILIARY, "weight": 0})
    assert len(read_model(out, CPU).parts) == 1
    assert len(record["parts"]) == 2


def test_the_auxiliary_models_filters_come_from_the_patches_trained_on(pool, world: World):
    task = task_of(pool, world)
    settings = AuxiliarySettings(**AUXILIARY)
    first, fits = auxiliary_part(settings, task, 0)
    hidden = pool.take(np.arange(len(pool)))
    for store in hidden.stores:
        own = [p for s, p in zip(task.validation.store, task.validation.position, strict=True)
               if hidden.stores[s] is store]  # fmt: skip
        copy = np.array(store.array)
        copy[own] = 0
        object.__setattr__(store, "array", copy)
    again, _ = auxiliary_part(settings, task, 0)
    assert all(
        torch.equal(a.backbone.filters, b.backbone.filters) for a, b in zip(first.networks, again.networks, strict=True)
    )
    assert (
        validation_metrics(fits[0].scores, targets_of(task.validation), levels_of(task.validation))["kendall_tau_b"]
        > 0.5
    )


@pytest.mark.parametrize(
    ("auxiliary", "said"),
    [
        ({"architecture": "resnet18"}, r"train\.auxiliary\.architecture = 'resnet18' is refused"),
        ({"weight": 1.5}, r"train\.auxiliary\.weight.* is refused"),
        ({"weights": 0.5}, r"train\.auxiliary\.weights is no known key"),
    ],
)
def test_an_auxiliary_model_that_cannot_be_is_refused(auxiliary: dict[str, Any], said: str):
    with pytest.raises(SettingsError, match=said):
        TrainSettings.from_text(json.dumps({"auxiliary": auxiliary}), "train")


def test_an_auxiliary_model_whose_name_cannot_be_read_is_refused(pool, world: World):
    with pytest.raises(WeightsError, match="cannot be read"):
        auxiliary_part(AuxiliarySettings(architecture="random-convolutions-3px"), task_of(pool, world), 0)


def test_score_std_is_calibrated_on_held_out_patches_and_can_be_left_as_it_is(world: World):
    out, record = trained(world, objective="ridge", seeds=3)
    known = record["uncertainty"]
    assert known["coverage"]["patches"] == record["patches"]["validation"]
    assert known["coverage"]["halves"] == "places"
    assert record["model"]["calibration"] == {"floor": known["floor"], "factor": known["factor"]}
    predict(settings="{}", patches=world.tiles[0], model=out, out=world.folder / "a.parquet")
    predict(settings='{"score_std": "ensemble"}', patches=world.tiles[0], model=out, out=world.folder / "b.parquet")
    calibrated, plain = (read_table(world.folder / f"{name}.parquet").dropna() for name in "ab")
    np.testing.assert_array_equal(plain.score_std, plain.ensemble_std)
    np.testing.assert_array_equal(calibrated.ensemble_std, plain.ensemble_std)
    expected = np.hypot(known["floor"], known["factor"] * plain.ensemble_std)
    np.testing.assert_allclose(calibrated.score_std, expected, rtol=1e-5)
    text = out.with_suffix(".md").read_text()
    assert f"score_std is sqrt({known['floor']:.3f}²" in text


def test_the_recorded_score_is_that_of_the_model(pool, world: World):
    settings = TrainSettings.from_text(world.settings(objective="ridge", auxiliary=AUXILIARY), "train")
    targets = cluster_targets(read_json(world.order), read_json(world.summary), "levels", "order.json")
    model, record = train_ensemble(pool, targets, world.backbone, settings, CPU)
    split = split_ranked(pool, settings, np.random.default_rng([0, 1]))
    held_out = pool.take(split.validation)
    scores = model.score(held_out.pixels(np.arange(len(held_out))), CPU)
    metrics = validation_metrics(combine(scores, model.parts)[0], targets_of(held_out), levels_of(held_out))
    assert metrics["mean_absolute_error"] == pytest.approx(record["validation"]["mean_absolute_error"], abs=1e-5)


def test_a_measured_ridge_can_be_fitted_anew_to_all_patches(pool, world: World):
    targets = cluster_targets(read_json(world.order), read_json(world.summary), "levels", "order.json")
    models, records = {}, {}
    for refit in (False, True):
        text = world.settings(objective="ridge", seeds=1, auxiliary={**AUXILIARY, "seeds": 1}, refit=refit)
        settings = TrainSettings.from_text(text, "train")
        models[refit], records[refit] = train_ensemble(pool, targets, world.backbone, settings, CPU)
    assert records[True]["validation"] == records[False]["validation"]
    assert any("held-out ones included" in limit for limit in records[True]["limits"])
    assert models[True].calibration == models[False].calibration
    assert [part.weight for part in models[True].parts] == [0.5, 0.5]
    split = split_ranked(pool, settings, np.random.default_rng([0, 1]))
    rows = split.validation
    errors = {
        refit: float(np.abs(model.combined(model.score(pool.pixels(rows), CPU)).score - targets_of(pool)[rows]).mean())
        for refit, model in models.items()
    }
    assert errors[True] < errors[False]


def test_only_ridge_is_fitted_anew():
    with pytest.raises(SettingsError, match="refit goes with objective = 'ridge' alone"):
        TrainSettings.from_text('{"refit": true}', "train")
