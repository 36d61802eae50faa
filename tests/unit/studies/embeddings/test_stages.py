"""The verbs of the study, as they are called: embeddings, labels, predictions, differences."""

import json

import numpy as np
import pandas as pd
import pytest
from rankscape.foundation.files import write_array
from rankscape.foundation.tables import read_table
from rankscape.studies.embeddings.artifacts import CONTRASTS, DOWNSTREAM, FEATURE_RECORD, LABELS, PREDICTIONS, TASK
from rankscape.studies.embeddings.regressing import r2_interval
from rankscape.studies.embeddings.tasks import DownstreamSettings

SPLITS = ("random", "blocks", "places")


def result(region, features, task="truth"):
    return DOWNSTREAM.read(region.folder / f"downstream/{task}/{features}.json")


def test_a_visible_label_is_predicted_in_every_split(ready):
    assert ready.downstream("rcf", ("rcf",)) == 0
    found = result(ready, "rcf")
    assert set(found.splits) == set(SPLITS)
    for fit in found.splits.values():
        assert fit.n == 3 * 142
        assert fit.r2 > 0.85
        assert fit.r2_interval[0] <= fit.r2 <= fit.r2_interval[1]
        assert fit.recall["0.1"] > 0.6
        assert fit.targeting_error < 0.2
        assert fit.half_width > 0
        assert 0.9 < fit.coverage <= 1
    assert [len(found.splits[split].fold_r2) for split in SPLITS] == [5, 5, 3]
    table = PREDICTIONS.read(ready.folder / "downstream/truth/rcf.parquet")
    assert np.isfinite(table[list(SPLITS)]).all(axis=None)


def test_an_invisible_label_is_not_predicted(ready):
    ready.set_values(lambda bright, chance: chance.normal(size=len(bright)))
    assert ready.label() == ready.downstream("rcf", ("rcf",)) == 0
    assert all(fit.r2 <= 0.02 for fit in result(ready, "rcf").splits.values())


def test_labels_that_only_neighbours_tell(ready):
    slope = np.repeat(np.arange(12), 12) / 4  # from north to south, another way in every granule
    ready.set_values(lambda bright, chance: chance.choice([-1, 1]) * np.sin(slope + chance.uniform(0, 6)))
    assert ready.label(block_m=960.0) == 0
    assert ready.downstream("rcf", ("rcf",)) == ready.downstream("smoothing", ()) == 0
    image, neighbours = result(ready, "rcf").splits, result(ready, "smoothing").splits
    assert neighbours["random"].r2 > 0.9
    assert neighbours["places"].r2 < 0.1
    assert max(image[split].r2 for split in SPLITS) < 0.1
    assert result(ready, "smoothing").dims == 0


def test_coordinates_alone_are_a_baseline(ready):
    assert ready.downstream("coordinates", ()) == 0
    found = result(ready, "coordinates")
    assert found.dims == 5
    assert found.splits["blocks"].r2 < 0.1


def test_embeddings_side_by_side_have_penalties_of_their_own(ready):
    assert ready.fit("bands", architecture="band-statistics") == ready.embed("bands") == 0
    assert ready.downstream("both", ("rcf", "bands"), checkerboard_m=[160, 320]) == 0
    found = result(ready, "both")
    assert found.embeddings == ["rcf", "bands"]
    assert found.dims == 32 + 6
    assert {len(one) for fit in found.splits.values() for one in fit.penalties} == {2}
    assert [board.square_m for board in found.checkerboards] == [160, 320]
    assert all(board.r2 > 0.85 for board in found.checkerboards)


def test_networks_predict_beside_ridge(ready):
    ready.patches, ready.values = ready.patches[:1], ready.values[:1]
    assert ready.label() == ready.downstream("rcf-mlp-3", ("rcf",), model="mlp-3", checkerboard_m=[320]) == 0
    found = result(ready, "rcf-mlp-3")
    assert (found.model, found.embeddings, found.dims) == ("mlp-3", ["rcf"], 32)
    assert all(fit.r2 > 0.8 for fit in found.splits.values())
    assert all(1 <= epochs <= 60 for fit in found.splits.values() for (epochs,) in fit.penalties)
    assert found.checkerboards[0].r2 > 0.7


def test_more_features_than_places_work_and_are_said(ready):
    assert ready.fit("wide", architecture="random-convolutions-3px-300") == ready.embed("wide") == 0
    assert ready.downstream("wide", ("wide",)) == 0
    found = result(ready, "wide")
    assert found.splits["blocks"].r2 > 0.8
    assert any("more features (600) than places (426)" in text for text in found.warnings)


def test_a_penalty_at_the_end_of_the_grid_is_said(ready):
    assert ready.downstream("rcf", ("rcf",), penalties=[1e3, 1e4]) == 0
    assert any("the smallest or largest penalty was the best" in text for text in result(ready, "rcf").warnings)


def test_differences_are_paired(ready):
    assert ready.fit("bands", architecture="band-statistics") == ready.embed("bands") == 0
    for features, parts in (("rcf", ("rcf",)), ("bands", ("bands",)), ("coordinates", ())):
        assert ready.downstream(features, parts) == 0
    tables = [ready.folder / f"downstream/truth/{name}.parquet" for name in ("rcf", "bands", "coordinates")]
    out = ready.folder / "contrasts/truth.json"
    assert ready.run("embeddings", "contrast", "--settings", "{}", "--predictions", *tables, "--out", out) == 0
    found = {(one.first, one.second, one.split): one for one in CONTRASTS.read(out).differences}
    assert len(found) == 9
    near, far = found["rcf", "bands", "blocks"], found["rcf", "coordinates", "blocks"]
    assert abs(near.difference) < 0.15
    assert far.interval[0] > 0.5
    assert far.interval[1] - far.interval[0] > near.interval[1] - near.interval[0]


def test_the_same_files_give_the_same_bytes(ready):
    first = {path: path.read_bytes() for path in sorted(ready.folder.glob("*/**/*")) if path.is_file()}
    assert ready.fit("rcf") == ready.embed("rcf") == ready.label() == 0
    assert {path: path.read_bytes() for path in first} == first


def test_labels_say_where_they_come_from(ready):
    ready.task = {"reference": "truth", "transform": "log", "lowest": 2.0, "highest": 3.0, "missing_above": 24.0}
    assert ready.label("log") == 0
    about, table = TASK.read(ready.folder / "labels/log.json"), LABELS.read(ready.folder / "labels/log.parquet")
    assert (about.patches, about.folds) == (426, {"random": 5, "blocks": 5, "places": 3})
    assert table["label"].between(2, 3).all()
    assert about.clipped == ((table["label"] == 2) | (table["label"] == 3)).sum() > 0
    assert about.labelled == len(table) < 426
    assert about.block_origin == "given"


def test_blocks_share_a_fold_and_dates_of_a_place_too(ready):
    table = LABELS.read(ready.folder / "labels/truth.parquet")
    assert (table.groupby("block")["blocks"].nunique() == 1).all()
    assert ready.label("dates", locations=("03TWF=03TVF",)) == 0
    two = LABELS.read(ready.folder / "labels/dates.parquet")
    assert (two["places"] == -1).all(), "two places are too few to leave one out and choose a penalty in others"
    assert TASK.read(ready.folder / "labels/dates.json").folds["places"] == 0


def test_one_granule_has_no_places_to_leave_out(ready):
    ready.patches, ready.values = ready.patches[:1], ready.values[:1]
    assert ready.label("one") == ready.downstream("rcf", ("rcf",), task="one") == 0
    assert set(result(ready, "rcf", "one").splits) == {"random", "blocks"}


def infinite(bright, _):
    return np.where(bright > bright.mean(), np.inf, 1.0)


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (lambda b, _: np.full(len(b), np.nan), {}, "no place has a label"),
        (lambda b, _: np.full(len(b), 3.0), {}, "all 426 labels are 3"),
        (infinite, {}, "values of the reference are infinite"),
        (lambda b, _: b - 0.1, {"transform": "log"}, "values have no log, -0.0"),
        (lambda b, _: -3 - b, {"transform": "log1p"}, "set transform to `none`"),
        (lambda b, _: b, {"lowest": 5.0, "highest": 6.0}, "all 426 labels are 5"),
    ],
)
def test_labels_that_cannot_be_predicted_are_refused(region, capsys, values, task, message):
    region.set_values(values)
    region.task |= task
    assert region.label() == 2
    assert message in capsys.readouterr().err
    assert not (region.folder / "labels").exists()


def test_a_reference_that_covers_too_little_gives_no_label(region, capsys):
    region.set_values(lambda bright, _: bright, coverage=0.4)
    assert region.label() == 2
    assert "embeddings.tasks.truth: no place has a label" in capsys.readouterr().err


def test_values_of_other_patches_are_refused(region, capsys):
    pd.DataFrame(read_table(region.values[0]).iloc[::-1]).to_parquet(region.values[0], index=False)
    assert region.label() == 2
    assert "has other patches than the index of 03TVF" in capsys.readouterr().err
    region.values = region.values[1:]
    assert region.label() == 2
    assert "lacks the values at granule 03TVF" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "random-convolutions-9px-4"}, "needs images of 9 px at least, the patches have 8"),
        ({"architecture": "galileo-nano-8px", "normalisation": "each"}, "takes bands as they are"),
        ({"architecture": "resnet999"}, "is no model of timm"),
        ({"weights": "nowhere.safetensors", "architecture": "resnet18"}, "is no file"),
        ({"input_px": 2}, "input_px = 2 is refused"),
    ],
)
def test_networks_that_cannot_be_made_are_refused(region, capsys, settings, message):
    assert region.fit("rcf", **settings) == 2
    assert message in capsys.readouterr().err


def test_constant_images_give_no_filters(region, patch_store, capsys):
    pixels = np.full((96, 96, 3), 0.1, np.float32)
    region.patches = [patch_store("03TVF", pixels=pixels, patch_px=8)]
    assert region.fit("rcf") == 2
    assert "drawn as filters are flat" in capsys.readouterr().err


def test_embeddings_of_two_networks_are_not_mixed(ready, capsys):
    record = ready.folder / "features/rcf/03TWF.json"
    other = {**json.loads(record.read_text()), "architecture": "another"}
    record.write_text(json.dumps(other))
    assert FEATURE_RECORD.read(record).architecture == "another"
    assert ready.downstream("rcf", ("rcf",)) == 2
    assert "mixes embeddings of" in capsys.readouterr().err


def test_too_few_labels_with_features_are_refused(ready, capsys):
    for path in ready.patches:
        write_array(ready.folder / f"features/rcf/{path.stem}.npy", np.full((144, 32), np.nan, np.float32))
    assert ready.downstream("rcf", ("rcf",)) == 2
    assert "No labelled patch has features of rcf" in capsys.readouterr().err
    few = np.full((144, 32), np.nan, np.float32)
    few[70:74] = np.random.default_rng(0).normal(size=(4, 32))
    write_array(ready.folder / "features/rcf/03TVF.npy", few)
    assert ready.downstream("rcf", ("rcf",)) == 2
    assert "truth at places with features of rcf: 4 labels are too few for 3 folds" in capsys.readouterr().err


def test_features_that_do_not_fit_are_refused(ready, capsys):
    assert ready.downstream("rcf", ()) == 2
    assert "rcf is no baseline" in capsys.readouterr().err
    write_array(ready.folder / "features/rcf/03TWF.npy", np.zeros((3, 32), np.float32))
    assert ready.downstream("rcf", ("rcf",)) == 2
    assert "Features of 03TWF have 3 rows, its index has 144" in capsys.readouterr().err


@pytest.mark.parametrize("penalties", [[0.0, 1.0], [-1.0], []])
def test_penalties_that_are_none_are_refused(ready, capsys, penalties):
    assert ready.downstream("rcf", ("rcf",), penalties=penalties) == 2
    assert "embeddings.downstream.penalties" in capsys.readouterr().err


def test_an_interval_of_r2_ends_at_1_and_that_of_a_difference_need_not():
    chance = np.random.default_rng(0)
    labels, block = chance.normal(size=60), np.repeat(np.arange(6), 10)
    good = labels + np.where(block == 0, chance.normal(0, 1.5, 60), 0.01)
    settings = DownstreamSettings(draws=200)
    low, high = r2_interval(labels, [good], block, settings)
    assert low < 0.8 < high == 1.0
    assert r2_interval(labels, [good, labels[::-1]], block, settings)[1] > 1
