"""References that are points, lines, polygons or tables: exact values, several CRS and formats, and what is refused."""

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from rankscape.__main__ import main
from rankscape.foundation.errors import SettingsError, TableError
from rankscape.foundation.tables import read_table
from rankscape.samples.patches import index_of, read_index
from rankscape.samples.references import reference_values
from rankscape.samples.settings import ReferenceSettings
from shapely.geometry import LineString, Point, Polygon, box

LEFT, TOP, SIDE, COUNT = 400_000.0, 4_500_000.0, 80.0, 4
CRS = "EPSG:32603"


@pytest.fixture
def index(patch_store):
    """The index file of 4 x 4 patches of 80 m."""
    return index_of(patch_store("03TVF", pixels=np.zeros((COUNT * 8, COUNT * 8, 3), np.uint8), origin_m=(LEFT, TOP)))


@pytest.fixture
def patches(index):
    return read_index(index)


def reference(path, kind, **keys):
    return ReferenceSettings(path=str(path), title="Synthetic", kind=kind, **keys)


def at(east_patches, south_patches):
    return LEFT + east_patches * SIDE, TOP - south_patches * SIDE


def write(path, geometry, crs=CRS, **columns):
    frame = gpd.GeoDataFrame(columns, geometry=geometry, crs=crs)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_file(path)
    return path


@pytest.mark.parametrize("name", ["p.gpkg", "p.shp", "p.geojson", "p.parquet"])
def test_points_are_averaged_summed_and_counted_in_any_format_and_crs(tmp_path, patches, name):
    places = [at(0.5, 0.5), at(0.25, 0.75), at(3.5, 3.5), at(3.5, 0.5), at(0.5, 3.5), at(90, 0)]
    points = gpd.GeoSeries([Point(place) for place in places], crs=CRS).to_crs("EPSG:4326")
    path = write(tmp_path / name, points, crs="EPSG:4326", income=[1.0, 2.0, 7.0, np.nan, 5.0, 99.0])
    mean = reference_values(reference(path, "points", column="income"), patches)
    np.testing.assert_allclose(mean["value"][[0, 15, 12]], [1.5, 7, 5])
    assert mean["coverage"].sum() == 3
    assert np.isnan(mean["value"][3]), "a point without a number"
    total = reference_values(reference(path, "points", column="income", statistic="sum"), patches)
    np.testing.assert_allclose(total["value"][[0, 3, 15]], [3, 0, 7])
    count = reference_values(reference(path, "points", statistic="count"), patches)
    assert count["value"].to_numpy().reshape(4, 4)[:, 0].tolist() == [2, 0, 0, 1]
    assert count["value"][3] == 1
    assert (count["coverage"] == 1).all(), "all within the hull of the six points"


def test_a_point_on_an_edge_counts_once(tmp_path, patches):
    path = write(tmp_path / "p.gpkg", [Point(at(1, 0.5)), Point(at(2, 2)), Point(at(3.5, 0.1))])
    count = reference_values(reference(path, "points", statistic="count"), patches)
    assert count["value"].sum() == 3
    outside = reference_values(
        reference(write(tmp_path / "far.gpkg", [Point(at(99, 0))]), "points", statistic="count"), patches
    )
    assert (outside["coverage"] == 0).all()
    assert outside["value"].isna().all()


def test_the_density_of_lines_is_their_length_by_area(tmp_path, patches):
    roads = gpd.GeoSeries([LineString([at(0.5, 0), at(0.5, 2)]), LineString([at(0, 3.5), at(4, 3.5)])], crs=CRS)
    path = write(tmp_path / "roads.gpkg", roads.to_crs("EPSG:4326"), crs="EPSG:4326")
    found = reference_values(reference(path, "lines"), patches)
    density = found["value"].to_numpy().reshape(4, 4)
    once = 1 / (SIDE / 1000)  # one side of a patch in km by its area in km²; UTM is true to .04 %
    np.testing.assert_allclose(density[:2, 0], once, rtol=1e-3)
    np.testing.assert_allclose(density[3], once, rtol=1e-3)
    assert density[2, 0] == 0, "within the hull, without a road"
    assert found["coverage"].to_numpy().reshape(4, 4)[0, 3] == 0
    assert np.isnan(density[0, 3])
    with pytest.raises(ValueError, match="no keys of a reference of kind = lines"):
        reference(path, "lines", column="lanes")
    with pytest.raises(TableError, match="is a Point, and LineString or MultiLineString is needed"):
        reference_values(reference(write(tmp_path / "p.gpkg", [Point(at(1, 1))]), "lines"), patches)


def test_polygons_are_averaged_by_area_and_amounts_become_densities(tmp_path, patches):
    west, east = box(*at(-2, 9), *at(0.25, -9)), box(*at(0.25, 9), *at(2.5, -9))
    path = write(tmp_path / "d.gpkg", [west, east], people=[100.0, 300.0])
    mean = reference_values(reference(path, "polygons", column="people"), patches)
    np.testing.assert_allclose(mean["value"][:3], [0.25 * 100 + 0.75 * 300, 300, 300])
    np.testing.assert_allclose(mean["coverage"][:4], [1, 1, 0.5, 0], atol=1e-12)
    assert np.isnan(mean["value"][3])
    density = reference_values(reference(path, "polygons", column="people", statistic="density"), patches)
    area_km2 = 2.25 * 18 * SIDE**2 / 1e6
    np.testing.assert_allclose(density["value"][1:3], 300 / area_km2, rtol=2e-3)


def test_polygons_on_the_globe_are_bent_into_the_footprints_crs(tmp_path, patches):
    generator = np.random.default_rng(0)
    cuts = [at(*place) for place in generator.uniform(0, 4, (6, 2))]
    cells = shapely.voronoi_polygons(shapely.MultiPoint(cuts), extend_to=box(*at(-1, 5), *at(5, -1)))
    whole = gpd.GeoSeries(list(cells.geoms), crs=CRS)
    fine = whole.segmentize(2).to_crs("EPSG:4326")
    path = write(tmp_path / "d.gpkg", fine, crs="EPSG:4326", value=np.arange(6.0))
    found = reference_values(reference(path, "polygons", column="value"), patches)
    for place, shape in enumerate(patches.geometry):
        parts = np.array([shape.intersection(cell).area for cell in whole])
        assert found["value"][place] == pytest.approx(parts @ np.arange(6.0) / parts.sum(), abs=1e-5)
    np.testing.assert_allclose(found["coverage"], 1, atol=1e-6)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
@pytest.mark.parametrize("by", ["patch_id", "row_col"])
def test_tables_are_looked_up_by_patch_or_by_place(tmp_path, patches, suffix, by):
    keys = patches["patch_id"] if by == "patch_id" else patches["row"].astype(str) + "_" + patches["col"].astype(str)
    frame = pd.DataFrame({"place": keys, "floor_area": np.arange(16.0)}).iloc[::-1]
    frame.loc[3, "floor_area"] = np.nan
    path = tmp_path / f"t{suffix}"
    writer = {".csv": frame.to_csv, ".parquet": frame.to_parquet, ".xlsx": frame.to_excel}[suffix]
    writer(path, index=False)
    found = reference_values(reference(path, "table", key="place", column="floor_area"), patches)
    expected = np.where(np.arange(16) == 3, np.nan, np.arange(16.0))
    np.testing.assert_array_equal(found["value"], expected)
    np.testing.assert_array_equal(found["coverage"], np.isfinite(expected))


def test_a_table_of_another_granule_says_nothing_of_this_one(tmp_path, patches):
    path = tmp_path / "t.csv"
    path.write_text("id,v\n48RVV_0_0,1\n48RVV_0_1,2\n")
    found = reference_values(reference(path, "table", key="id", column="v"), patches)
    assert (found["coverage"] == 0).all()


BOWTIE = Polygon([at(0, 0), at(1, 1), at(1, 0), at(0, 1)])
SQUARE, BESIDE = box(*at(0, 2), *at(2, 0)), box(*at(1, 2), *at(3, 0))


@pytest.mark.filterwarnings("ignore:.crs. was not provided")
def test_wrong_vector_files_are_one_line(tmp_path, patches):
    bare = write(tmp_path / "bare.shp", [SQUARE], crs=None, v=[1.0])
    invalid = write(tmp_path / "invalid.gpkg", [SQUARE, BOWTIE], v=[1.0, 2.0])
    overlap = write(tmp_path / "overlap.gpkg", [SQUARE, box(*at(9, 9), *at(10, 8)), BESIDE], v=[1.0, 2.0, 3.0])
    words = write(tmp_path / "words.gpkg", [SQUARE], v=["many"])
    negative = write(tmp_path / "negative.gpkg", [SQUARE], v=[-3.0])
    points = write(tmp_path / "points.gpkg", [Point(at(1, 1))], v=[1.0])
    (tmp_path / "text.gpkg").write_text("Not found")
    wrong = [
        (bare, {}, "bare.shp has no CRS"),
        (invalid, {}, r"polygons of row 1 are invalid \(Self-intersection"),
        (overlap, {}, "row 0 and row 2 overlap in 50 % of the smaller one.*mend the borders\\.$"),
        (words, {}, "v of row 0 is 'many', which is no number"),
        (negative, {"transform": "log1p"}, "gives -3 at a patch, and transform = log1p takes no negative values"),
        (points, {}, "row 0 is a Point, and Polygon or MultiPolygon is needed"),
        (SQUARE, {}, "does not exist"),
        (tmp_path / "text.gpkg", {}, "cannot be read as a vector file"),
        (invalid, {"column": "w"}, r"lacks the columns \['w'\]; it has \['v'\]"),
    ]
    for path, keys, message in wrong:
        with pytest.raises(TableError, match=message) as caught:
            reference_values(reference(path, "polygons", **({"column": "v"} | keys)), patches)
        assert "\n" not in str(caught.value)


def test_wrong_tables_are_one_line(tmp_path, patches):
    path = tmp_path / "t.csv"
    wrong = {
        "id,v\nSeoul,1\nBusan,2\n": r"id holds 'Seoul' for one, and patches are called '03TVF_0_0' or '0_0'",
        "id,v\n0_0,1\n0_0,2\n": "id '0_0' stands in two rows",
        "id,v\n0_0,lots\n": "v of 0_0 is 'lots', which is no number",
        "id,w\n0_0,1\n": r"lacks the columns \['v'\]",
    }
    for text, message in wrong.items():
        path.write_text(text)
        with pytest.raises(TableError, match=message):
            reference_values(reference(path, "table", key="id", column="v"), patches)


def test_keys_that_do_not_belong_to_the_kind_are_refused():
    wrong = [
        ({"kind": "points", "band": 2, "column": "v"}, "band.* are no keys of a reference of kind = points"),
        ({"kind": "polygons", "column": "v", "statistic": "count"}, "statistic = count is none of"),
        ({"kind": "polygons"}, "column is missing"),
        ({"kind": "table", "column": "v"}, "key is missing"),
        ({"kind": "raster", "column": "v"}, "column.* are no keys of a reference of kind = raster"),
    ]
    for keys, message in wrong:
        with pytest.raises(SettingsError, match=message):
            ReferenceSettings.checked({"path": "x", "title": "X"} | keys, "config.yaml")


def test_the_stage_writes_values_and_says_when_nothing_is_covered(tmp_path, index, capsys):
    out = tmp_path / "values.parquet"
    for east, covered in ((0, 4), (500, 0)):
        path = write(tmp_path / f"{east}.gpkg", [box(*at(east, 2), *at(east + 2, 0))], v=[6.0])
        settings = {"path": str(path), "title": "Income", "kind": "polygons", "column": "v"}
        with pytest.raises(SystemExit) as ended:
            main(["aggregate", "--settings", json.dumps(settings), "--index", str(index), "--out", str(out)])
        assert ended.value.code in (0, None)
        table = read_table(out)
        assert (table["coverage"] > 0).sum() == covered
        assert ("covers no patch" in capsys.readouterr().err) == (covered == 0)


def test_rows_are_chosen_by_year_of_points_and_tables(tmp_path, patches):
    degrees = [Point(at(0.5, 0.5)), Point(at(0.5, 0.5)), Point(at(1.5, 0.5))]
    points = gpd.GeoSeries(degrees, crs=CRS).to_crs(4326)
    rows = pd.DataFrame({"lon": points.x, "lat": points.y, "income": [1.0, 5.0, 9.0], "year": [2010, 2015, 2015]})
    rows.to_csv(tmp_path / "p.csv", index=False)
    found = reference_values(reference(tmp_path / "p.csv", "points", column="income", where={"year": 2015}), patches)
    np.testing.assert_array_equal(found["value"][:2], [5, 9])
    with pytest.raises(TableError, match=r"no row has year = 2020 \(`where`\); there are 2010, 2015"):
        reference_values(reference(tmp_path / "p.csv", "points", column="income", where={"year": 2020}), patches)
    table = pd.DataFrame({"patch": ["03TVF_0_0"] * 2, "date": ["2010-01-31", "2015-06-30"], "income": [1, 5]})
    table.to_excel(tmp_path / "t.xlsx", index=False)
    chosen = reference(tmp_path / "t.xlsx", "table", key="patch", column="income", where={"year": "2015"})
    assert reference_values(chosen, patches)["value"][0] == 5
    with pytest.raises(TableError, match="or choose with `where`"):
        reference_values(chosen.model_copy(update={"where": {}}), patches)


def test_displacement_is_checked():
    for wrong, message in (
        ({"displacement_m": {"U": 2000}}, "needs the key column"),
        ({"displacement_m": {"column": "urban", "U": "far"}}, "must hold metres above 0"),
        ({"displacement_m": 2000, "statistic": "sum"}, "not with a sum or a count"),
    ):
        with pytest.raises(SettingsError, match=message):
            ReferenceSettings.checked(
                {"path": "p.csv", "title": "P", "kind": "points", "column": "income", **wrong}, "x.yaml"
            )
