"""The stage mosaic through the command line, and what it refuses."""

import importlib.util
import json

import numpy as np
import pystac
import pytest
import rasterio
from pystac.validation import validate_dict
from rankscape.__main__ import main
from rankscape.foundation.errors import TableError
from rankscape.foundation.files import sha256
from rankscape.foundation.tables import write_table
from rankscape.products.maps import backends
from rankscape.products.maps.granules import statistics, write_pixels
from rankscape.products.maps.surface import read_surface, read_surfaces
from rankscape.samples.patches import read_grid, read_index, write_index


def run(scores, index, folder, settings="{}"):
    arguments = ["ranking", "rasterize", "--settings", settings, "--scores", str(scores), "--index", str(index)]
    arguments += ["--out", str(folder / "a.tif"), "--patches", str(folder / "a-patches.tif"), "--threads", "2"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--item", str(folder / "a.json")])
    return ended.value.code


@pytest.fixture
def score():
    field = np.random.default_rng(3).random((4, 5))
    field[1, 2] = np.nan
    return field


def test_both_rasters_say_the_same(granule, score, tmp_path):
    scores, index = granule(score=score)
    assert run(scores, index, tmp_path) in (0, None)
    with rasterio.open(tmp_path / "a-patches.tif") as small, rasterio.open(tmp_path / "a.tif") as large:
        native, fine = small.read(), large.read()
        assert small.descriptions == large.descriptions == ("score", "score_std")
        assert large.shape == (35, 43)
        assert large.crs == small.crs == "EPSG:32603"
        assert np.isnan(large.nodata)
        assert small.res == (80, 80)
        assert large.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert float(large.tags(1)["STATISTICS_MEAN"]) == pytest.approx(np.nanmean(score), rel=1e-6)
        assert json.loads(large.tags()["RANKSCAPE"])["backend"] == "cpu"
    np.testing.assert_array_equal(native[0], score.astype(np.float32))
    np.testing.assert_array_equal(fine[:, :32, :40], np.repeat(np.repeat(native, 8, axis=1), 8, axis=2))
    assert np.isnan(fine[:, 32:]).all()
    assert np.isnan(fine[:, :, 40:]).all()


def test_large_rasters_have_overviews(granule, tmp_path):
    scores, index = granule(score=np.full((3, 3), 0.25), patch_px=343)
    run(scores, index, tmp_path)
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert raster.overviews(1)
        assert np.nanmax(np.abs(raster.read(1, out_shape=(100, 100)) - 0.25)) == 0


def test_scores_in_bytes_say_what_a_level_is_worth(granule, score, tmp_path):
    scores, index = granule(score=score, patch_px=300)
    assert run(scores, index, tmp_path, '{"dtype":"uint8"}') in (0, None)
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert raster.dtypes == ("uint8", "uint8")
        assert raster.nodata == 255
        assert raster.scales == pytest.approx((0.004, 0.004))
        assert float(raster.tags(1)["STATISTICS_MAXIMUM"]) == round(np.nanmax(score) * 250)
        pixels = raster.read(1, masked=True)[:1200, :1500]
    with rasterio.open(tmp_path / "a.tif", overview_level=0) as raster:
        assert (raster.read(1)[:600, :750] == pixels.data[::2, ::2]).all()
    expected = np.repeat(np.repeat(score, 300, axis=0), 300, axis=1)
    assert (pixels.mask == np.isnan(expected)).all()
    assert np.abs(pixels.compressed() * 0.004 - expected[~pixels.mask]).max() <= 0.002 + 1e-6
    with rasterio.open(tmp_path / "a-patches.tif") as small:
        np.testing.assert_array_equal(small.read(1), score.astype(np.float32))
    item = pystac.Item.from_file(tmp_path / "a.json")
    assert item.assets["map"].extra_fields["bands"][0]["raster:scale"] == 0.004
    assert item.assets["patches"].extra_fields["bands"][0]["data_type"] == "float32"


def test_threads_change_no_byte(granule, tmp_path):
    scores, index = granule(score=np.random.default_rng(2).random((4, 4)), patch_px=343)
    surface, sums = read_surface(scores, index), []
    for threads in (1, 3):
        path = tmp_path / f"{threads}.tif"
        write_pixels(path, surface, backends.fill, "float32", {"a": "b"}, threads)
        sums.append(sha256(path))
    assert sums[0] == sums[1]


def test_item_is_valid_relative_and_has_the_checksums(granule, score, tmp_path):
    run(*granule(score=score), tmp_path)
    item = pystac.Item.from_file(tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    assert validate_dict(document, extensions=[]), "STAC's own schema of an item"
    assert item.id == "03TVF"
    assert item.datetime is None
    assert item.properties["start_datetime"] < item.properties["end_datetime"]
    assert item.properties["proj:code"] == "EPSG:32603"
    assert item.properties["proj:transform"][:3] == [80.0, 0.0, 400_000.0]
    assert item.assets["map"].href == "./a.tif"
    checksum = item.assets["map"].extra_fields["file:checksum"]
    assert checksum == "1220" + sha256(tmp_path / "a.tif")
    west, south, east, north = item.bbox
    assert -166.3 < west < east < -166.1
    assert 40.6 < south < north < 40.7
    assert json.loads((tmp_path / "a.json").read_text())["provenance"]["stage"] == "ranking rasterize"
    style = (tmp_path / "a.qml").read_text()
    assert style.startswith("<!DOCTYPE qgis")
    assert style.count("<item ") == 33
    assert (tmp_path / "a-patches.qml").read_text() == style


def test_the_same_inputs_give_the_same_bytes(granule, score, tmp_path):
    scores, index = granule(score=score)
    names = ("a.tif", "a-patches.tif", "a.json", "a.qml")
    sums = []
    for _ in range(2):
        run(scores, index, tmp_path)
        sums.append([sha256(tmp_path / name) for name in names])
    assert sums[0] == sums[1]


def test_patches_are_placed_by_row_and_column(granule, score, tmp_path):
    scores, index = granule(score=score)
    patches, grid = read_index(index), read_grid(index)
    kept = np.array([19, 0, 7])  # a folder of tiles: gaps, and no order that could be relied on
    write_index(index, patches.iloc[kept], grid, {"stage": "test"})
    frame = patches.iloc[kept][["patch_id"]].assign(score=np.float32([0.9, 0.1, np.nan]), score_std=np.float32(0))
    write_table(scores, frame.drop(columns="geometry", errors="ignore"), {})
    surface = read_surface(scores, index)
    assert surface.values[0, 3, 4] == np.float32(0.9)
    assert surface.values[0, 0, 0] == np.float32(0.1)
    assert np.isfinite(surface.values[0]).sum() == 2
    assert surface.weight.sum() == 2, "a patch without a score has no weight"


def test_no_score_at_all_is_an_empty_map(granule, tmp_path):
    assert run(*granule(score=np.full((2, 2), np.nan)), tmp_path) in (0, None)
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert np.isnan(raster.read()).all()
        assert "STATISTICS_MEAN" not in raster.tags(1)
    assert statistics(np.full(3, np.nan)) == {}


def test_cuda_without_a_gpu_is_one_line_and_writes_nothing(granule, score, tmp_path, capsys):
    if importlib.util.find_spec("pycuda") is not None:
        pytest.skip("pycuda is installed; tests/gpu hold what it does")
    assert run(*granule(score=score), tmp_path, '{"backend":"cuda"}') == 1
    assert "install the extra `cuda`" in capsys.readouterr().err
    assert not list(tmp_path.glob("a*"))


def test_wrong_inputs_are_refused(granule, score):
    with pytest.raises(TableError, match=r"holds the score 1.5; scores lie in 0 to 1"):
        read_surface(*granule(score=np.full((2, 2), 1.5)))
    scores, index = granule(score=score, ids=[f"x{i}" for i in range(20)])
    with pytest.raises(TableError, match="does not hold the patches of"):
        read_surface(scores, index)


def test_a_broken_index_is_refused(granule, score):
    scores, index = granule(score=score)
    patches, grid = read_index(index), read_grid(index)
    write_index(index, patches.assign(row=patches["row"] + 3), grid, {})
    with pytest.raises(TableError, match=r"patch 03TVF_1_0 lies outside the grid of 4 x 5"):
        read_surface(scores, index)
    write_index(index, patches.assign(row=np.int32(0)), grid, {})
    with pytest.raises(TableError, match="two patches stand in one place"):
        read_surface(scores, index)


def test_tables_are_matched_by_their_patches(granule, score):
    first, second = granule("03TVF", score=score), granule("03TVG", score=score)
    surfaces = read_surfaces([second[0], first[0]], [first[1], second[1]])
    assert [surface.granule for surface in surfaces] == ["03TVF", "03TVG"]
    with pytest.raises(TableError, match=r"2 score tables and 1 indices .*03TVG_0_0"):
        read_surfaces([first[0], second[0]], [first[1]])
    with pytest.raises(TableError, match="not of the same granules"):
        read_surfaces([first[0], first[0]], [first[1], first[1]])


def test_an_empty_index_is_refused(granule, score):
    scores, index = granule(score=score)
    write_index(index, read_index(index).iloc[:0], read_grid(index), {})
    with pytest.raises(TableError, match="has no patches"):
        read_surfaces([scores], [index])
