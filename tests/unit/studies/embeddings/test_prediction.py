"""Regressions of all labels, applied to granules with and without labels; maps at pixels; curves."""

import json

import numpy as np
import pystac
import pytest
import rasterio
from rankscape.foundation.files import read_array
from rankscape.samples.artifacts import REFERENCE_VALUES
from rankscape.samples.patches import read_index
from rankscape.studies.embeddings.artifacts import CURVE, MAP_BANDS, PATCH_PREDICTIONS, REGRESSION_RECORD, RESIDUALS


def features(region, granule=None, name="rcf"):
    return [
        region.folder / f"features/{name}/{path.stem}.npy" for path in region.patches if granule in (None, path.stem)
    ]


def regress(region, task="truth", name="rcf", **settings):
    return region.run(
        "embeddings", "regress", "--settings", json.dumps(settings), "--labels",
        region.folder / f"labels/{task}.parquet", "--indices", *region.indices,
        "--features", *features(region, name=name),
        "--name", name, "--out", region.folder / f"regressions/{task}.safetensors",
    )  # fmt: skip


def predict(region, granule, task="truth", name="rcf"):
    out = region.folder / f"maps/{task}/{granule}"
    index = next(path for path in region.indices if path.stem == granule)
    return region.run(
        "embeddings", "predict", "--model", region.folder / f"regressions/{task}.safetensors",
        "--features", *features(region, granule, name), "--index", index,
        "--out", f"{out}.parquet", "--raster", f"{out}.tif", "--item", f"{out}.json",
    )  # fmt: skip


def localize(region, granule, name="rcf"):
    out, patches = region.folder / f"pixels/{granule}", next(p for p in region.patches if p.stem == granule)
    return region.run(
        "embeddings", "localize", "--model", region.folder / "regressions/truth.safetensors", "--embedder",
        region.folder / f"models/{name}.safetensors", "--patches", patches,
        "--out", f"{out}.tif", "--item", f"{out}.json",
    )  # fmt: skip


def curve(region, **settings):
    return region.run(
        "embeddings", "curve", "--settings", json.dumps(settings), "--ridge", "{}", "--labels",
        region.folder / "labels/truth.parquet", "--indices", *region.indices, "--features", *features(region),
        "--out", region.folder / "curves/truth/rcf.json",
    )  # fmt: skip


def test_a_granule_without_labels_is_predicted_as_well_as_one_with(ready):
    truth = ready.values
    ready.patches, ready.values = ready.patches[:2], truth[:2]
    every = [*ready.patches, ready.folder / "03TXF.npy"]
    assert ready.label("truth", block_m=160) == 0
    ready.task = {"reference": "truth", "transform": "log"}
    assert ready.label("log", block_m=160) == regress(ready) == regress(ready, "log") == 0
    ready.patches = [*ready.patches, next(iter(ready.patches[0].parent.glob("03TXF.npy")), every[2])]
    for task in ("truth", "log"):
        for granule in ("03TVF", "03TXF"):
            assert predict(ready, granule, task) == 0

    about = REGRESSION_RECORD.read(ready.folder / "regressions/truth.json")
    assert (about.n, about.split, about.widths, about.confidence) == (284, "blocks", [32], 0.95)
    assert about.r2 > 0.85
    assert about.coverage == pytest.approx(0.95, abs=0.04)
    with_labels, without = (
        PATCH_PREDICTIONS.read(ready.folder / f"maps/truth/{g}.parquet") for g in ("03TVF", "03TXF")
    )
    assert with_labels["label"].notna().sum() == 142
    assert without["label"].isna().all()
    assert without["prediction"].isna().sum() == 2, "patches that are not usable"
    bright = REFERENCE_VALUES.read(truth[2])["value"]
    inside = (np.abs(without["prediction"] - bright) <= without["half_width"])[without["prediction"].notna()]
    assert inside.mean() > 0.85
    held_out = RESIDUALS.read(ready.folder / "regressions/truth.parquet").set_index("patch_id")
    assert (held_out["label"] - held_out["held_out"] - held_out["residual"]).abs().max() == 0
    known = with_labels.set_index("patch_id")["residual"].dropna()
    assert (known == held_out.loc[known.index, "residual"]).all()
    assert (with_labels["value"] == with_labels["prediction"]).sum() == 142
    log = PATCH_PREDICTIONS.read(ready.folder / "maps/log/03TXF.parquet").dropna(subset=["prediction"])
    np.testing.assert_allclose(np.log(log[["value_low", "value", "value_high"]].to_numpy()).T,
                               [log["prediction"] + sign * log["half_width"] for sign in (-1, 0, 1)])  # fmt: skip


def test_maps_lie_where_the_patches_do(ready):
    assert regress(ready) == predict(ready, "03TWF") == 0
    table, index = PATCH_PREDICTIONS.read(ready.folder / "maps/truth/03TWF.parquet"), read_index(ready.indices[1])
    with rasterio.open(ready.folder / "maps/truth/03TWF.tif") as raster:
        assert raster.descriptions == MAP_BANDS
        assert raster.crs == index.crs
        middles = [(shape.centroid.x, shape.centroid.y) for shape in index.geometry]
        seen = np.array(list(raster.sample(middles)))
    np.testing.assert_array_equal(seen, table[list(MAP_BANDS)].to_numpy(np.float32))
    item = pystac.Item.from_file(str(ready.folder / "maps/truth/03TWF.json"))
    assert item.id == "03TWF-truth"
    assert "Truth, predicted from rcf" in item.properties["description"]
    assert {band["name"] for band in item.assets["map"].extra_fields["bands"]} == set(raster.descriptions)
    assert (ready.folder / "maps/truth/03TWF.qml").exists()


@pytest.mark.parametrize("form", ["3px-10+6px-7-bias0.05", "4px-8-offset-0.1", "3px-8+8px-3-standard"])
def test_the_mean_over_a_patch_of_pixels_is_its_prediction(ready, form):
    name = f"random-convolutions-{form}"
    assert ready.fit("rcf", architecture=name) == ready.embed("rcf") == regress(ready) == 0
    assert predict(ready, "03TVF") == localize(ready, "03TVF") == 0
    table = PATCH_PREDICTIONS.read(ready.folder / "maps/truth/03TVF.parquet")
    with rasterio.open(ready.folder / "pixels/03TVF.tif") as raster:
        assert raster.transform.a == 10
        pixels = raster.read(1)
    means = pixels.reshape(12, 8, 12, 8).mean((1, 3), dtype=np.float64).ravel()
    wanted = table["prediction"].to_numpy()
    np.testing.assert_array_equal(np.isnan(means), np.isnan(wanted))
    np.testing.assert_allclose(means, wanted, atol=2e-4 * np.nanstd(wanted), rtol=1e-4)
    assert np.nanstd(pixels) > 1.01 * np.nanstd(wanted), "pixels differ within a patch"


def test_a_map_at_pixels_needs_the_network_of_the_regression(ready, capsys):
    assert regress(ready) == ready.fit("bands", architecture="band-statistics") == 0
    assert localize(ready, "03TVF", "bands") == 2
    assert "has 32 weights" in capsys.readouterr().err
    assert not (ready.folder / "pixels").exists()


def test_features_of_another_embedding_or_granule_are_refused(ready, capsys):
    assert regress(ready) == ready.fit("bands", architecture="band-statistics") == ready.embed("bands") == 0
    assert predict(ready, "03TVF", name="bands") == 2
    assert "--features lacks rcf, from which truth is predicted" in capsys.readouterr().err
    assert ready.fit("rcf", architecture="random-convolutions-3px-8") == ready.embed("rcf") == 0
    assert predict(ready, "03TVF") == 2
    assert "has 144 rows of 16 numbers; 144 patches and 32" in capsys.readouterr().err
    model = ready.folder / "regressions/truth.safetensors"
    model.write_bytes((ready.folder / "models/rcf.safetensors").read_bytes())
    assert predict(ready, "03TVF") == 2
    assert "is no regression" in capsys.readouterr().err


def test_curves_rise_with_labels_and_features_and_have_a_best_penalty(ready):
    assert curve(ready, sizes=[5, 20, 60, 10_000]) == 0
    found = CURVE.read(ready.folder / "curves/truth/rcf.json")
    assert found.split == "blocks"
    assert [one.size for one in found.labels] == [20, 60, 341]
    assert [one.size for one in found.dims] == [5, 20, 32]
    assert [one.size for one in found.penalties][::8] == pytest.approx([1e-4, 1e3])
    assert found.labels[0].r2 < found.labels[1].r2 < found.labels[2].r2 == found.dims[2].r2
    assert found.dims[0].r2 < found.dims[2].r2
    assert max(one.r2 for one in found.penalties) >= found.labels[2].r2 - 0.02
    first = (ready.folder / "curves/truth/rcf.json").read_bytes()
    assert curve(ready, sizes=[5, 20, 60, 10_000]) == 0
    assert (ready.folder / "curves/truth/rcf.json").read_bytes() == first
    assert read_array(features(ready)[0]).shape == (144, 32)
