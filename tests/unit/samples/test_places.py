"""Blocks of land: the same place has the same block, whatever granule and company."""

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from rankscape.samples.places import block_of
from shapely.geometry import box


def squares(east, north, crs, side=100.0):
    shapes = [box(x - side / 2, y - side / 2, x + side / 2, y + side / 2) for x, y in zip(east, north, strict=True)]
    return gpd.GeoDataFrame({"granule": "a"}, index=range(len(shapes)), geometry=shapes, crs=crs)


def test_neighbours_share_a_block_and_distant_places_do_not():
    index = squares([500_000, 500_100, 540_000], [4_000_000] * 3, "EPSG:32650")
    (blocks,) = block_of([index], 20_000)
    assert blocks.dtype == np.int64
    assert blocks[0] == blocks[1] != blocks[2]


def test_a_place_has_one_number_in_every_zone_and_company():
    rng = np.random.default_rng(1)
    east, north = rng.uniform(700_000, 800_000, 300), rng.uniform(3_400_000, 3_500_000, 300)
    moved = Transformer.from_crs(32647, 32648, always_xy=True).transform(east, north)
    here, there = squares(east, north, "EPSG:32647"), squares(*moved, "EPSG:32648")
    apart, together = block_of([here], 5000), block_of([there, here], 5000)
    np.testing.assert_array_equal(apart[0], together[1])
    assert (together[0] == together[1]).mean() > 0.99


@pytest.mark.parametrize("latitude", [0.5, 30.0, -45.0, 65.0])
def test_blocks_are_about_square_and_as_large_as_asked_for(latitude):
    longitude = np.linspace(10, 12, 4001)
    along = block_of([_points(longitude, np.full(4001, latitude))], 10_000)[0]
    geod = Geod(ellps="WGS84")
    inner = longitude[(along != along[0]) & (along != along[-1])]
    width = geod.inv(inner[0], latitude, inner[-1], latitude)[2] / (len(np.unique(along)) - 2)
    up = np.linspace(latitude - 1, latitude + 1, 4001)
    upward = block_of([_points(np.full(4001, 11.0), up)], 10_000)[0] >> 32
    middle = up[(upward != upward[0]) & (upward != upward[-1])]
    height = geod.inv(11, middle[0], 11, middle[-1])[2] / (len(np.unique(upward)) - 2)
    assert width == pytest.approx(10_000, rel=0.01)
    assert height == pytest.approx(10_000, rel=0.01)


def _points(longitude, latitude):
    return squares(longitude, latitude, "EPSG:4326", side=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.floats(-179.9, 179.9), st.floats(-85, 85), st.floats(500, 500_000))
def test_places_a_few_metres_apart_are_rarely_and_places_far_apart_never_one(longitude, latitude, block_m):
    here = _points([longitude, -longitude], [latitude, latitude])
    (blocks,) = block_of([here], block_m)
    distance = Geod(ellps="WGS84").inv(longitude, latitude, -longitude, latitude)[2]
    if distance > 1.5 * block_m:
        assert blocks[0] != blocks[1]
    if distance < 1e-3:
        assert blocks[0] == blocks[1]


def test_no_patches_no_blocks():
    empty = squares([500_000], [4_000_000], "EPSG:32650").iloc[:0]
    assert block_of([empty], 1000)[0].shape == (0,)
