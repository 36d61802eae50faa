"""The table of all patches, and the dictionary that describes every column of every table."""

import csv
import io
import json
import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rankscape.artifacts import Document, OpenKeys, Table
from rankscape.foundation.studies import find_studies
from rankscape.foundation.tables import read_table, write_table
from rankscape.products.outputs.dictionary import keys_of
from rankscape.stages.artifacts import artifacts_of
from scipy.stats import norm

from .conftest import MORE, published

ROOT = Path(__file__).parents[4]


@pytest.fixture
def patches(run) -> gpd.GeoDataFrame:
    published(run)
    return gpd.read_parquet(run / "ranking/maps/patches.parquet").set_index("patch_id")


def test_patches_hold_what_the_run_knows(run, patches):
    assert len(patches) == 72
    assert patches.crs == "EPSG:4326"
    score = read_table(run / "ranking/scores/03TXG.parquet").set_index("patch_id")["score"]
    pd.testing.assert_series_equal(patches.loc[score.index, "score"], score)
    value = read_table(run / "samples/references/seasons/night-lights/03TVF.parquet").set_index("patch_id")["value"]
    pd.testing.assert_series_equal(patches.loc[value.index, "reference_night_lights"], value, check_names=False)
    first = patches.loc["03TVF_0_2"]
    assert (first["cluster"], first["level"], first["cluster_rank"], first["category"]) == (2, 1, 1.0, "urban")
    assert patches.loc["03TVF_0_0", "level"] == 2
    assert patches.loc["03TXG_0_0", ["cluster", "level", "category"]].isna().all(), "only scored, not learned from"


def test_intervals_are_of_the_normal_distribution_and_stay_in_0_to_1(patches):
    given = patches[patches["score"].notna()]
    reach = norm.ppf(0.975) * given["score_std"]
    np.testing.assert_allclose(given["score_low"], np.clip(given["score"] - reach, 0, 1), atol=1e-6)
    np.testing.assert_allclose(given["score_high"], np.clip(given["score"] + reach, 0, 1), atol=1e-6)
    assert given["score_high"].max() == 1
    assert patches.loc["03TVF_5_5", ["score", "score_low", "score_high"]].isna().all()


def test_land_that_two_granules_show_counts_once(patches):
    shared = patches.loc[[f"03TXG_{row}_0" for row in range(5)]]
    assert not shared["distinct"].any()
    assert patches.loc["03TXG_5_0", "distinct"], "the patch of the first granule is not usable there"
    assert not patches.loc["03TVF_5_5", "distinct"]
    assert patches["distinct"].sum() == 35 + 30


def test_places_are_where_the_patches_are(run, patches):
    index = gpd.read_parquet(run / "samples/seasons/03TVF.parquet").set_index("patch_id")
    back = patches.loc[index.index].to_crs(index.crs)
    assert back.geometry.distance(index.geometry.centroid).max() == 0
    assert (back.geometry.symmetric_difference(index.geometry).area / index.geometry.area).max() < 1e-3
    centre = gpd.GeoSeries(gpd.points_from_xy(patches["lon"], patches["lat"]), index=patches.index)
    assert centre.within(patches.geometry.set_crs(None, allow_override=True)).all()


def test_geoparquet_says_where_rows_are_so_that_readers_skip_the_others(run, patches):
    path = run / "ranking/maps/patches.parquet"
    geo = json.loads(pq.read_schema(path).metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    one = patches.geometry.loc["03TXG_3_5"].centroid
    near = gpd.read_parquet(path, bbox=(one.x, one.y, one.x, one.y))
    assert near["patch_id"].tolist() == ["03TXG_3_5"]


def test_csv_is_the_same_without_footprints(run, patches):
    table = pd.read_csv(run / "ranking/maps/patches.csv.gz").set_index("patch_id")
    assert list(table.columns) == [name for name in patches.columns if name not in {"geometry", "bbox"}]
    np.testing.assert_allclose(table["score"], patches["score"].astype(float), rtol=1e-6)
    np.testing.assert_array_equal(table["lon"], patches["lon"])


def test_every_column_of_every_table_is_described(with_more):
    assert published(with_more, **MORE) == 0
    rows = list(csv.DictReader(io.StringIO((with_more / "data-dictionary.csv").read_text())))
    described = {(row["file"], row["column"]) for row in rows}
    assert not [row for row in rows if not row["meaning"] or not row["missing"] or row["missing"] == "unknown"]
    tables = [path for path in with_more.rglob("*") if re.search(r"\.(parquet|csv|csv\.gz)$", path.name)]
    tables_ = [one for one in artifacts_of(find_studies()) if isinstance(one, Table)]
    assert len(tables) >= 15
    for path in tables:
        name = path.relative_to(with_more).as_posix()
        if name == "data-dictionary.csv":
            continue
        table = next((one for one in tables_ if one.match(name) is not None), None)
        assert table, f"{name} is in no description"
        listed = name if name in {file for file, _ in described} else table.path
        for column in table.names(path):
            found = table.column(column)
            assert found, f"{name}: {column}"
            assert {(listed, column), (listed, found.name)} & described, f"{name}: {column}"
    units = {row["column"]: row["unit"] for row in rows if row["file"] == "ranking/maps/patches.parquet"}
    assert units["reference_night_lights"] == "Night lights (nW)"
    text = (with_more / "data-dictionary.md").read_text()
    assert "| `houses_2010` | text |  | Column of the districts' own table, as it was given |" in text
    assert "`baseline_lights_guided`" in text


def test_a_column_that_nobody_described_is_said_to_be_one(run):
    table = read_table(run / "ranking/clusters/clusters.parquet").assign(colour="red")
    write_table(run / "ranking/clusters/clusters.parquet", table, {})
    published(run)
    assert (
        "ranking/clusters/clusters.parquet,colour,text,,Not described by this version"
        in (run / "data-dictionary.csv").read_text()
    )


def test_tables_of_two_runs_are_refused(run, capsys):
    table = read_table(run / "ranking/scores/03TXG.parquet")
    write_table(run / "ranking/scores/03TXG.parquet", table.iloc[1:], {})
    assert published(run) == 2
    assert "does not hold every patch of" in capsys.readouterr().err


def test_the_docs_name_every_file():
    docs = (ROOT / "docs/reference/outputs.md").read_text()
    lacking = [kind.path for kind in artifacts_of(find_studies()) if f"`{kind.path}`" not in docs]
    assert lacking == []


def test_every_key_of_every_document_is_described():
    documents = [one for one in artifacts_of(find_studies()) if isinstance(one, Document)]
    keys = [(one.path, key) for one in documents if not issubclass(one.model, OpenKeys) for key in keys_of(one.model)]
    assert len(keys) > 100
    assert [(path, key.name) for path, key in keys if not key.words] == []


def test_keys_of_documents_are_in_the_dictionary(run):
    published(run)
    rows = list(csv.DictReader(io.StringIO((run / "data-dictionary.csv").read_text())))
    keys = {row["column"]: row for row in rows if row["file"] == "ranking/evaluation/{reference}.json"}
    assert keys["predictors.pooled.spearman.low"]["type"] == "number"
    assert keys["block_m"]["unit"] == "m"
    assert keys["title"]["missing"] == "never"
    assert keys["predictors"]["type"] == "object"
