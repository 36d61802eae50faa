"""Radar and Sentinel-2 rasters of one's own: units, polarisations, offsets that are stated wrongly."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rankscape.__main__ import main
from rankscape.models.galileo import GalileoPatches
from rankscape.models.preparation import Preparation
from rankscape.samples.patches import open_patches
from rankscape.scenes.plausibility import check_backscatter, decibels, near_zero_area

SHARED = ("chile", "tanzania", "hudson-bay")


def tile(source, out, *more, **settings) -> int:
    chosen = json.dumps({"patch_px": 16, **settings})
    given = ["tile", "--settings", chosen, "--source", str(source), "--granule", "03TVF", "--out", str(out)]
    with pytest.raises(SystemExit) as end:
        main([*given, *map(str, more)])
    return int(end.value.code or 0)


@pytest.fixture
def power() -> np.ndarray:
    """Speckled power of land, VV and VH, shape (2, 32, 32)."""
    speckle = np.random.default_rng(4).gamma(4, 0.25, (2, 32, 32))
    return (speckle * np.array([0.1, 0.02])[:, None, None]).astype(np.float32)


def patches_of(path: Path, number: int = 0) -> np.ndarray:
    return np.asarray(open_patches(path).array[number])


def test_a_composed_radar_scene_is_cut_and_embedded(raster, power, tmp_path):
    scene = decibels(power)
    scene[:, :2] = np.nan
    image = raster("scene.tif", scene, names=("VV", "VH"))
    quality = raster("quality.tif", np.where(np.isnan(scene[:1]), 0, 1).astype(np.uint8))
    assert tile(image, tmp_path / "a.npy", "--quality", quality) == 0
    patches = open_patches(tmp_path / "a.npy")
    assert (patches.grid.bands, patches.array.dtype) == (("VV", "VH"), np.float32)
    np.testing.assert_allclose(patches.array[2], scene[:, 16:, :16].transpose(1, 2, 0))
    assert patches.index["valid_fraction"].tolist() == [0.875, 0.875, 1, 1]
    network = GalileoPatches("galileo-nano-8px", patches.grid.bands)
    assert network.groups == ("S1",)
    given = Preparation(16, "all", "none", (0.0,) * 2, (1.0,) * 2, patches.grid.bands)
    with torch.no_grad():
        features = network(given.tensor(np.asarray(patches.array)))
        # What is missing counts as the mean, and not as 0 dB, which no land reaches.
        filled = np.where(np.isnan(patches.array), np.float32([-11.728724, -18.855582]), patches.array)
        torch.testing.assert_close(features, network(given.tensor(filled)), rtol=1e-3, atol=1e-4)
    assert torch.isfinite(features).all()


def test_a_season_that_nobody_saw_does_not_empty_the_others(raster, power, tmp_path):
    scene = np.concatenate([decibels(power), np.full_like(power, np.nan)])
    image = raster("scene.tif", scene, names=("spring:VV", "spring:VH", "winter:VV", "winter:VH"))
    with rasterio.open(image, "r+") as dataset:
        dataset.update_tags(SEASONS_MISSING='["winter"]')
    assert tile(image, tmp_path / "a.npy") == 0
    patches = open_patches(tmp_path / "a.npy")
    assert patches.index["valid_fraction"].eq(1).all()
    assert np.isnan(patches.array[..., 2:]).all()
    assert np.isfinite(patches.array[..., :2]).all()


@pytest.mark.parametrize("unit", ["power", "amplitude", "db"])
def test_units_that_are_stated_become_decibels(raster, power, tmp_path, unit):
    values = {"power": power, "amplitude": np.sqrt(power), "db": decibels(power)}[unit]
    assert tile(raster("own.tif", values, names=("VV", "VH")), tmp_path / "a.npy", backscatter=unit) == 0
    np.testing.assert_allclose(
        patches_of(tmp_path / "a.npy"), decibels(power)[:, :16, :16].transpose(1, 2, 0), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("make", "names", "settings", "words"),
    [
        (lambda power: power, ("VV", "VH"), {}, "is said to hold backscatter as decibels, but its values"),
        (np.sqrt, ("VV", "VH"), {}, "look like linear power or amplitudes"),
        (lambda power: 100 * decibels(power), ("VV", "VH"), {}, "look like decibels that were scaled"),
        (decibels, ("VV", "VH"), {"backscatter": "power"}, "look like decibels"),
        (decibels, ("VV", "VH"), {"backscatter": "amplitude"}, "look like decibels"),
        (lambda power: 1000 * power, ("VV", "VH"), {"backscatter": "power"}, "that are not calibrated"),
        (lambda power: 0 * power, ("VV", "VH"), {}, "the image holds no data at all"),
        (lambda power: 0 * power, ("VV", "VH"), {"backscatter": "power"}, "the image holds no data at all"),
        (lambda power: decibels(power[:1]), ("VV",), {}, "has one polarisation, VV without VH: both are needed."),
        (decibels, ("VV", "VH"), {"bands": ["VV", "HH"]}, "has no band HH"),
        (decibels, ("a", "b"), {}, "has 2 band(s); red, green and blue are needed"),
    ],
)
def test_radar_that_is_mislabelled_is_one_line(raster, power, tmp_path, capsys, make, names, settings, words):
    source = raster("own.tif", make(power).astype(np.float32), names=names)
    assert tile(source, tmp_path / "a.npy", **settings) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "a.npy").exists()


def test_a_scale_is_of_optical_bands_where_radar_stands_beside_them(raster, power, tmp_path):
    dn = np.random.default_rng(1).uniform(300, 3000, (3, 32, 32)).astype(np.float32)
    source = raster("own.tif", np.concatenate([dn, decibels(power)]), names=("B4", "B3", "B2", "VV", "VH"))
    assert tile(source, tmp_path / "a.npy", scale=1e-4) == 0
    expected = np.concatenate([dn * np.float32(1e-4), decibels(power)])[:, :16, :16]
    np.testing.assert_allclose(patches_of(tmp_path / "a.npy"), expected.transpose(1, 2, 0), rtol=1e-5)


def test_decibels_of_whole_numbers_are_scaled_and_zeros_are_no_data(raster, power, tmp_path):
    scaled = np.round(100 * decibels(power)).astype(np.int16)
    scaled[:, :4] = 0
    assert tile(raster("own.tif", scaled, names=("VV", "VH")), tmp_path / "a.npy", scale=0.01) == 0
    found = patches_of(tmp_path / "a.npy")
    assert np.isnan(found[:4]).all()
    np.testing.assert_allclose(found[4:], decibels(power)[:, 4:16, :16].transpose(1, 2, 0), atol=0.006)


@pytest.mark.parametrize(
    ("low", "offset", "words"),
    [
        (1050, 0.0, "no pixel with data lies below 1000, so they carry the +1000"),
        (200, -0.1, "lie below the offset of 1000, so they do not carry the +1000"),
        (1050, -0.1, ""),
        (200, 0.0, ""),
        (3000, 0.0, ""),  # desert or snow
    ],
)
def test_an_offset_that_the_numbers_contradict_is_one_line(raster, tmp_path, capsys, low, offset, words):
    dn = np.random.default_rng(2).integers(low, low + 1000, (3, 32, 32)).astype(np.uint16)
    dn[:, 0, 0] = 0
    status = tile(raster("own.tif", dn), tmp_path / "a.npy", scale=1e-4, offset=offset)
    assert status == (2 if words else 0)
    assert words in capsys.readouterr().err


def test_tiles_of_two_kinds_of_backscatter_are_not_one_mosaic(raster, power, tmp_path, capsys):
    for name, kind in (("a", "gamma0"), ("b", "sigma0")):
        path = raster(f"town-{name}.tif", decibels(power), names=("VV", "VH"))
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(BACKSCATTER=kind)
    assert tile(tmp_path / "town-*.tif", tmp_path / "a.npy") == 2
    assert "differ in backscatter or orbit" in capsys.readouterr().err


def test_zeros_that_stand_alone_are_no_area():
    zero = np.zeros((20, 20), bool)
    zero[3, 3] = True
    assert not near_zero_area(zero).any()
    zero[10:13, 10:13] = True
    expected = np.zeros_like(zero)
    expected[7:16, 7:16] = True
    np.testing.assert_array_equal(near_zero_area(zero), expected)


# Real pairs


@pytest.mark.shared
@pytest.mark.parametrize("place", SHARED)
def test_real_backscatter_is_what_it_is_said_to_be(shared, place):
    with rasterio.open(shared / "data/population/pairs" / f"{place}.s1rtc.tif") as dataset:
        values = dataset.read()
    check_backscatter(values, "db", place)
    check_backscatter(10 ** (values / 10), "power", place)
    check_backscatter(10 ** (values / 20), "amplitude", place)
    for wrong, unit in ((values, "power"), (10 ** (values / 10), "db"), (10 ** (values / 20), "db")):
        with pytest.raises(Exception, match=f"{place} is said to hold backscatter as"):
            check_backscatter(wrong, unit, place)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("place", "offset", "status"),
    [("chile", 0.0, 2), ("chile", -0.1, 0), ("tanzania", 0.0, 0), ("tanzania", -0.1, 2), ("hudson-bay", 0.0, 0)],
)
def test_real_scenes_contradict_a_wrong_offset_whatever_their_date(shared, tmp_path, place, offset, status):
    source = shared / "data/population/pairs" / f"{place}.s2l2a.tif"
    assert tile(source, tmp_path / "a.npy", scale=1e-4, offset=offset, bands=["4", "3", "2"]) == status


@pytest.mark.shared
def test_a_real_pair_without_names_is_radar_where_its_unit_is_stated(shared, tmp_path):
    source = shared / "data/population/pairs" / "chile.s1rtc.tif"
    assert tile(source, tmp_path / "a.npy", backscatter="db") == 0
    patches = open_patches(tmp_path / "a.npy")
    assert (patches.grid.bands, patches.array.dtype) == (("VV", "VH"), np.float32)
    assert -13 < float(np.median(patches.array[..., 0])) < -11
    assert tile(source, tmp_path / "b.npy", backscatter="power") == 2


# Two sensors side by side


def test_bands_of_two_sensors_stand_side_by_side(raster, power, tmp_path, capsys):
    optical = np.random.default_rng(3).uniform(0.02, 0.3, (4, 32, 32)).astype(np.float32)
    optical[:, :4] = np.nan
    radar = decibels(power)
    radar[:, :, :4] = np.nan
    one = raster("s2.tif", optical, names=("B04", "B03", "B02", "B08"))
    two = raster("s1.tif", radar, names=("VV", "VH"))
    quality = raster("quality.tif", np.ones((1, 32, 32), np.uint8))
    assert tile(one, tmp_path / "a.npy", "--quality", quality, "--beside", two) == 0
    patches = open_patches(tmp_path / "a.npy")
    assert patches.grid.bands == ("B04", "B03", "B02", "B08", "VV", "VH")
    both = np.concatenate([optical, radar])
    both[:, np.isnan(both).any(axis=0)] = np.nan
    np.testing.assert_array_equal(patches_of(tmp_path / "a.npy", 1), both[:, :16, 16:].transpose(1, 2, 0))
    assert patches.index["valid_fraction"][0] == pytest.approx(0.75**2)
    assert GalileoPatches("galileo-nano-8px", patches.grid.bands).groups == ("S1", "S2_RGB", "S2_NIR_10m", "NDVI")


def test_two_sensors_on_different_grids_are_one_line(raster, power, tmp_path, capsys):
    one = raster("s2.tif", np.full((3, 32, 32), 0.1, np.float32))
    moved = rasterio.transform.Affine(10, 0, 400_005, 0, -10, 4_500_000)
    two = raster("s1.tif", decibels(power), names=("VV", "VH"), transform=moved)
    assert tile(one, tmp_path / "a.npy", "--beside", two) == 2
    assert "differ in place or pixel size" in capsys.readouterr().err
