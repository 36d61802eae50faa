"""Epochs and batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankscape.foundation.errors import OrderError, SettingsError
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.scoring.sampling import balance_weights, batches, chain_batches, draw_chain, epoch_order

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


PARTIAL = PartialOrder.from_pairs(range(6), [(0, 1), (1, 2), (0, 3), (3, 4), (2, 4), (0, 5), (5, 4)], tied=[(1, 5)])
"""0 > 1 = 5 > 4, 1 > 2 > 4, 0 > 3 > 4; 3 is incomparable with 1, 2 and 5, and 2 with 5."""
LABELS = np.repeat(np.arange(6), [40, 5, 20, 9, 3, 23])


def drawn(seed: int = 0, batch_size: int = 12) -> list[np.ndarray]:
    return chain_batches(LABELS, PARTIAL, batch_size, np.random.default_rng(seed))


@given(st.integers(0, 300))
def test_incomparable_clusters_never_meet_and_all_others_do(seed: int):
    met = np.zeros((6, 6), int)
    for batch in [batch for draw in range(3) for batch in drawn(3 * seed + draw)]:
        own = np.unique(LABELS[batch])
        met[np.ix_(own, own)] += 1
    assert not met[PARTIAL.incomparable()].any()
    assert met[~PARTIAL.incomparable()].all()


def test_a_batch_has_equally_many_images_of_every_level_of_its_chain():
    levels = {0: "top", 1: "upper", 5: "upper", 2: "lower", 3: "side", 4: "bottom"}
    for batch in drawn():
        shown = [levels[int(cluster)] for cluster in LABELS[batch]]
        counts = [shown.count(level) for level in set(shown)]
        assert set(counts) == {12 // len(counts)}


def test_chains_start_from_every_cluster_and_deal_its_patches_in_turn():
    found = np.concatenate(drawn())
    assert set(LABELS[found]) == set(range(6))
    for cluster in range(6):
        times = [np.sum(found == position) for position in np.flatnonzero(cluster == LABELS)]
        assert max(times) - min(times) <= 1


def test_a_weak_order_is_one_chain_with_all_clusters_of_all_levels():
    order = PartialOrder.from_levels([[2], [0, 3], [1]])
    chains = [draw_chain(order, start, np.random.default_rng(start)) for start in range(4)]
    assert all([level.tolist() for level in chain] == [[2], [0, 3], [1]] for chain in chains)


def test_an_epoch_of_chains_has_as_many_batches_as_any_and_repeats_itself():
    assert len(drawn()) == len(batches(np.arange(100), 12))
    assert all(np.array_equal(one, other) for one, other in zip(drawn(4), drawn(4), strict=True))
    assert not np.array_equal(np.concatenate(drawn(4)), np.concatenate(drawn(5)))


def test_clusters_that_are_not_there_are_no_part_of_chains():
    without = LABELS[LABELS != 1]
    assert {len(np.unique(without[b])) for b in chain_batches(without, PARTIAL, 12, np.random.default_rng(0))} == {3}


def test_a_chain_must_fit_into_a_batch_and_an_order_must_order():
    with pytest.raises(SettingsError, match=r"train\.batch_size = 3 has no room .* the 4 levels of a chain"):
        drawn(batch_size=3)
    flat = PartialOrder.from_pairs(range(3), [])
    with pytest.raises(OrderError, match=r"ranks no two of the clusters \[0, 1, 2\]"):
        chain_batches(np.arange(3), flat, 4, np.random.default_rng(0))


def test_shares_make_levels_clusters_or_patches_count_alike():
    clusters = np.array([0] * 6 + [1] * 2 + [2] * 4)
    levels = np.array([0] * 8 + [1] * 4)
    by_level, by_cluster = balance_weights(clusters, levels, "levels"), balance_weights(clusters, levels, "clusters")
    assert by_level[levels == 0].sum() == pytest.approx(by_level[levels == 1].sum()) == pytest.approx(6)
    assert by_level[clusters == 0].sum() == pytest.approx(by_level[clusters == 1].sum())
    assert [by_cluster[clusters == c].sum() for c in range(3)] == pytest.approx([4, 4, 4])
    assert (balance_weights(clusters, levels, "patches") == 1).all()
