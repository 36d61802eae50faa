"""Places drawn by chance: densities on the ground, distances, seeds, and what is refused."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Geod
from rankscape.__main__ import main
from rankscape.foundation.errors import InputError
from rankscape.samples.place_sampling import sample_by_people, sample_uniform

COUNT = 4000


def region(*bounds, crs=4326):
    return gpd.GeoSeries([shapely.box(*bounds)], crs=crs)


def test_uniform_places_are_as_dense_in_the_north_as_in_the_south():
    found = sample_uniform(region(0, 0, 10, 60), COUNT, 0, 1)
    south = (found.latitude < 30).mean()
    wanted = np.sin(np.radians(30)) / np.sin(np.radians(60))
    assert south == pytest.approx(wanted, abs=4 * np.sqrt(0.25 / COUNT))
    assert ((found.longitude >= 0) & (found.longitude <= 10)).all()
    again = sample_uniform(region(0, 0, 10, 60), COUNT, 0, 1)
    np.testing.assert_array_equal(found.longitude, again.longitude)
    other = sample_uniform(region(0, 0, 10, 60), COUNT, 0, 2)
    assert not np.array_equal(found.longitude, other.longitude)


def test_places_lie_in_polygons_across_the_seam_and_never_in_holes():
    ring = shapely.box(170, -10, 190, 10).difference(shapely.box(175, -5, 185, 5))
    found = sample_uniform(gpd.GeoSeries([ring], crs=4326), 500, 0, 0)
    east = found.longitude % 360
    assert shapely.contains_xy(shapely.buffer(ring, 1e-3), east, found.latitude).all()
    assert (east > 180).any()
    assert (east < 180).any()


def test_places_are_as_far_apart_as_was_asked():
    found = sample_uniform(region(20, 10, 20.5, 10.5), 100, 3000, 0)
    one, other = np.triu_indices(100, 1)
    apart = Geod(ellps="sphere").inv(
        found.longitude[one], found.latitude[one], found.longitude[other], found.latitude[other]
    )[2]
    assert apart.min() > 2990
    with pytest.raises(InputError, match=r"Only .* of 10,000 places at least 3,000 m apart were found"):
        sample_uniform(region(20, 10, 20.5, 10.5), 10_000, 3000, 0)


@pytest.fixture
def people(tmp_path):
    """A raster in degrees, of 3 x 4 cells of half a degree; two hold people, one to three."""

    def write(values=(1.0, 3.0), *, crs="EPSG:4326", nodata=-1.0, south_up=False):
        cells = np.zeros((3, 4), np.float32)
        cells[0, 0], cells[2, 3] = values
        cells[1, 1] = nodata
        at = Affine(0.5, 0, 30, 0, 0.5, 10) if south_up else Affine(0.5, 0, 30, 0, -0.5, 11.5)
        about = {"count": 1, "height": 3, "width": 4, "dtype": "float32", "crs": crs, "nodata": -1}
        with rasterio.open(tmp_path / "people.tif", "w", driver="GTiff", transform=at, **about) as file:
            file.write(cells[None, ::-1] if south_up else cells[None])
        return tmp_path / "people.tif"

    return write


@pytest.mark.parametrize("south_up", [False, True])
def test_places_follow_people(people, south_up):
    found = sample_by_people(people(south_up=south_up), "count", None, COUNT, 0, 0)
    north = (found.latitude > 11) & (found.longitude < 30.5)
    south = (found.latitude < 10.5) & (found.longitude > 31.5)
    assert (north | south).all()
    assert north.mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.19 / COUNT))
    inside = sample_by_people(people(south_up=south_up), "count", region(30, 11, 30.25, 11.5), 200, 0, 0)
    assert ((inside.longitude <= 30.25) & (inside.latitude >= 11)).all()


def test_densities_count_by_area(people):
    found = sample_by_people(people((1.0, 1.0)), "per_km2", None, COUNT, 0, 0)
    assert (found.latitude < 10.5).mean() == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / COUNT))


@pytest.mark.parametrize(
    ("more", "where", "message"),
    [
        ({"values": (0, 0)}, None, "holds nobody in the region"),
        ({"values": (-5, 1)}, None, "holds -5 people in a cell"),
        ({"crs": None}, None, "has no CRS"),
        ({}, (0, 0, 1, 1), "does not cover the region"),
    ],
)
def test_rasters_that_are_none_of_people_are_refused(people, more, where, message):
    with pytest.raises(InputError, match=message):
        sample_by_people(people(**more), "count", None if where is None else region(*where), 10, 0, 0)


def run(*words):
    with pytest.raises(SystemExit) as end:
        main(["sample-places", *map(str, words)])
    return int(end.value.code or 0)


def test_the_command_writes_a_table_of_points(tmp_path, people, capsys):
    out = tmp_path / "x/places.csv"
    assert run("--bounds", 30, 10, 31, 11, "--count", 20, "--out", out) == 0
    frame = pd.read_csv(out)
    assert list(frame.columns) == ["id", "longitude", "latitude"]
    assert frame["id"].is_unique
    region(30, 10, 31, 11).to_frame("geometry").to_file(tmp_path / "region.gpkg")
    words = ("--region", tmp_path / "region.gpkg", "--population", people((1, 3)), "--count", 5)
    assert run(*words, "--out", tmp_path / "y.csv") == 2, "nobody lives there"
    assert not (tmp_path / "y.csv").exists()
    for wrong in (("--bounds", 31, 10, 30, 11), ("--bounds", 30, 10, 31, 95), ()):
        assert run(*wrong, "--count", 5, "--out", tmp_path / "y.csv") == 2
    assert run("--bounds", 30, 10, 31, 11, "--count", 5, "--out", tmp_path / "y.txt") == 2
