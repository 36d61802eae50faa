"""Elevation tiles of Terrarium's coding: heights, edges of tiles, what is refused."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from PIL import Image
from rankscape.foundation.errors import InputError
from rankscape.samples.elevation_tiles import decoded
from rankscape.samples.references import reference_values
from rankscape.samples.settings import ReferenceSettings

ZOOM, SIDE = 10, 256
COL, ROW = 600, 500
CELL_M = 2 * np.pi * 6_378_137 / 2**ZOOM / SIDE


def encoded(heights):
    value = np.round((heights + 32768) * 256).astype(np.int64)
    return np.stack([value >> 16, (value >> 8) & 255, value & 255], -1).astype(np.uint8)


def test_published_coding():
    colours = np.array([[[128, 0, 0], [131, 125, 38], [127, 246, 0], [0, 0, 0]]], np.uint8)
    np.testing.assert_allclose(decoded(colours), [[0, 893 + 38 / 256, -10, np.nan]])
    heights = np.linspace(-400, 8848, 1000)
    np.testing.assert_allclose(decoded(encoded(heights[None]))[0], heights, atol=1 / 512)


@pytest.fixture
def folder(tmp_path):
    """Two tiles side by side whose height is the number of their column of cells."""
    for number in range(2):
        heights = np.broadcast_to(np.arange(SIDE) + SIDE * number + 100.0, (SIDE, SIDE))
        path = tmp_path / f"tiles/{ZOOM}/{COL + number}/{ROW}.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(encoded(heights)).save(path)
    (tmp_path / "tiles/3/1").mkdir(parents=True)
    Image.fromarray(encoded(np.zeros((SIDE, SIDE)))).save(tmp_path / "tiles/3/1/1.png")
    return tmp_path / "tiles"


def footprints(*columns):
    """Squares of ten cells, from some columns of the first tile on."""
    left, top = COL * SIDE * CELL_M - np.pi * 6_378_137, np.pi * 6_378_137 - ROW * SIDE * CELL_M
    shapes = [
        shapely.box(left + c * CELL_M, top - 30 * CELL_M, left + (c + 10) * CELL_M, top - 20 * CELL_M) for c in columns
    ]
    names = [f"a_0_{number}" for number in range(len(shapes))]
    return gpd.GeoDataFrame({"patch_id": names, "granule": "a"}, geometry=shapes, crs=3857)


def values(folder, patches, **more):
    chosen = ReferenceSettings(path=str(folder), title="Elevation (m)", kind="terrarium", **more)
    return reference_values(chosen, patches)


def test_patches_get_the_mean_of_the_finest_level_also_across_tiles(folder):
    found = values(folder, footprints(0, 250, 512, 507).to_crs(32649))
    np.testing.assert_allclose(found["value"][[0, 1]], [104.5, 354.5], atol=0.05)
    np.testing.assert_allclose(found["coverage"], [1, 1, 0, 0.5], atol=0.01)
    np.testing.assert_allclose(values(folder, footprints(0), zoom=3)["coverage"], [0])


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        (lambda path: None, {"zoom": 7}, "holds no tiles z/x/y.png of zoom 7: levels 3, 10"),
        (lambda path: path.write_bytes(b"no image"), {}, "is no whole image"),
        (lambda path: Image.new("RGB", (100, 100)).save(path), {}, "tiles have 256 or 512"),
        (lambda path: Image.new("RGB", (256, 256), (1, 134, 160)).save(path), {}, "no tile of Terrarium's coding"),
    ],
)
def test_folders_that_are_no_tiles_are_refused(folder, change, more, message):
    change(folder / f"{ZOOM}/{COL}/{ROW}.png")
    with pytest.raises(InputError, match=message):
        values(folder, footprints(0), **more)
