"""Planes around regions: areas and distances that are true, also across the antimeridian and several zones."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import Geod
from rankscape.spatial.geometry import plane_around

WEST, EAST = gpd.GeoSeries([shapely.Point(179.5, -17)], crs=4326), gpd.GeoSeries([shapely.Point(-179.5, -17)], crs=4326)


def test_a_region_across_the_antimeridian_lies_on_one_plane():
    plane = plane_around("aeqd", WEST, EAST.to_crs(32701))
    x, y = np.array([(one.to_crs(plane).x[0], one.to_crs(plane).y[0]) for one in (WEST, EAST)]).T
    true_m = Geod(ellps="WGS84").inv(179.5, -17, -179.5, -17)[2]
    assert np.hypot(np.ptp(x), np.ptp(y)) == pytest.approx(true_m, rel=1e-6)
    assert x.sum() == pytest.approx(0, abs=1)


def test_areas_are_true_on_the_equal_area_plane():
    square = gpd.GeoSeries([shapely.box(10, 59, 11, 60)], crs=4326).segmentize(0.01)
    area_m2 = square.to_crs(plane_around("laea", square)).area[0]
    assert area_m2 == pytest.approx(abs(Geod(ellps="WGS84").geometry_area_perimeter(square[0])[0]), rel=1e-5)
