"""Patch stores: what is written is read, and halves that do not belong together are refused."""

import numpy as np
import pytest
from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.files import write_array
from rankscape.foundation.tables import write_table
from rankscape.samples.patches import index_of, open_patches, patch_id, read_grid, read_index
from rankscape.samples.rendering import WHITE_REFLECTANCE, as_png, as_rgb


@pytest.fixture
def store(patch_store):
    return patch_store("03TVF", pixels=np.arange(16 * 24 * 3, dtype=np.uint8).reshape(16, 24, 3))


def test_array_index_and_grid_belong_together(store):
    patches = open_patches(store)
    assert patches.array.shape == (6, 8, 8, 3)
    assert patches.index["patch_id"].tolist() == [patch_id("03TVF", r, c) for r in range(2) for c in range(3)]
    assert patches.grid == read_grid(index_of(store))
    assert isinstance(patches.grid.transform, tuple)


def test_array_of_another_shape_is_refused(store):
    write_array(store, np.zeros((5, 8, 8, 3), np.uint8))
    with pytest.raises(TableError, match=r"shape \(5, 8, 8, 3\)"):
        open_patches(store)


def test_missing_and_foreign_files_are_named(store, tmp_path):
    with pytest.raises(InputError, match=r"none\.npy does not exist"):
        open_patches(tmp_path / "none.npy")
    write_table(index_of(store), read_index(index_of(store))[["patch_id", "geometry"]], {})
    with pytest.raises(TableError, match="lacks the columns"):
        open_patches(store)
    with pytest.raises(TableError, match="no metadata `grid`"):
        read_grid(index_of(store))


def test_pictures_of_reflectance_are_bright_enough_to_see():
    patches = np.array([0.0, 0.15, WHITE_REFLECTANCE, 1.0, np.nan], np.float32)[:, None, None, None].repeat(4, 3)
    assert as_rgb(patches)[:, 0, 0, 0].tolist() == [0, 127, 255, 255, 0]


def test_pictures_of_bytes_are_shown_as_they_are():
    patches = np.random.default_rng(0).integers(0, 255, (2, 4, 4, 5), dtype=np.uint8)
    np.testing.assert_array_equal(as_rgb(patches), patches[..., :3])
    assert as_png(as_rgb(patches)[0]) == as_png(as_rgb(patches)[0])
    assert as_png(as_rgb(patches)[0]).startswith(b"\x89PNG")
