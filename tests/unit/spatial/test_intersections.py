"""Patches cut at the borders of districts: areas against exact geometry, several zones, and parts of polygons."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from pyproj import Geod
from rankscape.spatial.geometry import small_areas_m2
from rankscape.spatial.intersections import cut
from shapely.geometry import MultiPolygon, Polygon, box

UTM = "EPSG:32652"
EQUAL_AREA = "EPSG:6933"


def grid(rows, cols, side=3430.0, origin=(300_000.0, 4_300_000.0), crs=UTM, first=0):
    """Square patches, row-major."""
    left, top = origin
    shapes = [
        box(left + col * side, top - (row + 1) * side, left + (col + 1) * side, top - row * side)
        for row in range(rows) for col in range(cols)
    ]  # fmt: skip
    return gpd.GeoSeries(shapes, index=np.arange(first, first + len(shapes)), crs=crs)


def random_star(chance, centre, radius, corners):
    """A polygon that is not convex, with a hole."""
    angle = np.sort(chance.random(corners)) * 2 * np.pi
    reach = radius * (0.4 + 0.6 * chance.random(corners))
    ring = np.stack([centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle)], axis=1)
    inner = centre + 0.2 * radius * np.array([[0, 1], [1, -1], [-1, -1]]) * 0.5
    return shapely.make_valid(Polygon(ring).buffer(0).difference(Polygon(inner)))


def stars(count, corners, seed=0, span=40_000.0):
    chance = np.random.default_rng(seed)
    middle = np.array([320_000.0, 4_280_000.0])
    shapes = [
        random_star(chance, middle + span * (chance.random(2) - 0.5), 4000 + 12_000 * chance.random(), corners)
        for _ in range(count)
    ]
    return gpd.GeoSeries(shapes, crs=UTM)


def means(pieces, values, count):
    weight = np.bincount(pieces.district, pieces.area_m2, minlength=count)
    return np.bincount(pieces.district, pieces.area_m2 * values[pieces.patch], minlength=count) / weight


def exact_means(patches, polygons, values):
    """Every patch against every polygon, both densified to 50 m, on the equal-area plane of the whole Earth."""
    flat = patches.segmentize(50).to_crs(EQUAL_AREA).to_numpy()
    result = []
    for shape in polygons.segmentize(50).to_crs(EQUAL_AREA):
        area = shapely.area(shapely.intersection(shape, flat))
        result.append((area * values).sum() / area.sum())
    return np.array(result)


@pytest.mark.parametrize(("corners", "seed"), [(12, 0), (900, 1)])
def test_means_are_those_of_exact_geometry(corners, seed):
    patches, polygons = grid(12, 12), stars(10, corners, seed)
    values = np.random.default_rng(seed).random(len(patches))
    pieces = cut([patches], polygons, threads=2)
    assert np.abs(means(pieces, values, 10) - exact_means(patches, polygons, values)).max() < 1e-6


def test_degrees_and_zones_change_nothing():
    west, east = grid(8, 8), grid(8, 8, origin=(700_000.0, 4_300_000.0), crs="EPSG:32651", first=64)
    polygons = gpd.GeoSeries([box(123.5, 38.3, 127.2, 38.9), box(126.6, 38.5, 127.0, 38.8)], crs="EPSG:4326")
    values = np.random.default_rng(0).random(128)
    pieces = cut([west, east], polygons)
    flat = pd.concat([patches.segmentize(50).to_crs(EQUAL_AREA) for patches in (west, east)]).to_numpy()
    for number, shape in enumerate(polygons.segmentize(0.001).to_crs(EQUAL_AREA)):
        area = shapely.area(shapely.intersection(shape, flat))
        own = pieces.district == number
        assert pieces.area_m2[own].sum() == pytest.approx(area.sum(), rel=1e-6)
        assert means(pieces, values, 2)[number] == pytest.approx((area * values).sum() / area.sum(), abs=1e-6)
    assert set(pieces.patch[pieces.district == 0]) & set(range(64, 128)), "patches of both zones count"


def test_polygons_on_the_other_side_of_the_earth_meet_nothing():
    far = gpd.GeoSeries([box(-60, -50, -50, -40), box(-180, -80, 180, -60)], crs="EPSG:4326")
    assert len(cut([grid(2, 2)], far).patch) == 0


def test_areas_are_those_on_the_ground():
    new_york_in_feet = grid(2, 3, side=10_000.0, origin=(900_000.0, 200_000.0), crs="EPSG:2263")
    for patches in (grid(2, 3), new_york_in_feet):
        geodesic = [
            abs(Geod(ellps="GRS80").geometry_area_perimeter(p)[0]) for p in patches.segmentize(300).to_crs(4326)
        ]
        np.testing.assert_allclose(small_areas_m2(patches), geodesic, rtol=1e-6)


def test_web_mercator_and_degrees_give_the_same_ground():
    for crs in ("EPSG:3857", "EPSG:4326"):
        patches = grid(4, 4).to_crs(crs)
        pieces = cut([patches], stars(3, 30).to_crs("EPSG:4326"))
        utm = cut([grid(4, 4)], stars(3, 30).to_crs("EPSG:4326"))
        total = [np.bincount(one.district, one.area_m2, minlength=3) for one in (pieces, utm)]
        np.testing.assert_allclose(total[0], total[1], rtol=2e-5)


def test_a_patch_between_parts_of_one_polygon_is_one_piece():
    wavy = Polygon(
        [(300_000 + 10 * i, 4_290_000 + 50 * (i % 2)) for i in range(2000)]
        + [(319_000, 4_299_000), (301_000, 4_299_000)]
    )
    assert wavy.is_valid
    patches = grid(6, 6)
    pieces = cut([patches], gpd.GeoSeries([wavy], crs=UTM))
    assert len(np.unique(pieces.patch)) == len(pieces.patch)
    area = shapely.area(shapely.intersection(wavy, patches.to_numpy()))
    np.testing.assert_allclose(np.bincount(pieces.patch, pieces.area_m2, minlength=36), area / 1.0003, rtol=2e-3)


def test_borders_that_only_touch_share_nothing():
    patches = grid(2, 2)
    beside = box(300_000 - 5000, 4_293_140, 300_000, 4_300_000)
    pieces = cut([patches], gpd.GeoSeries([beside, MultiPolygon([patches.iloc[0], patches.iloc[3]])], crs=UTM))
    assert pieces.district.tolist() == [1, 1]
    assert pieces.patch.tolist() == [0, 3]


def test_threads_change_nothing():
    patches, polygons = grid(10, 10), stars(6, 200)
    first, second = (cut([patches], polygons, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(first.area_m2, second.area_m2)
    np.testing.assert_array_equal(first.patch, second.patch)


def test_people_are_counted_on_the_pieces():
    patches = grid(3, 3)
    seen = []

    def count(shapes, area_m2):
        seen.append(shapes.crs.to_string())
        return area_m2 / 1e4

    pieces = cut([patches], stars(2, 20), people=count)
    assert seen == [UTM]
    np.testing.assert_allclose(pieces.people, pieces.area_m2 / 1e4)
