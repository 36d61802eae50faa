"""Shapes across the antimeridian and the edges of maps of the world keep their place and their size."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rankscape.foundation.errors import RasterError
from rankscape.samples.embedding_tables import write_embeddings
from rankscape.samples.references import reference_values
from rankscape.samples.settings import ReferenceSettings
from rankscape.spatial.intersections import cut
from rankscape.spatial.seams import around, bounds_in_degrees, in_degrees, large_areas_m2, moved, union_of_bounds
from rasterio.transform import from_origin
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

SIDE_M, COUNT = 640, 10
FIJI = "EPSG:32760"
"""UTM zone 60 south: 180 degrees is its eastern end, at an easting of some 817 km at 17 degrees south."""


def squares(crs: str = FIJI, left: float = 813_600, top: float = 8_120_000) -> gpd.GeoSeries:
    """A row of squares; the antimeridian runs through them."""
    boxes = [box(left + n * SIDE_M, top - SIDE_M, left + (n + 1) * SIDE_M, top) for n in range(COUNT)]
    return gpd.GeoSeries(boxes, crs=crs)


def index(shapes: gpd.GeoSeries) -> gpd.GeoDataFrame:
    names = [f"60KXX_0_{n}" for n in range(len(shapes))]
    return gpd.GeoDataFrame(
        {"patch_id": names, "granule": "60KXX", "row": 0, "col": range(len(shapes))}, geometry=shapes
    )


def world(path, *, left: float = -180.0, crs: str = "EPSG:4326") -> str:
    """A raster of the world that is 10 within a degree of 180 degrees, and 1000 elsewhere."""
    middle = 180.0
    degrees = left + np.arange(720) / 2 + 0.25
    near = np.abs((degrees - middle + 180) % 360 - 180) < 1
    values = np.where(near, 10.0, 1000.0).astype(np.float32)[None].repeat(360, axis=0)
    shape = {"driver": "GTiff", "height": 360, "width": 720, "count": 1, "dtype": "float32", "crs": crs}
    with rasterio.open(path, "w", **shape, transform=from_origin(left, 90, 0.5, 0.5)) as file:
        file.write(values, 1)
    return str(path)


@pytest.mark.parametrize("left", [-180.0, 0.0, -30.0, 180.0])
def test_a_raster_of_the_world_is_read_on_both_sides_of_the_seam(tmp_path, left):
    reference = ReferenceSettings(path=world(tmp_path / "w.tif", left=left), title="t")
    found = reference_values(reference, index(squares()))
    np.testing.assert_allclose(found["value"], 10.0)
    np.testing.assert_allclose(found["coverage"], 1.0)


@pytest.mark.parametrize("left", [-180.0, 0.0])
def test_a_footprint_over_greenwich_is_read_on_both_edges_of_a_raster_from_0_to_360(tmp_path, left):
    reference = ReferenceSettings(path=world(tmp_path / "w.tif", left=left), title="t")
    across = gpd.GeoSeries([box(-0.1, 51, 0.1, 51.1)], crs="EPSG:4326").to_crs("EPSG:32630")
    found = reference_values(reference, index(across))
    np.testing.assert_allclose(found["value"], 1000.0)
    np.testing.assert_allclose(found["coverage"], 1.0)


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:6933", "ESRI:54009", "EPSG:8857", "ESRI:54008"])
def test_maps_of_the_world_keep_the_area_of_a_footprint_at_their_edge(crs):
    shapes = squares().segmentize(40)
    there = moved(shapes, crs)
    inland = moved(squares(left=500_000).segmentize(40), crs)
    assert np.all(there.area < 1.3 * inland.area.max())
    if crs != "EPSG:3857":  # all others show areas as they are
        np.testing.assert_allclose(there.area, SIDE_M**2, rtol=0.01)


def test_areas_of_footprints_at_the_seam_are_those_of_others():
    np.testing.assert_allclose(large_areas_m2(squares()), SIDE_M**2, rtol=0.004)


def test_degrees_are_cut_at_the_antimeridian():
    found = in_degrees(squares())
    bounds = found.bounds
    assert bounds["minx"].min() >= -180
    assert bounds["maxx"].max() <= 180
    crossing = [shape for shape in found if isinstance(shape, MultiPolygon)]
    assert len(crossing) == 1
    assert sorted(round(abs(part.bounds[0])) for part in crossing[0].geoms) == [180, 180]
    west, south, east, north = bounds_in_degrees(squares())
    assert (west > 179.9, east < -179.9, south < north) == (True, True, True)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([[170, 0, 175, 1], [-175, -1, -170, 0]], (170, -1, -170, 1)),
        ([[179, 0, -179, 1], [-178, 0, -177, 1]], (179, 0, -177, 1)),
        ([[-1, 0, 1, 1], [2, 0, 3, 1]], (-1, 0, 3, 1)),
        ([[-180, -90, 180, 90], [0, 0, 1, 1]], (-180, -90, 180, 90)),
        ([[178, 0, 180, 1]], (178, 0, 180, 1)),
    ],
)
def test_the_union_of_bounds_is_the_narrowest(boxes, expected):
    np.testing.assert_allclose(union_of_bounds(np.array(boxes, float)), expected, atol=1e-9)


DISTRICTS = [
    [box(179, -18, 180, -16).union(box(-180, -18, -179, -16))],
    [box(179, -18, 181, -16)],
    [box(-181, -18, -179, -16)],
    [Polygon([(179, -18), (-179, -18), (-179, -16), (179, -16)])],
]


@pytest.mark.parametrize("shapes", DISTRICTS)
def test_a_district_across_the_antimeridian_has_all_of_its_patches(shapes):
    pieces = cut([squares()], gpd.GeoSeries(shapes, crs="EPSG:4326"))
    assert pieces.patch.tolist() == list(range(COUNT))
    np.testing.assert_allclose(pieces.area_m2, large_areas_m2(squares()), rtol=1e-6)


@pytest.mark.parametrize("place", [-179.99, 180.01])
def test_points_and_lines_lie_beside_the_region_however_their_longitude_is_written(place):
    region = squares().to_crs("EPSG:32760")
    given = gpd.GeoSeries([Point(place, -17), LineString([(179.9, -17), (-179.9, -17)])], crs="EPSG:4326")
    found = around(given, region)
    assert found[0].x == pytest.approx(place % 360)
    assert found[1].length == pytest.approx(0.2)


def test_what_no_projection_can_show_is_refused_by_name():
    with pytest.raises(RasterError, match="interrupted Goode homolosine"):
        moved(squares(), "+proj=igh +datum=WGS84")
    pole = gpd.GeoSeries([box(-1e5, -1e5, 1e5, 1e5)], crs="EPSG:3413")
    with pytest.raises(RasterError, match="1 footprints hold the North Pole, which WGS 84 shows as a line"):
        moved(pole, "EPSG:4326")


@pytest.mark.parametrize(
    ("shape", "square_degrees"),
    [
        (box(-180, -90, 180, -70), (360, -90, -70)),
        (box(-180, 50, 180, 60), (360, 50, 60)),
        (box(0, 50, 360, 60), (360, 50, 60)),
        (MultiPolygon([box(30, 50, 180, 60), box(-180, 50, -170, 60)]), (160, 50, 60)),
    ],
)
def test_areas_of_whole_continents_do_not_vanish_at_the_seam(shape, square_degrees):
    wide, south, north = square_degrees
    given = gpd.GeoSeries([shape], crs="EPSG:4326")
    np.testing.assert_allclose(large_areas_m2(given), zone_m2(south, north) * wide / 360, rtol=1e-5)


def test_areas_on_a_world_map_in_metres_do_not_vanish_at_its_edges():
    given = gpd.GeoSeries([box(-180, 50, 180, 60)], crs="EPSG:4326").to_crs("EPSG:3857")
    np.testing.assert_allclose(large_areas_m2(given), zone_m2(50, 60), rtol=1e-5)


def zone_m2(south: float, north: float) -> float:
    """Area of the ellipsoid WGS 84 between two parallels (Snyder 1987, equation 3-12)."""
    a, e = 6378137.0, 0.0818191908426215
    sine = np.sin(np.radians([south, north]))
    q = (1 - e**2) * (sine / (1 - (e * sine) ** 2) - np.log((1 - e * sine) / (1 + e * sine)) / (2 * e))
    return float(np.pi * a**2 * (q[1] - q[0]))


@pytest.mark.parametrize(
    "shape",
    [
        MultiPolygon([box(30, -60, 180, -10), box(-180, -60, -170, -10)]),
        box(-180, -60, 180, -10),
        box(0, -60, 360, -10),
        box(30, -60, 190, -10),
    ],
)
def test_countries_that_reach_round_the_earth_hold_patches_at_the_seam(tmp_path, shape):
    file = tmp_path / "countries.gpkg"
    gpd.GeoDataFrame({"v": [10.0]}, geometry=[shape], crs="EPSG:4326").to_file(file)
    reference = ReferenceSettings(path=str(file), title="t", kind="polygons", column="v")
    found = reference_values(reference, index(squares()))
    np.testing.assert_allclose(found["value"], 10.0)
    np.testing.assert_allclose(found["coverage"], 1.0)
    per_km2 = reference_values(reference.model_copy(update={"statistic": "density"}), index(squares()))
    wide = {360.0: 360, 190.0: 160, 180.0: 360}[shape.bounds[2]] if shape.geom_type == "Polygon" else 160
    np.testing.assert_allclose(per_km2["value"], 10 / (zone_m2(-60, -10) * wide / 360 / 1e6), rtol=1e-5)


def test_tables_that_are_written_hold_footprints_and_no_strips_around_the_earth(tmp_path):
    shares = {"valid_fraction": 1.0, "cloud_fraction": 0.0}
    write_embeddings(tmp_path / "e.parquet", index(squares()).assign(**shares), np.ones((COUNT, 2), np.float32), {}, {})
    found = gpd.read_parquet(tmp_path / "e.parquet")
    np.testing.assert_allclose(found.area, found.area.median(), rtol=0.01)
