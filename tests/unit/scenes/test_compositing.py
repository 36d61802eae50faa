"""One image from several scenes: best with holes filled, median, and files that do not fit together."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rankscape.foundation.errors import RasterError
from rankscape.scenes import compositing
from rankscape.scenes.compositing import Layers, SceneView, best, common_grid, compose_windows, median
from rankscape.scenes.sensors.sentinel2 import SENSOR
from rasterio.transform import from_origin
from unit.scenes.synthetic_scenes import write_tif

EPSG = 32603
RAW, COLOUR = SENSOR.products["reflectance"], SENSOR.products["visual"]


def scene(folder: Path, dn: np.ndarray, classes: np.ndarray | None = None, *, offset_dn: int = 0, **more) -> Layers:
    """Write a scene of one band (raw numbers) or of three (true colour)."""
    bands = (write_tif(folder / "B04.tif", dn, **more),)
    scl = None if classes is None else write_tif(folder / "SCL.tif", classes, gsd_m=10.0 * dn.shape[-2] / len(classes))
    return Layers(folder.name, bands, scl, {"offset_dn": offset_dn})


def composed(scenes, method="best", product="reflectance"):
    grid = common_grid(scenes, EPSG, SENSOR.products[product])
    pieces = list(compose_windows(scenes, grid, SENSOR, product, method))
    image = np.zeros((pieces[0].pixels.shape[0], grid.height_px, grid.width_px), pieces[0].pixels.dtype)
    mask, quality = np.zeros(image.shape[1:], np.uint8), np.zeros(image.shape[1:], np.uint8)
    for piece in pieces:
        rows, cols = piece.window.toslices()
        image[:, rows, cols], mask[rows, cols], quality[rows, cols] = piece.pixels, piece.mask, piece.quality
    return image, mask, quality


def views(*rows):
    """One-band views of one row each: a number is clear, a negative number cloudy, 0 no data."""
    made = []
    for row in rows:
        values = np.array([row], np.float32)
        pixels = np.where(values == 0, np.nan, np.abs(values))
        made.append(SceneView(pixels[None].astype(np.float32), values != 0, values > 0))
    return made


def test_best_takes_the_first_clear_then_the_first_seen():
    first, second, third = views([1, -1, 0, 0, -1], [2, 2, -2, 0, -2], [3, 3, 3, 0, -3])
    view = best([first, second, third])
    np.testing.assert_array_equal(view.pixels[0, 0], np.array([1, 2, 3, np.nan, 1], np.float32))
    assert view.seen.tolist() == [[True, True, True, False, True]]
    assert view.clear.tolist() == [[True, True, True, False, False]]


def test_best_reads_no_scene_that_it_does_not_need():
    def ordered():
        yield views([1, 1])[0]
        raise AssertionError("the next scene was read")

    assert best(ordered()).pixels.tolist() == [[[1, 1]]]


def test_median_is_of_clear_observations_only():
    view = median(views([1, -9, 0, -4, 5], [2, 3, 0, -9, 7], [9, 5, 0, 0, -1]))
    np.testing.assert_array_equal(view.pixels[0, 0], np.array([2, 4, np.nan, 4, 6], np.float32))
    assert view.clear.tolist() == [[True, True, False, False, True]]


def test_median_of_bytes_rounds_halves_upward():
    pixels = [np.full((3, 1, 1), value, np.uint8) for value in (10, 11)]
    seen = np.ones((1, 1), bool)
    view = median([SceneView(values, seen, seen) for values in pixels])
    assert view.pixels.dtype == np.uint8
    assert view.pixels.ravel().tolist() == [11, 11, 11]


@settings(deadline=None)
@given(arrays.arrays(np.int16, (4, 6), elements=st.integers(-3, 3)))
def test_both_methods_agree_on_what_was_seen_and_clear(numbers):
    scenes = views(*numbers.tolist())
    one, other = best(scenes), median(scenes)
    assert np.array_equal(one.seen, (numbers != 0).any(axis=0)[None])
    assert np.array_equal(one.clear, (numbers > 0).any(axis=0)[None])
    assert np.array_equal(one.seen, other.seen)
    assert np.array_equal(one.clear, other.clear)
    assert np.array_equal(np.isnan(other.pixels[0]), ~other.seen)


def test_two_scenes_on_disk_fill_each_others_holes(tmp_path):
    dn = np.full((8, 6), 2000, np.uint16)
    wedge = dn.copy()
    wedge[:, :2] = 0
    cloud = np.full((4, 3), 4, np.uint8)
    cloud[2:, 1:] = 9
    scenes = [scene(tmp_path / "a", wedge, cloud), scene(tmp_path / "b", dn * 2, offset_dn=-1000)]
    image, mask, quality = composed(scenes)
    assert np.all(mask == 255)
    assert np.all(quality == 1)
    assert image[0, 0, 0] == np.float32(0.3)
    assert image[0, 0, 2] == np.float32(0.2)
    # The classification has pixels of 20 m: each covers two by two pixels of the image.
    assert np.all(image[0, 4:, 2:] == np.float32(0.3))
    assert np.all(image[0, :4, 2:] == np.float32(0.2))


def test_windows_change_nothing(tmp_path, noise, monkeypatch):
    scenes = [
        scene(tmp_path / name, noise((1100, 1301), 0, 3000, "uint16"), noise((550, 651), 0, 11), offset_dn=-1000)
        for name in "abc"
    ]
    whole = composed(scenes, "median")
    monkeypatch.setattr(compositing, "_WINDOW_VALUES", 1)
    for ours, theirs in zip(composed(scenes, "median"), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert 0.0 in np.unique(whole[0])


def test_true_colour_keeps_its_bytes(tmp_path, noise):
    pixels = noise((3, 20, 30))
    pixels[:, :5] = 0
    pixels[0, 10, 10] = 0
    image, mask, quality = composed([scene(tmp_path / "a", pixels)], product="visual")
    np.testing.assert_array_equal(image, pixels)
    assert np.all(mask[:5] == 0)
    assert np.all(mask[5:] == 255)
    assert set(np.unique(quality)) == {0, 1}


def test_bands_of_20_m_are_repeated(tmp_path):
    red = write_tif(tmp_path / "B04.tif", np.full((4, 4), 1000, np.uint16))
    swir = write_tif(tmp_path / "B11.tif", np.array([[1000, 2000], [3000, 4000]], np.uint16), gsd_m=20.0)
    image, _, _ = composed([Layers("a", (red, swir), None, {"offset_dn": 0})])
    expected = np.kron(np.array([[0.1, 0.2], [0.3, 0.4]], np.float32), np.ones((2, 2), np.float32))
    np.testing.assert_array_equal(image[1], expected)


def test_offset_that_contradicts_the_numbers_is_said(tmp_path, capsys):
    composed([scene(tmp_path / "dark", np.full((9, 9), 300, np.uint16), offset_dn=-1000)])
    assert "dark: 100% of the pixels with data lie below the offset" in capsys.readouterr().err
    composed([scene(tmp_path / "bright", np.full((9, 9), 1300, np.uint16), offset_dn=0)])
    assert "bright: no pixel with data lies below 1000" in capsys.readouterr().err
    composed([scene(tmp_path / "fine", np.full((9, 9), 1300, np.uint16), offset_dn=-1000)])
    assert "fine:" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"crs": "EPSG:4326"}, r"is in EPSG:4326, but its granule is in EPSG:32603"),
        ({"crs": "EPSG:32632"}, r"is in EPSG:32632"),
        ({"crs": None}, "has no CRS"),
        ({"transform": from_origin(400_010, 4_500_000, 10, 10)}, "must share one grid"),
        ({"transform": from_origin(400_000, 4_500_000, 15, 15)}, "must share one grid"),
        ({"shape": (8, 7)}, r"has 8 x 7 pixels of 10 x 10 m .* has 8 x 6 pixels"),
        ({"shape": (2, 8, 6)}, "has 2 bands where 1 are needed"),
        ({"dtype": "uint8"}, "type uint8 where uint16 or"),
        ({"dtype": "complex64"}, "type complex64"),
    ],
)
def test_a_second_scene_that_does_not_fit_is_one_line(tmp_path, change, words):
    change = dict(change)
    dn = np.full(change.pop("shape", (8, 6)), 100, change.pop("dtype", "uint16"))
    first = scene(tmp_path / "a", np.full((8, 6), 100, np.uint16))
    path = write_tif(tmp_path / "b/B04.tif", dn, **change)
    with pytest.raises(RasterError, match=words) as caught:
        common_grid([first, Layers("b", (path,), None, {})], EPSG, RAW)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_true_colour_needs_three_bands_of_bytes(tmp_path):
    with pytest.raises(RasterError, match="has 1 bands where 3 are needed"):
        common_grid([scene(tmp_path / "a", np.ones((8, 6), np.uint8))], EPSG, COLOUR)
    with pytest.raises(RasterError, match="type uint16 where uint8 is needed"):
        common_grid([scene(tmp_path / "b", np.ones((3, 8, 6), np.uint16))], EPSG, COLOUR)


def test_classification_must_fit_too(tmp_path):
    with pytest.raises(RasterError, match=r"SCL\.tif.*must share one grid"):
        common_grid([scene(tmp_path / "a", np.ones((8, 6), np.uint16), np.ones((3, 3), np.uint8))], EPSG, RAW)
    with pytest.raises(RasterError, match="no scene to compose"):
        common_grid([], EPSG, RAW)


def test_a_block_that_cannot_be_decoded_names_its_file(tmp_path, noise):
    made = scene(tmp_path / "a", noise((300, 300), 1, 3000, "uint16"))
    made.bands[0].write_bytes(made.bands[0].read_bytes()[:100_000])
    grid = common_grid([made], EPSG, RAW)
    with pytest.raises(RasterError, match=r"a/B04\.tif is no whole GeoTIFF"):
        list(compose_windows([made], grid, SENSOR, "reflectance"))
