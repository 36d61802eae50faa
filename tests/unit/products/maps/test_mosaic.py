"""The stage merge: one grid for all granules, means where they overlap, and what it refuses."""

import json

import geopandas as gpd
import numpy as np
import pystac
import pytest
import rasterio
from rankscape.__main__ import main
from rankscape.foundation.errors import SettingsError
from rankscape.foundation.files import sha256
from rankscape.products.maps.region_map import mosaic_surfaces
from rankscape.products.maps.surface import read_surface
from rankscape.samples.patches import read_grid, read_index, write_index

SIDE_M = 80.0


def run(pairs, folder, settings="{}"):
    arguments = ["mosaic", "--settings", settings, "--scores", *(str(scores) for scores, _ in pairs)]
    arguments += ["--indices", *(str(index) for _, index in pairs), "--out", str(folder / "region.tif")]
    arguments += ["--colour", str(folder / "region-colour.tif")]
    arguments += ["--uncertainty", str(folder / "region-uncertainty.tif")]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--preview", str(folder / "region.png"), "--item", str(folder / "region.json")])
    return ended.value.code


def reweigh(index, valid_fraction):
    patches = read_index(index).assign(valid_fraction=np.float32(valid_fraction))
    write_index(index, patches, read_grid(index), {"stage": "test"})


def test_one_granule_alone_is_its_native_grid(granule):
    score = np.random.default_rng(0).random((6, 7))
    score[2, 3] = np.nan
    surface = read_surface(*granule(score=score))
    region = mosaic_surfaces([surface], None, None)
    assert region.crs == "EPSG:32603"
    assert tuple(region.transform)[:6] == (SIDE_M, 0, 400_000, 0, -SIDE_M, 4_500_000)
    np.testing.assert_array_equal(region.values, surface.values)


def test_overlaps_are_averaged_by_valid_weight(granule, tmp_path):
    left = granule("03TVF", score=np.full((3, 4), 0.2))
    right = granule("03TVG", score=np.full((3, 4), 0.8), origin_m=(400_000 + 3 * SIDE_M, 4_500_000.0))
    reweigh(right[1], 0.5)
    assert run([left, right], tmp_path) in (0, None)
    with rasterio.open(tmp_path / "region.tif") as raster:
        score, spread = raster.read()
        assert raster.descriptions == ("score", "score_std")
    overlap = (0.2 + 0.5 * 0.8) / 1.5
    np.testing.assert_allclose(score, np.tile([0.2, 0.2, 0.2, overlap, 0.8, 0.8, 0.8], (3, 1)), rtol=1e-6)
    np.testing.assert_allclose(spread, score / 10, rtol=1e-6)


def test_land_without_a_score_counts_nothing(granule):
    hole = np.full((2, 2), 0.4)
    hole[:, 1] = np.nan
    surfaces = [
        read_surface(*granule("03TVF", score=hole)),
        read_surface(*granule("03TVG", score=np.full((2, 2), 0.6), origin_m=(400_000 + SIDE_M, 4_500_000.0))),
    ]
    region = mosaic_surfaces(surfaces, None, None)
    np.testing.assert_allclose(region.values[0], [[0.4, 0.6, 0.6]] * 2, rtol=1e-6)


def test_shifted_granules_share_pixels_by_area(granule):
    surfaces = [
        read_surface(*granule("03TVF", score=np.full((2, 2), 0.0))),
        read_surface(*granule("03TVG", score=np.full((2, 4), 1.0), origin_m=(400_000 + 2.25 * SIDE_M, 4_500_000.0))),
    ]
    row = mosaic_surfaces(surfaces, None, None).values[0, 0]
    np.testing.assert_allclose(row[:6], [0, 0, 1, 1, 1, 1])
    assert np.isnan(row[6]), "a quarter of the last pixel is not enough"
    coarse = mosaic_surfaces(surfaces, None, 2.5 * SIDE_M).values[0, 0]
    np.testing.assert_allclose(coarse[:2], [0.25 / 2.25, 1], atol=0.02)


def test_the_zone_of_most_granules_wins_and_means_are_kept(granule):
    surfaces = [
        read_surface(*granule("03TVF", score=np.full((20, 20), 0.3), origin_m=(300_000.0, 4_500_000.0))),
        read_surface(*granule("03TVG", score=np.full((20, 20), 0.3), origin_m=(301_600.0, 4_500_000.0))),
        read_surface(
            *granule("02TQL", score=np.full((20, 20), 0.3), origin_m=(799_000.0, 4_500_000.0), crs="EPSG:32602")
        ),
    ]
    region = mosaic_surfaces(surfaces, None, None)
    assert region.crs == "EPSG:32603"
    given = region.values[0][np.isfinite(region.values[0])]
    np.testing.assert_allclose(given, 0.3, rtol=1e-6)
    area_m2 = len(given) * region.transform.a**2
    assert area_m2 == pytest.approx(region.outlines.union_all().area, rel=0.05)
    other = mosaic_surfaces(surfaces, "EPSG:32602", 160.0)
    assert other.crs == "EPSG:32602"
    assert other.transform.a == 160


def test_finer_pixels_show_the_same_patches(granule):
    score = np.random.default_rng(1).random((5, 5))
    region = mosaic_surfaces([read_surface(*granule(score=score))], None, 10.0)
    np.testing.assert_array_equal(region.values[0], np.kron(score.astype(np.float32), np.ones((8, 8), np.float32)))


def test_files_of_the_stage(granule, tmp_path):
    pairs = [granule("03TVF", score=np.random.default_rng(2).random((6, 6)))]
    run(pairs, tmp_path)
    files = sorted(tmp_path.glob("region*"))
    first = [sha256(path) for path in files]
    run(pairs, tmp_path)
    assert first == [sha256(path) for path in files]
    assert len(files) == 7
    item = pystac.Item.from_file(tmp_path / "region.json")
    assert set(item.assets) == {"map", "colour", "uncertainty", "preview", "style", "style-uncertainty"}
    assert item.assets["preview"].roles == ["overview"]
    record = json.loads((tmp_path / "region.json").read_text())["provenance"]
    assert set(record["inputs"]) == {"scores/03TVF", "indices/03TVF", "ramp", "uncertainty-ramp"}
    with rasterio.open(tmp_path / "region.tif") as raster:
        assert json.loads(raster.tags()["RANKSCAPE"]) == record
        footprint = gpd.GeoSeries.from_wkt([item_outline(item)], crs=4326).to_crs(raster.crs).total_bounds
        np.testing.assert_allclose(footprint, raster.bounds, atol=2)


def item_outline(item):
    ring = ", ".join(f"{x} {y}" for x, y in item.geometry["coordinates"][0])
    return f"POLYGON (({ring}))"


@pytest.mark.parametrize(
    ("crs", "resolution_m", "message"),
    [
        ("EPSG:1", None, r"mosaic.crs = 'EPSG:1' is no known CRS"),
        ("EPSG:4326", None, r"mosaic.crs = 'EPSG:4326' is not in metres"),
        ("EPSG:2263", None, r"not in metres"),
        (None, 0.01, r"mosaic.resolution_m = 0.01 makes a region map of"),
    ],
)
def test_wrong_settings_are_refused(granule, crs, resolution_m, message):
    surface = read_surface(*granule(score=np.full((2, 2), 0.5)))
    with pytest.raises(SettingsError, match=message):
        mosaic_surfaces([surface], crs, resolution_m)


def test_scores_of_another_granule_write_nothing(granule, tmp_path, capsys):
    one, other = granule("03TVF", score=np.full((2, 2), 0.5)), granule("03TVG", score=np.full((2, 2), 0.5))
    assert run([(one[0], other[1])], tmp_path) == 2
    assert "not of the same granules" in capsys.readouterr().err
    assert not list(tmp_path.glob("region*"))
