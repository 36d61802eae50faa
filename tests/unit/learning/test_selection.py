"""Selections of samples, and their table of targets."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from rankscape.foundation.errors import TableError
from rankscape.learning.selection import Selection, select
from rankscape.learning.targets import TargetTable


def test_digests_are_equal_where_bytes_are(invented: Callable[[int], Selection]):
    samples = invented(0)
    samples.stores[1].array[3] = samples.stores[0].array[2]
    digests = samples.digests()
    assert digests[2] == digests[36 + 3]
    assert len(set(digests)) == len({store.tobytes() for store in samples.pixels(np.arange(len(samples)))})


def test_ids_find_the_same_samples_again_in_any_order(invented: Callable[[int], Selection]):
    samples = invented(1)
    order = np.random.default_rng(0).permutation(len(samples))
    again = select(samples.stores, samples.ids()[order].tolist(), "a table")
    assert np.array_equal(again.store, samples.store[order])
    assert np.array_equal(again.position, samples.position[order])
    assert np.array_equal(again.pixels(np.arange(5)), samples.pixels(order[:5]))
    assert samples.take(order).footprints().iloc[3].equals(samples.footprints().iloc[order[3]])


def test_units_without_a_row_have_no_targets():
    table = pd.DataFrame({"id": ["b", "a"], "income": [2.0, np.nan], "light": [0.5, 0.25]})
    found = TargetTable.joined(table, "id", np.array(["a", "b", "c"], object), ["light", "income"], "t.csv")
    np.testing.assert_array_equal(found.values, [[0.25, np.nan], [0.5, 2.0], [np.nan, np.nan]])
    assert found.known().tolist() == [False, True, False]
    np.testing.assert_array_equal(found.take(np.array([1, 0]))["light"], [0.5, 0.25])
    assert found.weights.tolist() == [1, 1, 1]


def test_a_table_that_cannot_be_joined_is_named():
    table = pd.DataFrame({"id": ["a", "a"], "light": [1, 2]})
    with pytest.raises(TableError, match=r"t\.csv lacks the columns \['income'\]"):
        TargetTable.joined(table, "id", np.array(["a"]), ["income"], "t.csv")
    with pytest.raises(TableError, match=r"t\.csv has 1 ids twice, such as a"):
        TargetTable.joined(table, "id", np.array(["a"]), ["light"], "t.csv")
