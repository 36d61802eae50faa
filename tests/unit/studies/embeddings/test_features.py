"""Embeddings for others: a GeoParquet table beside the features, and its STAC item."""

import json

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pystac
import pytest


@pytest.fixture
def made(region):
    """Features of a granule, with their table."""
    assert region.fit("rcf") == 0
    path = region.patches[0]
    return region, path, ("--patches", path, "--embedder", region.folder / "models/rcf.safetensors")


def embed(region, path, files, *dates):
    out, table = region.folder / f"features/rcf/{path.stem}.npy", region.folder / f"tables/rcf/{path.stem}.parquet"
    words = ("embeddings", "embed", "--settings", "{}", *files, "--out", out, "--table", table, "--dates", *dates)
    return region.run(*words), np.load(out), table


def test_the_table_contains_the_features_and_survives_a_round_trip(made):
    status, features, path = embed(*made, "2020-01-01/2020-12-31")
    assert status == 0
    table = pq.read_table(path)
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), features.shape[1])
    assert table["embedding"].null_count == np.isnan(features[:, 0]).sum() == 2
    pq.write_table(table, path.with_name("again.parquet"))
    assert pq.read_table(path.with_name("again.parquet")).equals(table)
    frame = gpd.read_parquet(path).set_index("id")
    index = gpd.read_parquet(made[1].with_suffix(".parquet"))
    for number in (5, 77):
        np.testing.assert_array_equal(frame.loc[index["patch_id"][number], "embedding"], features[number])
    about = json.loads(table.schema.metadata[b"emb"])
    assert (about["version"], about["model"], about["dim"]) == ("0.0.1", "random-convolutions-3px-16", 32)
    assert str(frame["end_datetime"].iloc[0])[:10] == "2020-12-31"


def test_the_item_says_what_the_vectors_are(made):
    status, features, path = embed(*made)
    assert status == 0
    item = pystac.Item.from_file(str(path.with_suffix(".json")))
    assert item.properties["emb:type"] == "chip"
    assert item.properties["emb:dimensions"] == features.shape[1]
    assert (item.properties["data_type"], item.properties["gsd"]) == ("float32", pytest.approx(80))
    assert item.assets["embeddings"].extra_fields["file:size"] == path.stat().st_size
    assert [link.rel for link in item.links if link.rel.startswith("emb:")] == ["emb:model"]
    west, south, east, north = gpd.read_parquet(path).total_bounds
    np.testing.assert_allclose(item.bbox, [west, south, east, north], atol=1e-6)


def test_dates_that_are_none_are_refused(made):
    region, path, files = made
    out = region.folder / f"features/rcf/{path.stem}.npy"
    table = region.folder / "x.parquet"
    words = ("embeddings", "embed", "--settings", "{}", *files, "--out", out, "--table", table, "--dates", "2020-13-01")
    assert region.run(*words) == 2
    assert not out.exists()
    assert not table.exists()
