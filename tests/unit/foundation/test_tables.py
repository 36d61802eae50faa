import errno

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rankscape.foundation.errors import DiskError, TableError
from rankscape.foundation.tables import read_geotable, read_metadata, read_table, write_table
from shapely.geometry import box


def footprints(crs: str | None = "EPSG:32648") -> gpd.GeoDataFrame:
    boxes = [box(0, 0, 10, 10), box(10, 0, 20, 10)]
    return gpd.GeoDataFrame({"patch_id": ["a", "b"], "row": np.array([0, 1], np.int32)}, geometry=boxes, crs=crs)


def test_a_table_comes_back_with_types_and_metadata(tmp_path):
    frame = pd.DataFrame({"patch_id": ["a", "b"], "score": np.array([0.5, np.nan], np.float32)}, index=[7, 9])
    write_table(tmp_path / "t.parquet", frame, {"rankscape": {"stage": "test", "seed": None}})
    back = read_table(tmp_path / "t.parquet", ["patch_id", "score"])
    assert back["score"].dtype == np.float32
    assert np.isnan(back["score"][1])
    assert list(back.index) == [0, 1]
    assert read_metadata(tmp_path / "t.parquet", "rankscape") == {"stage": "test", "seed": None}


@pytest.mark.parametrize("crs", ["EPSG:32648", "EPSG:4326", None])
def test_a_geotable_comes_back_with_its_crs(tmp_path, crs):
    write_table(tmp_path / "g.parquet", footprints(crs), {"grid": {"rows": 2}})
    back = read_geotable(tmp_path / "g.parquet", ["row", "geometry"])
    assert back.crs == footprints(crs).crs
    assert back.geometry.geom_equals(footprints(crs).geometry).all()
    assert back["row"].dtype == np.int32
    assert read_metadata(tmp_path / "g.parquet", "grid") == {"rows": 2}
    assert read_metadata(tmp_path / "g.parquet", "geo")["primary_column"] == "geometry"


def test_other_tools_read_the_geotable(tmp_path):
    write_table(tmp_path / "g.parquet", footprints(), {})
    assert gpd.read_parquet(tmp_path / "g.parquet").total_bounds.tolist() == [0, 0, 20, 10]
    assert pq.read_table(tmp_path / "g.parquet").num_rows == 2


def test_an_empty_geotable_is_valid(tmp_path):
    write_table(tmp_path / "g.parquet", footprints().iloc[:0], {})
    assert read_geotable(tmp_path / "g.parquet").empty
    assert "bbox" not in read_metadata(tmp_path / "g.parquet", "geo")["columns"]["geometry"]


def test_the_same_table_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_table(tmp_path / name, footprints(), {"rankscape": {"b": 1, "a": 2}})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("read", [read_table, read_geotable])
def test_a_wrong_table_is_one_line(tmp_path, read):
    with pytest.raises(TableError, match="does not exist"):
        read(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(TableError, match="no readable Parquet"):
        read(tmp_path / "text.parquet")
    write_table(tmp_path / "g.parquet", footprints(), {})
    content = (tmp_path / "g.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(TableError, match="no readable Parquet"):
        read(tmp_path / "cut.parquet")
    with pytest.raises(TableError, match=r"lacks the columns \['score'\]"):
        read(tmp_path / "g.parquet", ["score"])


def test_a_table_without_geometry_is_no_geotable(tmp_path):
    write_table(tmp_path / "t.parquet", pd.DataFrame({"a": [1]}), {})
    with pytest.raises(TableError, match="no readable Parquet"):
        read_geotable(tmp_path / "t.parquet")


def test_missing_metadata_is_one_line(tmp_path):
    write_table(tmp_path / "t.parquet", pd.DataFrame({"a": [1]}), {})
    with pytest.raises(TableError, match="no metadata `grid`"):
        read_metadata(tmp_path / "t.parquet", "grid")
    with pytest.raises(TableError, match="no readable Parquet"):
        read_metadata(tmp_path / "none.parquet", "grid")


def test_a_full_disk_leaves_the_old_table(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    write_table(path, pd.DataFrame({"a": [1]}), {})

    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(DiskError, match="No disk space left"):
        write_table(path, pd.DataFrame({"a": [2]}), {})
    assert read_table(path)["a"].to_list() == [1]


def test_a_table_of_more_rows_than_there_is_land_is_refused(tmp_path, monkeypatch):
    write_table(tmp_path / "t.parquet", pd.DataFrame({"a": np.zeros(1001, np.int8)}), {})
    monkeypatch.setattr("rankscape.foundation.tables._MAX_ROWS", 1000)
    with pytest.raises(TableError, match="claims 1001 rows"):
        read_table(tmp_path / "t.parquet")


def test_a_table_that_unpacks_to_more_than_fits_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("rankscape.foundation.tables._MAX_BYTES", 4096)
    write_table(tmp_path / "t.parquet", pd.DataFrame({"a": np.arange(10_000)}), {})
    with pytest.raises(TableError, match=r"at most .* bytes are read"):
        read_table(tmp_path / "t.parquet")
