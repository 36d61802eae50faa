"""A folder of images of any names, without coordinates."""

import json
import os

import geopandas as gpd
import numpy as np
import pytest
from PIL import Image
from rankscape.__main__ import main
from rankscape.foundation.errors import RasterError
from rankscape.samples.listing import fingerprint_of, image_ids, list_images
from rankscape.samples.overlap import distinct_places
from rankscape.samples.patches import IMAGE, index_of, is_located, open_patches, read_index
from rankscape.samples.places import places_of

from .conftest import write_tile


def tile(folder, out, *more, **settings):
    given = ["tile", "--settings", json.dumps(settings), "--source", folder, "--granule", "towns", "--out", out]
    with pytest.raises(SystemExit) as end:
        main([*map(str, given), "--images", *map(str, more)])
    return end.value.code or 0


@pytest.fixture
def folder(tmp_path):
    """Five images in mixed formats, in the folder itself and below it."""
    made = tmp_path / "folder"
    for number, name in enumerate(["10.png", "2.webp", "01/a town.png", "01/b.jpg", "x/y/Ödland.png"]):
        write_tile(made / name, seed=number)
    (made / "README.txt").write_text("passed over")
    (made / ".hidden").mkdir()
    write_tile(made / ".hidden/1.png")
    return made


def test_every_picture_is_a_patch_with_an_id_of_its_path(folder, tmp_path):
    assert tile(folder, tmp_path / "towns.npy") == 0
    patches = open_patches(tmp_path / "towns.npy")
    index = patches.index
    assert index[IMAGE].tolist() == ["01/a town.png", "01/b.jpg", "2.webp", "10.png", "x/y/Ödland.png"]
    assert index["patch_id"].tolist() == ["towns_01_a_town", "towns_01_b", "towns_2", "towns_10", "towns_x_y_Ödland"]
    assert index["usable"].all()
    assert patches.array.shape == (5, 8, 8, 3)
    with Image.open(folder / "10.png") as expected:
        np.testing.assert_array_equal(patches.array[3], np.array(expected))


def test_they_lie_nowhere_and_apart(folder, tmp_path):
    tile(folder, tmp_path / "towns.npy")
    index = read_index(tmp_path / "towns.parquet")
    assert not is_located(index)
    assert index.geometry.union_all().area == pytest.approx(index.geometry.area.sum())
    with pytest.raises(Exception, match=r"(?i)transform|operation|crs"):
        index.to_crs("EPSG:4326")


def test_ids_stay_when_a_picture_is_added(folder, tmp_path):
    tile(folder, tmp_path / "towns.npy")
    before = set(read_index(tmp_path / "towns.parquet")["patch_id"])
    write_tile(folder / "1.png")
    tile(folder, tmp_path / "towns.npy")
    assert set(read_index(tmp_path / "towns.parquet")["patch_id"]) == before | {"towns_1"}


def test_two_folders_of_pictures_share_no_place_and_same_bytes_are_one(folder, tmp_path):
    (folder / "twin.png").write_bytes((folder / "10.png").read_bytes())
    tile(folder, tmp_path / "towns.npy")
    store = open_patches(tmp_path / "towns.npy")
    assert all(mask.all() for mask in distinct_places([store.index, store.index.assign(granule="others")]))
    places = places_of([store], np.zeros(6, int), np.arange(6), 100.0)
    ids = store.index["patch_id"].tolist()
    assert (places < 0).all()
    assert len(set(places.tolist())) == 5
    assert places[ids.index("towns_twin")] == places[ids.index("towns_10")]


def test_a_granule_with_coordinates_keeps_its_blocks_beside_pictures(folder, tmp_path, patch_store):
    tile(folder, tmp_path / "towns.npy")
    land = open_patches(patch_store(pixels=np.ones((16, 16, 3), np.uint8)))
    stores = [land, open_patches(tmp_path / "towns.npy")]
    places = places_of(stores, np.array([0, 1, 0]), np.array([0, 0, 3]), 1000.0)
    assert (places >= 0).tolist() == [True, False, True]
    assert is_located(land.index)
    assert isinstance(land.index, gpd.GeoDataFrame)
    assert IMAGE not in land.index


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "c.png has 9 x 9 px, other images of the folder 8 x 8"),
        ({"resize_images": True, "patch_px": 16}, ""),
    ],
)
def test_pictures_of_another_size_are_refused_or_resized(folder, tmp_path, capsys, settings, says):
    write_tile(folder / "c.png", side=9)
    status = tile(folder, tmp_path / "towns.npy", **settings)
    if says:
        assert status == 2
        error = capsys.readouterr().err.strip()
        assert says in error
        assert "tile.resize_images" in error
        assert len(error.splitlines()) == 1
        assert not (tmp_path / "towns.npy").exists()
    else:
        assert status == 0
        assert open_patches(tmp_path / "towns.npy").array.shape == (6, 16, 16, 3)


def test_oblong_pictures_are_refused_or_resized_to_squares(tmp_path, capsys):
    (tmp_path / "f").mkdir()
    Image.new("RGB", (8, 6), (9, 9, 9)).save(tmp_path / "f/a.png")
    assert tile(tmp_path / "f", tmp_path / "towns.npy") == 2
    assert "patches are squares" in capsys.readouterr().err
    assert tile(tmp_path / "f", tmp_path / "towns.npy", resize_images=True, patch_px=8) == 0


def cut_short(path):
    path.write_bytes(path.with_name("10.png").read_bytes()[:-80])


@pytest.mark.parametrize("spoil", [cut_short, lambda path: path.write_text("no image")], ids=["cut short", "text"])
def test_a_broken_picture_is_refused_or_skipped_by_name(folder, tmp_path, capsys, spoil):
    spoil(folder / "bad.png")
    assert tile(folder, tmp_path / "towns.npy") == 2
    error = capsys.readouterr().err.strip()
    assert "bad.png is no whole image" in error
    assert "tile.broken" in error
    assert not (tmp_path / "towns.npy").exists()

    assert tile(folder, tmp_path / "towns.npy", broken="skip") == 0
    assert "Warning: skipped, so that patch towns_bad has no data" in capsys.readouterr().err
    store = open_patches(tmp_path / "towns.npy")
    bad = (store.index["patch_id"] == "towns_bad").to_numpy()
    assert store.index["usable"].tolist() == (~bad).tolist()
    assert not store.array[bad].any()


def test_only_broken_pictures_are_an_error_even_where_some_may_be_skipped(tmp_path, capsys):
    (tmp_path / "f").mkdir()
    (tmp_path / "f/a.png").write_text("no image")
    assert tile(tmp_path / "f", tmp_path / "towns.npy", broken="skip") == 2
    assert "None of the 1 images can be read" in capsys.readouterr().err


def test_a_broken_mercator_tile_is_skipped_too(tmp_path, capsys):
    write_tile(tmp_path / "f/5_6.png")
    (tmp_path / "f/5_7.png").write_text("no image")
    given = ["--source", str(tmp_path / "f"), "--granule", "north", "--out", str(tmp_path / "n.npy")]
    with pytest.raises(SystemExit) as end:
        main(["tile", "--settings", '{"broken": "skip"}', *given])
    assert not end.value.code
    assert "north_5_7 has no data" in capsys.readouterr().err
    assert read_index(index_of(tmp_path / "n.npy"))["usable"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: write_tile(folder / "2.png"), "2.png and 2.webp both go by the id towns_2"),
        (lambda folder: write_tile(folder / "01_b.png"), "both go by the id towns_01_b"),
        (
            lambda folder: [path.unlink() for path in folder.rglob("*.*g")] and (folder / "2.webp").unlink(),
            "no image",
        ),
    ],
    ids=["endings", "folder and underscore", "empty"],
)
def test_folders_that_cannot_be_read_are_one_line(folder, tmp_path, capsys, make, says):
    make(folder)
    assert tile(folder, tmp_path / "towns.npy") == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert len(error.splitlines()) == 1


def test_a_missing_folder_and_a_quality_raster(folder, tmp_path, capsys):
    assert tile(tmp_path / "nowhere", tmp_path / "towns.npy") == 2
    assert "nowhere is no folder" in capsys.readouterr().err
    assert tile(folder, tmp_path / "towns.npy", "--quality", tmp_path / "q.tif") == 2
    assert "belongs to an image" in capsys.readouterr().err


def test_the_fingerprint_tells_of_what_is_added_removed_renamed_or_replaced(folder):
    def seen():
        return fingerprint_of(folder, list_images(folder))

    first = seen()
    os.utime(folder / "10.png", (1, 1))
    (folder / "README.txt").write_text("another text")
    assert seen() == first
    found = {first}
    (folder / "10.png").rename(folder / "11.png")
    found.add(seen())
    write_tile(folder / "12.png")
    found.add(seen())
    write_tile(folder / "12.png", side=9)
    found.add(seen())
    (folder / "01/b.jpg").unlink()
    found.add(seen())
    assert len(found) == 5


def test_numbers_in_names_sort_as_numbers(tmp_path):
    for name in ("10", "9", "a2b", "a10b", "b"):
        write_tile(tmp_path / f"{name}.png")
    assert [name[:-4] for name in list_images(tmp_path)] == ["9", "10", "a2b", "a10b", "b"]
    assert image_ids("g", ["a.png"]) == ["g_a"]
    with pytest.raises(RasterError, match=r"a-b\.png and a b\.png"):
        image_ids("g", ["a-b.png", "a b.png"])
