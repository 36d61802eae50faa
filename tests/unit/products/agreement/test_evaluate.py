"""The stage evaluate: agreement over granules, places counted once, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rankscape.__main__ import main
from rankscape.evaluation.correlation import pearson, spearman
from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import read_metadata, read_table, write_table
from rankscape.products.agreement.agreement import ComparedRegion, PredictorColumns, agreement, predictor_pairs
from rankscape.products.agreement.paired_samples import usable_samples
from rankscape.products.agreement.settings import EvaluateSettings
from rankscape.samples.joins import read_indices
from rankscape.samples.patches import index_of, read_index
from rankscape.samples.pixel_statistics import STATISTICS
from scipy.stats import kendalltau

SETTINGS = {"block_m": 400, "draws": 100, "surrogates": 99, "min_places": 10}
REFERENCE = {"path": "lights.tif", "title": "Night lights"}
SIDE, COUNT = 80.0, 12
PREDICTORS = ("score", *STATISTICS)


@pytest.fixture
def region(patch_store, tmp_path):
    """Write granules of 12 x 12 patches with a synthetic development, its score and references."""

    def write(*granules, noise=0.1, value=None, usable=None):
        files = {name: [] for name in ("scores", "indices", "values", "statistics")}
        for name, east_patches in granules:
            pixels = np.zeros((COUNT * 8, COUNT * 8, 3), np.uint8)
            origin = (400_000 + east_patches * SIDE, 4_500_000.0)
            index = index_of(patch_store(name, pixels=pixels, origin_m=origin, usable=usable))
            frame = read_index(index)
            generator = np.random.default_rng([len(name), east_patches])
            centre = frame.geometry.centroid
            truth = np.sin(centre.x.to_numpy() / 300) + np.cos(centre.y.to_numpy() / 200) + 2
            score = np.clip(truth / 4 + noise * generator.normal(size=len(frame)), 0, 1)
            tables = {
                "scores": {"score": score.astype(np.float32), "score_std": np.float32(0.1)},
                "values": {"value": truth if value is None else value(truth), "coverage": 1.0},
                "statistics": {"gradient": generator.random(len(frame)), "blue_green": -truth, "brightness": 0.5},
            }
            files["indices"].append(str(index))
            for role, columns in tables.items():
                path = tmp_path / role / f"{name}.parquet"
                write_table(path, pd.DataFrame({"patch_id": frame["patch_id"]}).assign(**columns), {})
                files[role].append(str(path))
        return files

    return write


def run(files, tmp_path, *extra, settings=None, reference=None):
    arguments = ["ranking", "evaluate", "--settings", json.dumps(SETTINGS | (settings or {})), "--name", "lights"]
    arguments += ["--reference-settings", json.dumps(REFERENCE | (reference or {}))]
    for role, paths in files.items():
        arguments += [f"--{role}", *paths]
    arguments += ["--out", str(tmp_path / "e.json"), "--places", str(tmp_path / "e.parquet"), *extra]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def result(tmp_path):
    return json.loads((tmp_path / "e.json").read_text())


def test_document_and_table(region, tmp_path):
    files = region(("03TVF", 0), ("03TVG", COUNT))
    assert run(files, tmp_path, "--apply", "03TVG") in (0, None)
    document = result(tmp_path)
    assert document["reference"] == "lights"
    assert document["truth"] is False
    assert document["confidence"] == 0.95
    assert list(document["predictors"]) == list(PREDICTORS)
    score = document["predictors"]["score"]
    assert score["pooled"]["n"] == 2 * COUNT**2
    assert score["fit"]["n"] == score["apply"]["n"] == score["granules"]["03TVF"]["n"] == COUNT**2
    for part in (score["pooled"], score["fit"], score["apply"], *score["granules"].values()):
        for name in ("pearson", "spearman"):
            assert part[name]["low"] <= part[name]["value"] <= part[name]["high"]
    assert score["pooled"]["spearman"]["value"] > 0.8
    table = read_table(tmp_path / "e.parquet")
    assert table.columns.tolist() == ["patch_id", "granule", "role", "score", "value", *PREDICTORS[1:], "distinct"]
    assert score["pooled"]["spearman"]["value"] == spearman(table["score"].to_numpy(), table["value"].to_numpy())
    assert set(table["role"]) == {"fit", "apply"}
    assert read_metadata(tmp_path / "e.parquet", KEY)["seed"] == 0
    assert "statistics/03TVF" in document["provenance"]["inputs"]


def test_a_baseline_says_what_it_was_trained_on(region, tmp_path):
    files = region(("03TVF", 0), ("03TVG", COUNT))
    models = {"lights-order": files["values"], "people": files["scores"], "wild": files["statistics"]}
    options = []
    for name, paths in models.items():
        for path in map(Path, paths):
            own = tmp_path / name / path.name
            table = read_table(path).rename(columns={"value": "score", "gradient": "score"})
            write_table(own, table[["patch_id", "score"]], {})
            options.append(f"--baseline={name}={own}")
    taught = ["--trained-on=lights-order=lights", "--trained-on=people=population"]

    assert run(files, tmp_path, *options, *taught) in (0, None)

    found = result(tmp_path)["predictors"]
    assert list(found) == [*PREDICTORS, *models]
    assert found["lights-order"]["trained_on"] == "lights"
    assert found["people"]["trained_on"] == "population"
    unmarked = [name for name, predictor in found.items() if "trained_on" not in predictor]
    assert unmarked == [*PREDICTORS, "wild"]
    assert found["lights-order"]["pooled"]["spearman"]["value"] == pytest.approx(1)
    assert found["people"]["pooled"]["spearman"] == found["score"]["pooled"]["spearman"]


def test_signs_are_kept_and_pixel_statistics_are_compared(region, tmp_path):
    run(region(("03TVF", 0)), tmp_path)
    found = result(tmp_path)["predictors"]
    assert found["blue_green"]["pooled"]["spearman"]["value"] == pytest.approx(-1)
    assert abs(found["gradient"]["pooled"]["spearman"]["value"]) < 0.2
    assert found["brightness"]["pooled"] == {"n": 144, "reason": "it has the same value at all 144 places"}
    assert found["score"]["apply"] is None


def test_a_place_counts_once_and_never_as_held_out_if_learned_from(region, tmp_path):
    files = region(("03TVF", 0), ("03TVG", COUNT - 4))
    assert run(files, tmp_path, "--apply", "03TVF") in (0, None)
    score = result(tmp_path)["predictors"]["score"]
    assert score["pooled"]["n"] == COUNT * (2 * COUNT - 4)
    assert score["fit"]["n"] == COUNT**2, "what was learned from comes first, whatever its id"
    assert score["apply"]["n"] == COUNT * (COUNT - 4)
    assert score["granules"]["03TVF"]["n"] == COUNT**2
    assert read_table(tmp_path / "e.parquet")["distinct"].sum() == COUNT * (2 * COUNT - 4)


def test_every_statistic_stands_beside_every_predictor(region, tmp_path):
    files = region(("03TVF", 0), ("03TVG", COUNT))
    run(files, tmp_path)
    table = read_table(tmp_path / "e.parquet")
    found = {name: one["pooled"] for name, one in result(tmp_path)["predictors"].items() if name != "brightness"}
    for name, part in found.items():
        assert part["kendall"]["value"] == pytest.approx(kendalltau(table[name], table["value"]).statistic)
        assert part["kendall"]["low"] <= part["kendall"]["value"] <= part["kendall"]["high"]
    score, gradient = found["score"], found["gradient"]
    both = table[(table["score"] > 0) & (table["value"] > 0)]
    assert score["r2_log"]["n"] == len(both)
    assert score["r2_log"]["value"] == pytest.approx(pearson(np.log(both["score"]), np.log(both["value"])) ** 2)
    assert 0 <= score["r2_log"]["low"] <= score["r2_log"]["value"] <= score["r2_log"]["high"] <= 1
    assert score["partial_spearman"]["given"] == ["gradient", "blue_green"]
    assert gradient["partial_spearman"] is None
    assert score["difference"] is None
    difference = score["spearman"]["value"] - abs(gradient["spearman"]["value"])
    assert gradient["difference"]["value"] == pytest.approx(difference)
    assert 0 < gradient["difference"]["low"] < difference < gradient["difference"]["high"]
    assert gradient["test"]["p"] > 0.05
    assert score["test"]["p"] >= 1 / 100
    assert 2 < score["test"]["effective_n"] < score["n"]


def test_what_pixel_statistics_explain_is_no_merit_of_the_score(region, tmp_path):
    files = region(("03TVF", 0))
    scores, baselines = read_table(files["scores"][0]), read_table(files["statistics"][0])
    scores["score"] = (baselines["gradient"] / 2 + 0.2).astype(np.float32)
    write_table(files["scores"][0], scores, {})
    run(files, tmp_path)
    partial = result(tmp_path)["predictors"]["score"]["pooled"]["partial_spearman"]
    assert partial == {"value": None, "low": None, "high": None, "given": ["gradient", "blue_green"]}


def test_baselines_are_compared_by_name_over_the_same_places(region, tmp_path, capsys):
    files = region(("03TVF", 0), ("03TVG", COUNT))
    paths = []
    for place, path in enumerate(files["scores"]):
        table = read_table(path)
        table["score"] = 1 - table["score"]
        if place == 0:
            table.loc[0, "score"] = np.nan
        paths.append(tmp_path / f"baseline{place}.parquet")
        write_table(paths[-1], table, {})
    extra = [text for path in paths for text in ("--baseline", f"lights-guided={path}")]
    assert run(files, tmp_path, *extra) in (0, None)
    document = result(tmp_path)
    assert document["baselines"] == ["lights-guided"]
    model, score = (document["predictors"][name]["pooled"] for name in ("lights-guided", "score"))
    assert model["n"] == score["n"] == 2 * COUNT**2 - 1
    assert model["spearman"]["value"] == pytest.approx(-score["spearman"]["value"])
    assert model["difference"]["value"] == pytest.approx(2 * score["spearman"]["value"])
    assert "baselines/lights-guided/baseline0" in document["provenance"]["inputs"]
    assert "lights-guided" in read_table(tmp_path / "e.parquet")
    for wrong, message in (("nothing", "write NAME=FILE"), ("score=x", "is the name of a column already")):
        assert run(files, tmp_path, "--baseline", wrong) == 2
        assert message in capsys.readouterr().err
    assert run(files, tmp_path, "--baseline", f"half={paths[0]}") == 2
    assert "--baseline half: 144 patches are in no table" in capsys.readouterr().err


def test_blocks_are_as_wide_as_the_spatial_autocorrelation(region, tmp_path):
    files = region(("03TVF", 0), ("03TVG", COUNT))
    run(files, tmp_path, settings={"block_m": "auto"})
    document = result(tmp_path)
    block = document["block"]
    assert block["origin"] in ("variogram", "bounded")
    assert block["reference_range_m"] > SIDE
    assert SIDE <= document["block_m"] <= max(block["reference_range_m"], block["score_range_m"])
    assert document["predictors"]["score"]["pooled"]["blocks"] >= 5
    run(files, tmp_path, settings={"block_m": 400})
    assert result(tmp_path)["block"]["origin"] == "given"
    assert result(tmp_path)["block_m"] == 400
    noise = np.random.default_rng(0)
    run(region(("03TVH", 0), value=np.ones_like), tmp_path, settings={"block_m": "auto"})
    assert result(tmp_path)["block"]["origin"] == "fallback"
    assert result(tmp_path)["block_m"] == 20_000
    run(region(("03TVJ", 0), value=lambda truth: noise.random(len(truth))), tmp_path, settings={"block_m": "auto"})
    assert result(tmp_path)["predictors"]["score"]["pooled"]["blocks"] >= 5


def test_the_log_says_why_no_agreement_is_given(region, tmp_path, capsys):
    run(region(("03TVF", 0)), tmp_path, settings={"min_places": 500})
    assert "No agreement of the score with lights: 144 places" in capsys.readouterr().err


def test_logarithms_and_coverage(region, tmp_path):
    files = region(("03TVF", 0), value=np.expm1)
    values = read_table(files["values"][0])
    values.loc[:9, "coverage"] = 0.3
    write_table(files["values"][0], values, {})
    run(files, tmp_path, reference={"transform": "log1p"})
    table = read_table(tmp_path / "e.parquet")
    assert len(table) == 134
    np.testing.assert_allclose(table["value"], np.log1p(values["value"][10:]))
    values["value"] -= 100
    write_table(files["values"][0], values, {})
    assert run(files, tmp_path, reference={"transform": "log1p"}) == 2


def test_few_blocks_few_places_and_equal_values_say_why(region, tmp_path):
    files = region(("03TVF", 0))
    run(files, tmp_path, settings={"block_m": 1e6})
    part = result(tmp_path)["predictors"]["score"]["pooled"]
    assert part["spearman"]["value"] > 0.8
    assert part["spearman"]["low"] is None
    assert part["interval_reason"].endswith("an interval needs at least 5")
    run(files, tmp_path, settings={"min_places": 500})
    part = result(tmp_path)["predictors"]["score"]["pooled"]
    assert part == {"n": 144, "reason": "144 places with score and reference; at least 500 are needed"}
    run(region(("03TVG", 0), value=np.ones_like), tmp_path)
    part = result(tmp_path)["predictors"]["score"]["pooled"]
    assert part == {"n": 144, "reason": "the reference has the same value at all 144 places"}


def test_unusable_and_unscored_patches_are_no_places(region, tmp_path):
    usable = np.arange(COUNT**2) % 3 > 0
    files = region(("03TVF", 0), usable=usable)
    scores = read_table(files["scores"][0])
    scores.loc[1, "score"] = np.nan
    write_table(files["scores"][0], scores, {})
    run(files, tmp_path)
    assert result(tmp_path)["predictors"]["score"]["pooled"]["n"] == usable.sum() - 1


def test_the_same_inputs_give_the_same_bytes(region, tmp_path):
    files = region(("03TVF", 0))
    written = []
    for _ in range(2):
        run(files, tmp_path)
        written.append((tmp_path / "e.json").read_bytes() + (tmp_path / "e.parquet").read_bytes())
    assert written[0] == written[1]


def test_a_draw_that_leaves_nothing_to_compare_gives_no_interval():
    frame = pd.DataFrame({name: np.arange(40.0) for name in PREDICTORS})
    frame["value"] = np.r_[np.ones(35), np.arange(5.0)]
    frame["block"] = np.r_[np.repeat(np.arange(5), 7), np.full(5, 5)]
    frame = frame.assign(raw=frame["value"], x_m=np.arange(40) % 8, y_m=np.arange(40) // 8)
    pairs = predictor_pairs(frame.assign(distinct=True), PREDICTORS, 0)
    known = ComparedRegion(PredictorColumns("score", STATISTICS), pairs, 1.0)
    found = agreement(frame, known, EvaluateSettings(draws=100, surrogates=99))["score"]
    assert found["spearman"]["low"] is None
    assert "one draw of blocks in ten" in found["interval_reason"]


def test_wrong_inputs_are_one_line_and_write_nothing(region, tmp_path, capsys):
    files = region(("03TVF", 0), ("03TVG", COUNT))
    wrong = [
        (files, ("--apply", "48RVV"), {}, "--apply names ['48RVV']"),
        (files | {"scores": files["scores"][:1]}, (), {}, "--scores: 144 patches are in no table, 03TVG_0_0"),
        (files | {"values": files["values"][:1] * 2}, (), {}, "--values: patch 03TVF_0_0 stands in two rows"),
        (files | {"indices": files["indices"][:1] * 2}, (), {}, "granule 03TVF is given twice"),
        (files | {"statistics": files["scores"]}, (), {}, "lacks the columns ['blue_green', 'brightness', 'gradient']"),
        (files, (), {"draws": 1}, "evaluate.draws = 1 is refused"),
    ]
    for given, extra, settings, message in wrong:
        assert run(given, tmp_path, *extra, settings=settings) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.strip().count("\n") == 0
    for path in files["values"]:
        write_table(path, read_table(path).assign(value=np.nan, coverage=0.0), {})
    assert run(files, tmp_path) == 2
    assert "lights.tif covers no place in the granules ['03TVF', '03TVG']" in capsys.readouterr().err
    assert not list(tmp_path.glob("e.*"))


def test_indices_are_sorted_and_must_hold_patches(region):
    files = region(("03TVG", 0), ("03TVF", COUNT))
    indices = read_indices(files["indices"])
    assert [index["granule"].iloc[0] for index in indices] == ["03TVF", "03TVG"]
    samples = usable_samples(indices, ["03TVF"])
    assert samples["role"].value_counts().to_dict() == {"apply": 144, "fit": 144}
    with pytest.raises(InputError, match="names"):
        usable_samples(indices, ["x"])
    with pytest.raises(TableError, match="does not exist"):
        read_indices(["none.parquet"])
