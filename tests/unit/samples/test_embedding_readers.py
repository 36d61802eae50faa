"""Embeddings of others: published bytes, columns of lists, numbered columns."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rankscape.foundation.errors import TableError
from rankscape.samples.embedding_readers import dequantise_alphaearth, dequantise_tessera, read_vectors


@pytest.mark.shared
def test_published_formulas(shared):
    golden = json.loads((shared / "golden/embeddings/golden.json").read_text())["dequantise"]
    found = dequantise_alphaearth(np.array(golden["alphaearth_int8"], np.int8))
    np.testing.assert_allclose(found, np.array(golden["alphaearth_float"], float), rtol=1e-6)
    scales = np.array(golden["tessera_scale"], float).astype(np.float32)
    found = dequantise_tessera(np.array(golden["tessera_int8"], np.int8), scales)
    np.testing.assert_allclose(found, np.array(golden["tessera_float"], float), rtol=1e-6)


def test_scales_that_are_none_give_none():
    found = dequantise_tessera(np.ones((4, 2), np.int8), np.array([1.0, np.inf, 0.0, np.nan], np.float32))
    assert np.isfinite(found).all(1).tolist() == [True, False, False, False]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "shape"),
    [("clay-v0/03WVN_20220610_20220610_v001.gpq", (417, 768)), ("earth-index/21MNT_empty.parquet", (0, 384))],
)
def test_published_tables(shared, name, shape):
    path = shared / "data/embeddings" / name
    found = read_vectors(pq.read_table(path), path)
    assert found.shape == shape
    assert np.isfinite(found).all()


def test_lists_of_any_kind_and_numbered_columns_are_the_same():
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    lists = pa.array([*rows[:3].tolist(), None], pa.list_(pa.float64()))
    fixed = pa.array([*rows[:3].tolist(), None], pa.list_(pa.float32(), 3))
    numbered = {f"A{number:02}": np.where(np.arange(4) < 3, rows[:, number], np.nan) for number in range(3)}
    tables = [pa.table({"id": list("abcd"), "embedding": lists}), pa.table({"vector": fixed}), pa.table(numbered)]
    for table in tables:
        found = read_vectors(table, Path("x.parquet"))
        np.testing.assert_array_equal(found[:3], rows[:3])
        assert np.isnan(found[3]).all()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"embedding": [[1.0, 2.0], [1.0]]}, "rows of 'embedding' have 1 to 2 numbers"),
        ({"embedding": [[1.0, np.inf], [1.0, 2.0]]}, "the embedding of row 0 holds values that are not finite"),
        ({"embedding": [[1.0, 2.0], [np.nan, 2.0]]}, "the embedding of row 1"),
        ({"one": [[1.0]], "two": [[1.0]]}, "there are several"),
        ({"A0": [1.0], "A1": [1.0], "B0": [1.0], "B1": [2.0]}, "there are several"),
        ({"A0": [1.0], "A2": [1.0]}, "there are none"),
        ({"id": ["a"]}, "there are none"),
    ],
)
def test_tables_without_one_embedding_are_refused(table, message):
    with pytest.raises(TableError, match=message):
        read_vectors(pa.table(table), Path("x.parquet"))
