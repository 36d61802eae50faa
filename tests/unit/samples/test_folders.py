"""A folder of web-mercator tiles as another way in."""

import json

import numpy as np
import pytest
from invented_pictures import claiming_png
from PIL import Image
from pyproj import Transformer
from rankscape.__main__ import main
from rankscape.samples.patches import open_patches


def tile(folder, out, *more, **settings):
    given = [
        "tile",
        "--settings",
        json.dumps(settings),
        "--source",
        str(folder),
        "--granule",
        "north",
        "--out",
        str(out),
    ]
    with pytest.raises(SystemExit) as end:
        main([*given, *map(str, more)])
    return end.value.code or 0


@pytest.fixture
def folder(picture, tmp_path):
    """Five tiles on a grid of 3 x 11, in mixed formats; their order by name is not that by number."""
    made = tmp_path / "folder"
    for number, name in enumerate(["9_100.png", "10_99.webp", "10_101.png", "11_91.tif", "9_99.png"]):
        picture(made / name, seed=number)
    (made / "README.txt").write_text("passed over")
    return made


def test_tiles_come_in_the_order_of_their_numbers(folder, tmp_path):
    assert tile(folder, tmp_path / "north.npy", zoom=10) == 0
    patches = open_patches(tmp_path / "north.npy")
    index = patches.index
    assert index["patch_id"].tolist() == ["north_9_99", "north_9_100", "north_10_99", "north_10_101", "north_11_91"]
    assert index["row"].tolist() == [0, 0, 1, 1, 2]
    assert index["col"].tolist() == [8, 9, 8, 10, 0]
    assert (patches.grid.rows, patches.grid.cols, patches.grid.patch_px) == (3, 11, 8)
    with Image.open(folder / "10_101.png") as expected:
        np.testing.assert_array_equal(patches.array[3], np.array(expected))
    assert index["usable"].all()
    assert index["cloud_fraction"].eq(0).all()


def test_footprints_are_the_tiles_of_web_maps(folder, tmp_path):
    tile(folder, tmp_path / "north.npy", zoom=10)
    patches = open_patches(tmp_path / "north.npy")
    assert patches.index.crs.to_epsg() == 3857
    west, south, east, north = patches.index.geometry[1].bounds
    to_degrees = Transformer.from_crs(3857, 4326, always_xy=True)
    corner = to_degrees.transform(west, north)
    # OpenStreetMap's formula: longitude = x / 2^z * 360 - 180, latitude = atan(sinh(pi (1 - 2 y / 2^z))).
    expected = 100 / 1024 * 360 - 180, np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * 9 / 1024))))
    np.testing.assert_allclose(corner, expected, atol=1e-9)
    assert east - west == pytest.approx(north - south)
    a, _, c, _, e, f = patches.grid.transform
    assert (c + 9 * 8 * a, f) == pytest.approx((west, north))
    assert e == -a


def test_the_published_tiles_of_north_korea_lie_there(picture, tmp_path):
    """The first place of the table of Ahn et al. (2023): tile 6259_13990 at zoom 14."""
    picture(tmp_path / "f" / "6259_13990.png")
    tile(tmp_path / "f", tmp_path / "nk.npy")
    x, y = open_patches(tmp_path / "nk.npy").index.geometry.centroid[0].coords[0]
    longitude, latitude = Transformer.from_crs(3857, 4326, always_xy=True).transform(x, y)
    assert 124 < longitude < 131
    assert 37.5 < latitude < 43.1


def test_black_and_transparent_pixels_are_no_data(tmp_path):
    pixels = np.full((8, 8, 4), 200, np.uint8)
    pixels[:2, :, 3] = 0
    pixels[2:4, :, :3] = 0
    (tmp_path / "f").mkdir()
    Image.fromarray(pixels, "RGBA").save(tmp_path / "f" / "3_4.png")
    tile(tmp_path / "f", tmp_path / "a.npy")
    patches = open_patches(tmp_path / "a.npy")
    assert patches.index["valid_fraction"][0] == 0.5
    assert (patches.array[0, :4] == 0).all()
    assert (patches.array[0, 4:] == 200).all()


def test_grey_tiles_become_three_equal_bands(picture, tmp_path):
    picture(tmp_path / "f" / "3_4.png", mode="L")
    tile(tmp_path / "f", tmp_path / "a.npy")
    array = open_patches(tmp_path / "a.npy").array
    assert array.shape == (1, 8, 8, 3)
    assert (array[..., 0] == array[..., 2]).all()


def _broken(path):
    path.write_bytes(path.with_name("9_100.png").read_bytes()[:-80])


def _oblong(path):
    for one in path.parent.glob("*.*"):
        one.unlink()
    Image.new("RGB", (8, 6), (1, 1, 1)).save(path)


def _deep(path):
    Image.fromarray(np.ones((8, 8), np.uint16)).save(path)


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("12_5.png", lambda path: Image.new("RGB", (9, 9)).save(path), "12_5.png has 9 x 9 px"),
        ("12_5.png", lambda path: path.write_text("no picture"), "12_5.png is no whole image"),
        ("12_5.png", _broken, "12_5.png is no whole image"),
        ("12_5.png", _deep, "8-bit"),
        ("12_5.png", _oblong, "squares"),
        ("town.png", lambda path: Image.new("RGB", (8, 8)).save(path), "town.png is no tile"),
        ("9_100.jpg", lambda path: Image.new("RGB", (8, 8)).save(path), "the same tile"),
        ("9_1024.png", lambda path: Image.new("RGB", (8, 8)).save(path), "outside of the world at zoom 10"),
    ],
    ids=["size", "text", "cut short", "16 bits", "oblong", "name", "double", "zoom"],
)
def test_odd_files_are_named(folder, tmp_path, capsys, name, make, says):
    make(folder / name)
    assert tile(folder, tmp_path / "out" / "a.npy", zoom=10) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out" / "a.npy").exists()


def test_a_folder_without_tiles_or_with_a_quality_raster(folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert tile(tmp_path / "empty", tmp_path / "a.npy") == 2
    assert "holds no tiles" in capsys.readouterr().err
    assert tile(folder, tmp_path / "a.npy", "--quality", tmp_path / "q.tif") == 2
    assert "folder of tiles" in capsys.readouterr().err


@pytest.mark.parametrize("broken", ["refuse", "skip"])
def test_a_picture_of_60000_px_a_side_is_not_decoded(folder, tmp_path, capsys, broken):
    claiming_png(folder / "12_5.png", 60_000, 60_000)
    assert tile(folder, tmp_path / "north.npy", zoom=10, broken=broken) == (2 if broken == "refuse" else 0)
    assert "12_5.png is no whole image (Image size (3600000000 pixels) exceeds limit" in capsys.readouterr().err


def test_other_formats_are_not_opened_whatever_their_names(folder, tmp_path, capsys):
    Image.new("RGB", (8, 8), "red").save(folder / "12_5.png", format="BMP")
    assert tile(folder, tmp_path / "north.npy", zoom=10) == 2
    assert "12_5.png is no whole image" in capsys.readouterr().err
