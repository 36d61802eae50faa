"""Epochs and batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankscape.scoring.sampling import batches, epoch_order

CLUSTERS = np.repeat([0, 1, 2], [90, 9, 1])
LEVELS = np.array([0, 1, 1])[CLUSTERS]


def shown(balance: str) -> list[int]:
    order = epoch_order(CLUSTERS, LEVELS, balance, np.random.default_rng(0))
    return np.bincount(CLUSTERS[order], minlength=3).tolist()


def test_levels_are_shown_equally_often_and_in_them_the_clusters():
    assert shown("levels") == [50, 25, 25]


def test_clusters_are_shown_equally_often():
    assert sorted(shown("clusters")) == [33, 33, 34]


def test_patches_are_shown_once():
    order = epoch_order(CLUSTERS, LEVELS, "patches", np.random.default_rng(0))
    assert sorted(order) == list(range(100))


def test_the_same_seed_gives_the_same_epoch_and_another_another():
    first, again, other = (epoch_order(CLUSTERS, LEVELS, "levels", np.random.default_rng(s)) for s in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 99))
def test_an_epoch_is_balanced_and_repeats_a_patch_only_after_its_cluster(labels: list[int], seed: int):
    clusters = np.array(labels)
    order = epoch_order(clusters, clusters // 2, "levels", np.random.default_rng(seed))
    assert len(order) == len(clusters)
    by_level = [np.sum(clusters[order] // 2 == level) for level in np.unique(clusters // 2)]
    assert max(by_level) - min(by_level) <= 1
    for cluster in np.unique(clusters):
        times = [np.sum(order == position) for position in np.flatnonzero(clusters == cluster)]
        assert max(times) - min(times) <= 1


def test_batches_hold_every_patch_once_and_never_one_alone():
    assert [len(batch) for batch in batches(np.arange(10), 4)] == [4, 4, 2]
    assert [len(batch) for batch in batches(np.arange(9), 4)] == [4, 5]
    assert [len(batch) for batch in batches(np.arange(3), 4)] == [3]
    assert np.concatenate(batches(np.arange(9), 4)).tolist() == list(range(9))


@pytest.mark.parametrize("balance", ["levels", "clusters"])
def test_more_clusters_than_draws_is_no_error(balance: str):
    order = epoch_order(np.arange(3), np.zeros(3, int), balance, np.random.default_rng(0))
    assert sorted(order) == [0, 1, 2]
