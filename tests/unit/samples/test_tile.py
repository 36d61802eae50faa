"""The stage `tile` as users call it: an image in, an array and an index out."""

import errno
import json
import shutil

import numpy as np
import pytest
from rankscape.__main__ import main
from rankscape.foundation.tables import read_metadata
from rankscape.samples.patches import INDEX_COLUMNS, index_of, open_patches
from rasterio.transform import Affine
from shapely.geometry import box


def tile(source, out, *more, granule="03TVF", **settings):
    """Run the verb; return its exit status."""
    chosen = json.dumps({"patch_px": 16, **settings})
    given = ["tile", "--settings", chosen, "--source", str(source), "--granule", granule, "--out", str(out)]
    with pytest.raises(SystemExit) as end:
        main([*given, *map(str, more)])
    return end.value.code or 0


def test_patches_are_the_squares_of_the_image_row_by_row(scene, quality, reflectance, tmp_path):
    out = tmp_path / "tiles" / "03TVF.npy"
    assert tile(scene, out, "--quality", quality) == 0
    patches = open_patches(out)
    assert patches.array.shape == (4 * 5, 16, 16, 4)
    assert isinstance(patches.array, np.memmap)
    assert patches.array.dtype == np.float32
    for number, (row, col) in enumerate(np.ndindex(4, 5)):
        square = reflectance[:, 16 * row : 16 * row + 16, 16 * col : 16 * col + 16]
        np.testing.assert_array_equal(patches.array[number], square.transpose(1, 2, 0))
        assert patches.index["patch_id"][number] == f"03TVF_{row}_{col}"
        assert (patches.index["row"][number], patches.index["col"][number]) == (row, col)


def test_index_says_where_patches_lie_and_what_is_known_of_them(scene, quality, tmp_path):
    out = tmp_path / "03TVF.npy"
    tile(scene, out, "--quality", quality, min_valid_fraction=0.5, max_cloud_fraction=0.25)
    index = open_patches(out).index
    assert tuple(index.columns) == INDEX_COLUMNS
    assert index.crs.to_epsg() == 32603
    assert index.geometry[0].equals(box(400_000, 4_499_840, 400_160, 4_500_000))
    assert index.geometry[7].equals(box(400_320, 4_499_680, 400_480, 4_499_840))
    valid = index["valid_fraction"].to_numpy().reshape(4, 5)
    np.testing.assert_allclose(valid[:2, :2], [[0, 0.75], [0.75, 1 - 1 / 16]])
    assert (valid[2:] == 1).all()
    cloud = index["cloud_fraction"].to_numpy().reshape(4, 5)
    assert (cloud[2:, 3:] == 1).all()
    assert cloud[:2].sum() == cloud[:, :3].sum() == 0
    expected = np.ones((4, 5), bool)
    expected[0, 0] = False
    expected[2:, 3:] = False
    np.testing.assert_array_equal(index["usable"].to_numpy().reshape(4, 5), expected)


def test_cloud_counts_among_pixels_with_data(raster, tmp_path):
    pixels = np.full((3, 16, 16), 0.1, np.float32)
    pixels[:, :8] = np.nan
    values = np.ones((1, 16, 16), np.uint8)
    values[0, :8], values[0, 8:12] = 0, 2
    tile(raster("s.tif", pixels), tmp_path / "a.npy", "--quality", raster("q.tif", values))
    index = open_patches(tmp_path / "a.npy").index
    assert (index["valid_fraction"][0], index["cloud_fraction"][0]) == (0.5, 0.5)


def test_grid_and_provenance_stand_in_the_index(scene, quality, tmp_path):
    out = tmp_path / "03TVF.npy"
    tile(scene, out, "--quality", quality)
    grid = open_patches(out).grid
    assert (grid.rows, grid.cols, grid.height_px, grid.width_px, grid.patch_px) == (4, 5, 70, 85, 16)
    assert grid.bands == ("B04", "B03", "B02", "B08")
    assert grid.crs == "EPSG:32603"
    assert grid.transform == (10, 0, 400_000, 0, -10, 4_500_000)
    record = read_metadata(index_of(out), "rankscape")
    assert record["stage"] == "tile"
    assert set(record["inputs"]) == {"source", "quality"}


def test_two_runs_give_the_same_bytes(scene, quality, tmp_path):
    outs = [tmp_path / name / "03TVF.npy" for name in "ab"]
    for out in outs:
        tile(scene, out, "--quality", quality)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert index_of(outs[0]).read_bytes() == index_of(outs[1]).read_bytes()


def test_pictures_of_bytes_keep_their_type_and_black_is_no_data(raster, tmp_path):
    pixels = np.full((3, 32, 32), 90, np.uint8)
    pixels[:, :16, :16] = 0
    pixels[0, 16:, 16:] = 0  # no red is no lack of data
    tile(raster("visual.tif", pixels), tmp_path / "a.npy")
    patches = open_patches(tmp_path / "a.npy")
    assert patches.array.dtype == np.uint8
    assert patches.index["valid_fraction"].tolist() == [0, 1, 1, 1]
    assert patches.grid.bands == ("B04", "B03", "B02")


def test_masked_pixels_hold_nothing_whatever_the_file_says(raster, tmp_path):
    pixels = np.full((3, 16, 16), 0.2, np.float32)
    mask = np.full((16, 16), 255, np.uint8)
    mask[:4] = 0
    tile(raster("s.tif", pixels, mask=mask), tmp_path / "a.npy")
    patches = open_patches(tmp_path / "a.npy")
    assert np.isnan(patches.array[0, :4]).all()
    assert patches.index["valid_fraction"][0] == 0.75


def test_a_limit_of_zero_does_not_make_an_empty_patch_usable(raster, tmp_path):
    pixels = np.full((3, 16, 32), 0.2, np.float32)
    pixels[:, :, :16] = np.nan
    tile(raster("s.tif", pixels), tmp_path / "a.npy", min_valid_fraction=0)
    assert open_patches(tmp_path / "a.npy").index["usable"].tolist() == [False, True]


def _noise(bands=3, dtype=np.float32, side=32):
    return (np.random.default_rng(0).random((bands, side, side)) * 200 + 1).astype(dtype)


@pytest.mark.parametrize(
    ("pixels", "more", "says"),
    [
        (_noise(2), {}, "2 band(s)"),
        (_noise(3, np.uint16), {}, "uint16"),
        (_noise(), {"crs": None}, "no CRS"),
        (_noise(), {"transform": Affine(10, 1, 0, 1, -10, 0)}, "north up"),
        (_noise(side=12), {}, "16 x 16 px is larger than"),
        (_noise() * np.nan, {}, "no data at all"),
    ],
    ids=["bands", "type", "crs", "turned", "small", "empty"],
)
def test_wrong_images_are_refused_in_one_line(raster, tmp_path, capsys, pixels, more, says):
    assert tile(raster("s.tif", pixels, **more), tmp_path / "out" / "a.npy") == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert len(error.splitlines()) == 1
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_patch_larger_than_the_scene_names_both_sizes(scene, tmp_path, capsys):
    assert tile(scene, tmp_path / "a.npy", patch_px=343) == 2
    error = capsys.readouterr().err
    assert "343 x 343" in error
    assert "70 x 85" in error


def test_missing_broken_and_foreign_files(scene, tmp_path, capsys):
    assert tile(tmp_path / "none.tif", tmp_path / "a.npy") == 2
    (tmp_path / "text.tif").write_text("not found")
    assert tile(tmp_path / "text.tif", tmp_path / "a.npy") == 2
    cut_short = tmp_path / "short.tif"
    shutil.copy(scene, cut_short)
    with cut_short.open("r+b") as handle:
        handle.truncate(scene.stat().st_size - 20_000)
    assert tile(cut_short, tmp_path / "a.npy") == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert [name in line for name, line in zip(("none.tif", "text.tif", "short.tif"), lines, strict=True)] == [True] * 3
    assert not (tmp_path / "a.npy").exists()


def test_blocks_that_cannot_be_decoded_stop_the_cut(raster, tmp_path, capsys):
    source = raster("s.tif", _noise(side=64), compress="deflate")
    content = bytearray(source.read_bytes())
    content[-6000:-2000] = bytes(4000)
    source.write_bytes(content)
    assert tile(source, tmp_path / "out" / "a.npy") == 2
    assert "s.tif cannot be read whole" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("values", "more", "says"),
    [
        (np.ones((2, 70, 85), np.uint8), {}, "2 band(s)"),
        (np.ones((1, 70, 84), np.uint8), {}, "another grid"),
        (np.ones((1, 70, 85), np.uint8), {"crs": "EPSG:32604"}, "another grid"),
    ],
)
def test_quality_must_lie_on_the_same_grid(scene, raster, tmp_path, capsys, values, more, says):
    assert tile(scene, tmp_path / "a.npy", "--quality", raster("q.tif", values, **more)) == 2
    assert says in capsys.readouterr().err


def test_a_full_disk_is_one_line_and_leaves_nothing(scene, tmp_path, capsys, monkeypatch):
    def full(self, step):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("rankscape.samples.granule_patches.SceneSource.read", full)
    assert tile(scene, tmp_path / "out" / "a.npy") == 1
    assert "No disk space left to write" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("granule", ["../03TVF", "", "a b"])
def test_granule_ids_that_could_leave_the_folder_are_refused(scene, tmp_path, granule, capsys):
    assert tile(scene, tmp_path / "a.npy", granule=granule) == 2
    assert "--granule" in capsys.readouterr().err


def test_ranks_without_mpi_are_refused(scene, tmp_path, capsys):
    assert tile(scene, tmp_path / "a.npy", "--ranks", 2) == 2
    assert "--mpi" in capsys.readouterr().err


@pytest.mark.shared
def test_a_real_granule_gives_the_reports_1024_patches(shared, tmp_path):
    image = next((shared / "data" / "granule-100m").rglob("TCI.tif"))
    out = tmp_path / "29RKH.npy"
    assert tile(image, out, granule="29RKH", patch_px=34) == 0
    patches = open_patches(out)
    assert (patches.grid.rows, patches.grid.cols) == (32, 32)
    assert len(patches.index) == 1024
    west, south, east, north = patches.index.total_bounds
    assert (east - west, north - south) == (32 * 3400, 32 * 3400)
    assert 0 < patches.index["usable"].sum() <= 1024
