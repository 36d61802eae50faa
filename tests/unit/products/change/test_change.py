"""Change between two dates on synthetic regions whose changes are known: what is called changed, has changed."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
from explaining import BANDS, CPU, bright_network, model_of
from rankscape.__main__ import main
from rankscape.foundation.errors import InputError
from rankscape.foundation.files import sha256
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import read_metadata, write_table
from rankscape.products.change.change import neighbour_correlation
from rankscape.products.change.significance import least_called, p_values, tail_of, tails_of
from rankscape.samples.patches import index_of, open_patches
from rankscape.studies.ranking.scoring.prediction import score_patches
from rankscape.studies.ranking.scoring.settings import PredictSettings
from scipy import stats
from synthetic_change import LIGHT, discoveries, fewer, synthetic_dates

DRAWS = range(12)


@pytest.mark.parametrize(
    ("changes", "power"),
    [({}, 0.4), ({"correlation_places": 3.0}, 0.4), ({"tails": 4.0}, 0.3), ({"light": None}, 0.4)],
)
def test_false_discoveries_stay_below_the_level_and_changes_are_found(changes, power):
    worlds = [synthetic_dates(seed, **changes) for seed in DRAWS]
    found = np.array([discoveries(world, world.measured(least_change=0.0)) for world in worlds])
    assert found[:, 0].mean() <= 0.06
    assert found[:, 1].mean() > power


def test_where_only_the_light_changed_nothing_is_significant():
    for seed in DRAWS:
        measured = synthetic_dates(seed, changed_share=0.0).measured()
        assert measured.facts["significant"] == 0
        assert measured.facts["places"]["land"]["effect"] > 0.02, "the light itself moves the scores"
        assert abs(measured.frame["change"].median()) < 0.005


def test_the_light_that_was_put_in_is_taken_out_and_changes_keep_their_size():
    world = synthetic_dates(1)
    measured = world.measured()
    np.testing.assert_allclose(measured.normalized["land"].gain, LIGHT.gain, rtol=0.03)
    still = world.measured(radiometry=False, effect="none").frame
    assert not world.measured(radiometry=False).normalized
    frame = measured.frame
    same = synthetic_dates(1, light=None).measured().frame
    assert stats.pearsonr(frame["change"], same["change"]).statistic > 0.98
    np.testing.assert_allclose(still["change"], still["raw_change"])
    assert frame["change"][~world.changed].abs().median() < 0.5 * still["change"][~world.changed].abs().median()


def test_invariant_places_are_the_unchanged_ones():
    world = synthetic_dates(2)
    frame = world.measured().frame
    assert frame["invariant"].mean() == pytest.approx(0.5, abs=0.01)
    assert frame["invariant"][world.changed].mean() < 0.2


def test_small_changes_are_of_no_interest_however_sure():
    change, noise = np.array([0.019, 0.021, 0.1, -0.1]), np.full(4, 1e-3)
    p = p_values(change, noise, 0.02, 100.0)
    assert p[0] > 0.5
    assert 0.1 < p[1] < 0.5
    assert p[2] == pytest.approx(p[3])
    assert p[2] < 1e-6
    np.testing.assert_allclose(p_values(change, noise, 0.0, 100.0)[:2], 2 * stats.t.sf([19, 21], 100), rtol=0.3)


def test_tails_are_those_of_the_noise():
    generator = np.random.default_rng(3)
    assert tail_of(generator.standard_normal(4000)) >= 30
    heavy = generator.standard_t(3, 4000)
    assert tail_of(heavy / stats.median_abs_deviation(heavy, scale="normal")) <= 4


def test_neighbours_that_err_together_are_reported():
    alone = [synthetic_dates(seed).measured().facts["neighbour_correlation"] for seed in (1, 2, 3)]
    together = [
        synthetic_dates(seed, correlation_places=3.0).measured().facts["neighbour_correlation"] for seed in (1, 2)
    ]
    assert max(alone) < 0.15
    assert min(together) > 0.4
    single = pd.DataFrame({"place": ["a"], "row": [0], "col": [0], "z": [1.0], "invariant": [True]})
    assert neighbour_correlation(single) is None


def test_too_few_places_are_one_clear_line():
    with pytest.raises(InputError, match=r"change.min_places = 30.*land has 20") as caught:
        fewer(synthetic_dates(4), 20).measured()
    assert "\n" not in str(caught.value)


def test_constant_scores_change_nothing():
    world = synthetic_dates(5)
    for name in ("score_before", "score_after"):
        world.seen.frame[name] = 0.4
    assert world.measured(radiometry=False).facts["significant"] == 0


def pixels_of(seed: int, built: bool, gain: float) -> np.ndarray:
    """A land of 12 x 12 patches of 64 px, each of its own brightness, uint8; four of them are built on or not."""
    generator = np.random.default_rng(seed)
    land = np.random.default_rng(0).uniform(30, 100, (12, 12)).repeat(64, 0).repeat(64, 1)
    pixels = land[..., None] * np.array([1.0, 0.9, 0.8]) + generator.standard_normal((768, 768, 3))
    if built:
        pixels[128:256, 128:256] += 90
    return (pixels * gain).clip(1, 255).astype(np.uint8)


@pytest.fixture
def dates(tmp_path, patch_store, monkeypatch):
    """Stores and scores of both dates, and options of the stage."""
    model = model_of([bright_network(1.5)])
    weights = tmp_path / "score.safetensors"
    weights.write_bytes(b"weights")
    monkeypatch.setattr("rankscape.studies.ranking.stages.change.read_model", lambda *_: model)
    settings = PredictSettings()
    options: dict[str, str] = {"--model": str(weights), "--change": "2016--2022", "--places": "land"}
    for date, granule, built, gain in (("before", "land_2016", False, 1.1), ("after", "land", True, 1.0)):
        tiles = patch_store(granule, pixels=pixels_of(len(date), built, gain), patch_px=64, bands=BANDS)
        scores = tmp_path / f"{granule}-scores.parquet"
        record = {"inputs": {"model": sha256(weights)}, "settings": settings.model_dump(mode="json")}
        write_table(scores, score_patches(model, open_patches(tiles), CPU, 64, granule), {KEY: record})
        options |= {f"--{date}-patches": str(tiles), f"--{date}-scores": str(scores)}
    files = {"out": "c.parquet", "document": "c.json", "raster": "c.tif", "preview": "c.png", "images": "images"}
    return options | {f"--{name}": str(tmp_path / "out" / file) for name, file in files.items()}


def run(options: dict[str, str], **settings: object) -> int:
    words = [word for pair in options.items() for word in pair]
    with pytest.raises(SystemExit) as ended:
        main(["ranking", "change", "--settings", json.dumps(settings), *words])
    return int(ended.value.code or 0)


def test_the_stage_writes_table_summary_map_style_preview_and_images(dates, capsys):
    assert run(dates, images=3) == 0
    table = gpd.read_parquet(dates["--out"])
    assert table.crs.to_epsg() == 4326
    assert len(table) == 144
    found = table[table["significant"]]
    assert set(found["patch_id"]) == {f"land_{row}_{col}" for row in (2, 3) for col in (2, 3)}
    assert (
        found["before_patch_id"].str.removeprefix("land_2016_") == found["patch_id"].str.removeprefix("land_")
    ).all()
    assert (found["change"] > 0.05).all()
    np.testing.assert_allclose(table["raw_change"], table["score_after"] - table["score_before"], atol=1e-6)
    document = json.loads(Path(dates["--document"]).read_text())
    assert (document["n"], document["significant"], document["up"], document["down"]) == (144, 4, 4, 0)
    assert document["places"]["land"]["radiometry"]["gain"] == pytest.approx([1 / 1.1] * 3, rel=0.02)
    assert read_metadata(Path(dates["--out"]), KEY)["stage"] == "ranking change"
    with rasterio.open(dates["--raster"]) as raster:
        assert raster.descriptions == ("change", "change_std")
        assert np.nanmax(raster.read(1)) == pytest.approx(table["change"].max(), abs=1e-6)
    assert 'value="0" label="0.00" color="#ececec"' in Path(dates["--raster"]).with_suffix(".qml").read_text()
    assert Path(dates["--preview"]).read_bytes().startswith(b"\x89PNG")
    listed = json.loads((Path(dates["--images"]) / "index.json").read_text())["images"]
    assert [entry["file"] for entry in listed] == ["01-why.png", "02-why.png", "03-why.png"]
    assert all((Path(dates["--images"]) / entry[name]).is_file() for entry in listed for name in ("before", "after"))
    assert listed[0]["explained"]["difference"] > 0.05
    assert "4 rose and 0 fell" in capsys.readouterr().err


def test_fewer_images_leave_none_of_an_earlier_run(dates):
    assert run(dates, images=3) == 0
    assert run(dates, images=1) == 0
    names = {path.name for path in Path(dates["--images"]).iterdir()}
    assert names == {"01-before.png", "01-after.png", "01-why.png", "index.json"}


def test_two_dates_on_different_grids_are_one_line_that_names_both(dates, patch_store, capsys):
    other = patch_store(
        "land_2010", pixels=pixels_of(1, False, 1.0), patch_px=64, bands=BANDS, origin_m=(400_010, 4_500_000)
    )
    assert run({**dates, "--before-patches": str(other)}) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert all(words in said[0] for words in ("land_2010.parquet", "land.parquet", "different grids", "transform"))
    assert not Path(dates["--out"]).exists()


def test_scores_of_another_model_or_of_other_patches_are_refused(dates, tmp_path, capsys):
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"other weights")
    assert run({**dates, "--model": str(other)}) == 2
    assert "was not scored with" in capsys.readouterr().err
    assert run({**dates, "--before-scores": dates["--after-scores"]}) == 2
    assert "does not hold the patches of" in capsys.readouterr().err


def test_cloudy_patches_are_not_compared(dates):
    path = index_of(Path(dates["--before-patches"]))
    index = gpd.read_parquet(path)
    index.loc[:9, "cloud_fraction"] = 0.05
    metadata = {name: read_metadata(path, name) for name in ("grid", KEY)}
    write_table(path, index, metadata)
    assert run(dates) == 0
    document = json.loads(Path(dates["--document"]).read_text())
    assert document["n"] == 134
    assert document["left_out"]["land"] == {"cloud at one of the dates": 10}
    assert run(dates, max_cloud_fraction=0.1) == 0
    assert json.loads(Path(dates["--document"]).read_text())["n"] == 144
    assert torch.get_num_threads() == 1


def test_tails_of_one_level_are_not_those_of_another():
    generator = np.random.default_rng(7)
    level, invariant = np.linspace(0, 1, 4000), generator.random(4000) < 0.5
    z = np.where(level < 0.2, generator.standard_t(3, 4000), generator.standard_normal(4000))

    tail, found = tails_of(z, level, invariant)

    assert len(found) == 5
    assert found[0] <= 4
    assert min(found[1:]) >= 10
    assert tail[0] == pytest.approx(found[0])
    assert tail[-1] == pytest.approx(found[-1])
    assert len(tails_of(z, level, level < 0.03)[1]) == 1, "120 places are one group"


def test_the_least_change_that_would_be_called_is_just_called():
    least = least_called(0.1, 0.02, 10.0, 0.001)

    assert least is not None
    tested = p_values(np.array([least - 0.001, least]), np.full(2, 0.1), 0.02, 10.0)
    assert tested[0] > 0.001 >= tested[1]
    assert least_called(0.5, 0.02, 3.0, 1e-6) is None, "no score changes by more than 1"
