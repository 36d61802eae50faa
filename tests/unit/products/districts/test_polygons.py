"""Polygons of districts: formats, columns, and what is refused, each in one line."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from rankscape.foundation.errors import SettingsError, TableError
from rankscape.products.districts.polygons import read_polygons
from rankscape.products.districts.settings import DistrictSettings
from shapely.geometry import MultiPolygon, Point, Polygon, box

UTM = "EPSG:32603"
BOWTIE = Polygon([(0, 0), (1000, 1000), (1000, 0), (0, 1000)])


def frame(*shapes, crs=UTM, **columns):
    given = shapes or (box(0, 0, 1000, 1000), box(1000, 0, 2000, 1000), box(0, 1000, 1000, 2000))
    numbers = range(len(given))
    values = {
        "code": [f"d{n}" for n in numbers], "name": [f"District {n}" for n in numbers],
        "income": [100.0 * (n + 1) for n in numbers], **columns,
    }  # fmt: skip
    return gpd.GeoDataFrame(values, geometry=list(given), crs=crs)


def read(table, tmp_path, suffix=".gpkg", **settings):
    path = tmp_path / f"districts{suffix}"
    table.to_parquet(path) if suffix == ".parquet" else table.to_file(path)
    values = {
        "path": str(path), "title": "Districts", "id": "code", "name": "name",
        "census": {"wealth": {"column": "income", "title": "Income"}}, **settings,
    }  # fmt: skip
    return read_polygons(DistrictSettings.model_validate(values))


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".geojson", ".parquet"])
def test_all_formats_give_the_same_districts(tmp_path, suffix):
    table = frame().to_crs("EPSG:4326")
    found = read(table, tmp_path, suffix)
    assert found.columns.tolist() == ["district", "name", "wealth", "geometry"]
    assert found["district"].tolist() == ["d0", "d1", "d2"]
    assert found["name"].tolist() == ["District 0", "District 1", "District 2"]
    assert found["wealth"].tolist() == [100, 200, 300]
    assert found.crs.to_epsg() == 4326
    assert found.normalize().geom_equals_exact(table.normalize(), 1e-6).all()


def test_a_shapefile_is_read_from_four_files(tmp_path):
    read(frame(), tmp_path, ".shp")
    settings = DistrictSettings(path=str(tmp_path / "districts.shp"), title="t", id="code")
    assert {file.suffix for file in settings.files()} == {".shp", ".dbf", ".shx", ".prj", ".cpg"}
    assert DistrictSettings(path="d.gpkg", title="t", id="code").files() == [Path("d.gpkg")]


def test_numbers_are_ids_and_names_default_to_them(tmp_path):
    found = read(frame(code=[1.0, 2.0, 30.0]), tmp_path, name=None)
    assert found["district"].tolist() == found["name"].tolist() == ["1", "2", "30"]
    assert read(frame(name=["a", None, "c"]), tmp_path)["name"].tolist() == ["a", "d1", "c"]


def test_a_missing_census_value_is_missing(tmp_path):
    found = read(frame(income=[1.0, np.nan, -3.0]), tmp_path)
    np.testing.assert_array_equal(found["wealth"], [1, np.nan, -3])


def test_slivers_along_borders_are_let_pass(tmp_path):
    sliver = frame(box(0, 0, 1000, 1000), box(995, 0, 2000, 1000))
    assert len(read(sliver, tmp_path)) == 2
    with pytest.raises(
        TableError, match=r"d0 and district d1 overlap in 0.5\d* % .*or raise max_overlap_fraction = 0.001"
    ):
        read(sliver, tmp_path, max_overlap_fraction=0.001)


REFUSED = {
    "no CRS": (frame(crs=None), {}, "has no CRS"),
    "bow tie": (
        frame(box(2000, 0, 3000, 1000), BOWTIE), {},
        r"polygons of district d1 are invalid \(Self-intersection.*make_valid",
    ),
    "overlap": (frame(box(0, 0, 1000, 1000), box(500, 0, 1500, 1000)), {}, "d0 and district d1 overlap in 50 %"),
    "within": (frame(box(0, 0, 1000, 1000), box(400, 400, 500, 500)), {}, "d0 and district d1 overlap in 100 %"),
    "double id": (frame(code=["a", "b", "a"]), {}, "code is a in two rows"),
    "no id": (frame(code=["a", None, "c"]), {}, "row 1 has no code"),
    "points": (frame(Point(0, 0), box(0, 0, 1, 1)), {}, "d0 is a Point, and Polygon or MultiPolygon is needed"),
    "empty": (frame(box(0, 0, 1, 1), None), {}, "the districts d1 have no geometry"),
    "column": (frame(), {"id": "key", "name": "label"}, r"lacks the columns \['key', 'label'\]; it has \['code'"),
    "census column": (frame(), {"census": {"x": {"column": "gdp", "title": "t"}}}, r"lacks the columns \['gdp'\]"),
    "words": (frame(income=["1", "many", None]), {}, "income of district d1 is 'many', which is no number"),
    "not positive": (
        frame(income=[1.0, 0.0, 2.0]), {"census": {"x": {"column": "income", "title": "t", "positive": True}}},
        "income of district d1 is 0, but census.x says positive",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_what_is_wrong_is_said_in_one_line(tmp_path, case):
    table, settings, words = REFUSED[case]
    with pytest.raises(TableError, match=words) as refused:
        read(table, tmp_path, ".parquet", **settings)
    assert "\n" not in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_nothing_is_mended_silently(tmp_path):
    table = frame(BOWTIE, box(2000, 0, 3000, 1000))
    with pytest.raises(TableError, match="invalid"):
        read(table, tmp_path)
    mended = table.set_geometry(shapely.make_valid(table.geometry.to_numpy()), crs=UTM)
    assert isinstance(read(mended, tmp_path).geometry.iloc[0], MultiPolygon)


def test_files_that_are_no_polygons(tmp_path):
    settings = DistrictSettings(path=str(tmp_path / "d.gpkg"), title="t", id="code")
    with pytest.raises(TableError, match="does not exist"):
        read_polygons(settings)
    (tmp_path / "d.gpkg").write_text("no package")
    with pytest.raises(TableError, match="cannot be read as a vector file"):
        read_polygons(settings)
    pd.DataFrame({"code": ["a"]}).to_csv(tmp_path / "d.csv")
    (tmp_path / "d.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(TableError, match=r"lacks the columns|has no rows|without geometry"):
        read_polygons(DistrictSettings(path=str(tmp_path / "d.geojson"), title="t", id="code"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"path": ""}, "path"),
        ({"census": {"score": {"column": "x", "title": "t"}}}, "census names"),
        ({"census": {"Income": {"column": "x", "title": "t"}}}, "census"),
        ({"correlation_range_m": -1}, "correlation_range_m"),
        ({"population": {"path": "p.tif", "unit": "people"}}, "unit"),
        ({"colour": "red"}, "colour is no known key"),
    ],
)
def test_wrong_settings(values, words):
    with pytest.raises(SettingsError, match=words):
        DistrictSettings.checked({"path": "d.gpkg", "title": "t", "id": "code", **values}, "config.yaml")


def test_the_published_districts_of_north_korea_are_read(shared, tmp_path):
    folder = shared / "data/north-korea/districts"
    counted = gpd.read_file(folder / "NK_district_statistics.dbf").drop(columns="geometry", errors="ignore")
    scored = gpd.read_file(folder / "NK_siScore_district.shp")
    joined = scored.merge(counted[["FID_NK_Bou", "Popden08"]], on="FID_NK_Bou", validate="one_to_one")
    joined.to_file(tmp_path / "nk.gpkg")
    census = {"density": {"column": "Popden08", "title": "People per km² 2008"},
              "published": {"column": "Mean4years", "title": "Published score"}}  # fmt: skip
    found = read_polygons(
        DistrictSettings(path=str(tmp_path / "nk.gpkg"), title="t", id="FID_NK_Bou", name="Level2", census=census)
    )
    assert len(found) == 178
    assert found.is_valid.all()
    assert found.crs.to_epsg() == 32652
    assert found["density"].notna().sum() >= 170
    assert found["published"].notna().all()
    with pytest.raises(TableError, match=r"overlap in 0\.00528 % of the smaller one"):
        read_polygons(
            DistrictSettings(
                path=str(tmp_path / "nk.gpkg"), title="t", id="FID_NK_Bou", max_overlap_fraction=0
            )
        )  # fmt: skip
