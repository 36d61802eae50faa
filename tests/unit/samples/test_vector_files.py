"""Vector files of any format and tables of points: layers, encodings and coordinates are never guessed."""

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from rankscape.foundation.errors import TableError
from rankscape.foundation.text_tables import TableFormat
from rankscape.samples.vector_files import quadkey_centres, read_shapes
from shapely.geometry import Point


def towns(*names: str, crs: str | None = "EPSG:4326") -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"name": names}, geometry=[Point(x, 1) for x, _ in enumerate(names)], crs=crs)


@pytest.mark.parametrize("name", ["t.gpkg", "T.GPKG", "t.geojson", "T.GeoJSON", "t.shp", "t.fgb", "t.parquet"])
def test_formats_and_capitals_are_read_alike(tmp_path, name):
    path, lower = tmp_path / name, tmp_path / f"written{Path(name).suffix.lower()}"
    towns("a", "b").to_parquet(lower) if lower.suffix == ".parquet" else towns("a", "b").to_file(lower)
    lower.rename(path) if lower.suffix != ".shp" else [
        one.rename(tmp_path / f"t{one.suffix}") for one in tmp_path.glob("written.*")
    ]
    assert sorted(read_shapes(path, ["name"])["name"]) == ["a", "b"]


@pytest.mark.parametrize(("inner", "name"), [("in", "t.zip"), ("in/deeper", "T.ZIP")])
def test_a_zipped_shapefile_is_read(tmp_path, inner, name):
    (tmp_path / inner).mkdir(parents=True)
    towns("a").to_file(tmp_path / inner / "t.shp")
    Path(shutil.make_archive(str(tmp_path / "made"), "zip", tmp_path / "in")).rename(tmp_path / name)
    assert read_shapes(tmp_path / name, ["name"])["name"].tolist() == ["a"]
    towns("b").to_file(tmp_path / "in/other.shp")
    shutil.make_archive(str(tmp_path / "two"), "zip", tmp_path / "in")
    with pytest.raises(TableError, match=r"two.zip holds .*name one file"):
        read_shapes(tmp_path / "two.zip", ["name"])


def test_degrees_that_are_none_are_refused(tmp_path):
    gpd.GeoDataFrame({"name": ["a"]}, geometry=[Point(400_000, 5_000_000)], crs=4326).to_file(tmp_path / "t.geojson")
    with pytest.raises(TableError, match="these are no degrees"):
        read_shapes(tmp_path / "t.geojson", ["name"])


def test_points_in_parquet_without_geometry_are_a_table(tmp_path):
    pd.DataFrame({"LATNUM": [1.5], "LONGNUM": [2.5]}).to_parquet(tmp_path / "t.parquet")
    assert read_shapes(tmp_path / "t.parquet", []).geometry[0].equals(Point(2.5, 1.5))


def test_of_several_layers_one_is_chosen(tmp_path):
    path = tmp_path / "gadm.gpkg"
    towns("country").to_file(path, layer="ADM_0")
    towns("a", "b").to_file(path, layer="ADM_1")
    with pytest.raises(TableError, match="has 2 layers, ADM_0, ADM_1: choose one with `layer`"):
        read_shapes(path, ["name"])
    assert len(read_shapes(path, ["name"], "ADM_1")) == 2
    with pytest.raises(TableError, match=r"no layer 'ADM_2' .*mend `layer`"):
        read_shapes(path, ["name"], "ADM_2")


def test_text_that_was_decoded_wrongly_is_refused(tmp_path):
    path = tmp_path / "t.shp"
    towns("成都市", "绵阳市").to_file(path, encoding="gbk")
    (tmp_path / "t.cpg").unlink()
    with pytest.raises(TableError, match=r"name holds .* decoded wrongly: set `encoding`"):
        read_shapes(path, ["name"])
    assert read_shapes(path, ["name"], None, TableFormat(encoding="gbk"))["name"].tolist() == ["成都市", "绵阳市"]
    (tmp_path / "t.cpg").write_text("GBK")
    assert read_shapes(path, ["name"])["name"].tolist() == ["成都市", "绵阳市"]


@pytest.mark.parametrize(
    "header", ["Longitude,Latitude,rwi", "lon;lat;rwi", "LNG\tLAT\trwi", "quadkey,rwi", '"latitude","longitude","rwi"']
)
def test_points_stand_in_columns_of_a_table(tmp_path, header):
    separator = next(one for one in ";\t," if one in header)
    cells = {"lon": "8.5", "lat": "47.25", "qua": "1202211", "rwi": "-0.25"}
    row = separator.join(
        cells[{"lng": "lon"}.get(name, name)]
        for name in (one.strip('"')[:3].lower() for one in header.split(separator))
    )
    path = tmp_path / "rwi.csv"
    path.write_text(f"{header}\n{row}\n")
    found = read_shapes(path, ["rwi"])
    assert found.crs == "EPSG:4326"
    if "quadkey" not in header:
        assert found.geometry[0].equals(Point(8.5, 47.25))


def test_a_quadkey_is_the_centre_of_its_tile():
    longitude, latitude = quadkey_centres(pd.Series(["213", "013"]), "t")
    # Tiles x = 3, y = 5 and x = 3, y = 1 of zoom 3 (Bing Maps Tile System).
    np.testing.assert_allclose(longitude, 360 * 3.5 / 8 - 180)
    rows = np.array([5.5, 1.5])
    np.testing.assert_allclose(latitude, np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * rows / 8)))))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,x\na,1\n", "needs the columns longitude and latitude in degrees, or quadkey; it has name, x"),
        ("lon,lat\n47.2,108.5\n", "latitude 108.5: are the two columns exchanged"),
        ("lon,lat\n500000,4000000\n", "degrees are needed, not metres"),
        ("lon,lat\n8.5,\n", "row 0 has no coordinates"),
        ("quadkey\n12b\n", "no quadkey"),
        ("quadkey\n13\n213\n", "quadkeys of 2 and of 3 digits"),
        ("lat,LAT,lon\n1,2,3\n", "several columns of latitude"),
    ],
)
def test_points_without_a_place_are_refused(tmp_path, text, said):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=said):
        read_shapes(path, [])


def test_a_file_without_geometry_or_crs_is_refused(tmp_path):
    towns("a", crs=None).to_file(tmp_path / "t.shp")
    with pytest.raises(TableError, match="has no CRS"):
        read_shapes(tmp_path / "t.shp", [])
    gpd.GeoDataFrame({"name": []}, geometry=[], crs=4326).to_file(tmp_path / "none.gpkg")
    with pytest.raises(TableError, match="has no rows"):
        read_shapes(tmp_path / "none.gpkg", [])
    (tmp_path / "text.gpkg").write_text("nothing")
    with pytest.raises(TableError, match="cannot be read as a vector file"):
        read_shapes(tmp_path / "text.gpkg", [])
    with pytest.raises(TableError, match="does not exist"):
        read_shapes(tmp_path / "nowhere.gpkg", [])
