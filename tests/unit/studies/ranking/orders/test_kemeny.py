"""Kemeny's rule with ties: the least cost of all orders, ties broken without looking at names, local search."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rankscape.studies.ranking.orders.ballots import totals_of_ranks, totals_of_votes, votes_of_orders, votes_of_ranks
from rankscape.studies.ranking.orders.ensembles import kemeny
from rankscape.studies.ranking.orders.kemeny import (
    average_ranks,
    cost_of,
    costs_of,
    exact_order,
    kemeny_order,
    levels_of_buckets,
    local_order,
)
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from scipy.stats import rankdata


def weak_orders(count: int) -> Iterator[np.ndarray]:
    """Every weak order of so many clusters, as level numbers without gaps."""
    for levels in itertools.product(range(count), repeat=count):
        if set(levels) == set(range(max(levels) + 1)):
            yield np.array(levels)


ALL = {count: list(weak_orders(count)) for count in range(1, 6)}


def distance(level: np.ndarray, order: PartialOrder) -> float:
    """Kendall's distance with ties, pair by pair, as the definition says."""
    total = 0.0
    for a, b in itertools.combinations(range(len(level)), 2):
        relation = order.relation(a, b)
        if relation == "incomparable":
            continue
        said = {"higher": 1, "lower": -1, "equal": 0}[relation]
        total += abs(said - np.sign(level[b] - level[a])) / 2
    return total


@st.composite
def votes(draw: st.DrawFn) -> tuple[PartialOrder, ...]:
    """1 to 5 orders of 2 to 5 clusters, some with open pairs."""
    count = draw(st.integers(2, 5))
    orders = []
    for levels in draw(st.lists(st.lists(st.integers(0, 3), min_size=count, max_size=count), min_size=1, max_size=5)):
        left_out = draw(st.sets(st.integers(0, count - 1), max_size=count - 1))
        kept = [c for c in range(count) if c not in left_out]
        groups = [[c for c in kept if levels[c] == n] for n in sorted({levels[c] for c in kept})]
        orders.append(PartialOrder.from_levels(groups).extended(range(count)))
    return tuple(orders)


@settings(deadline=None, max_examples=60)
@given(votes())
def test_no_order_costs_less(orders: tuple[PartialOrder, ...]) -> None:
    totals = totals_of_votes(votes_of_orders(orders), np.ones(len(orders)))
    found = kemeny_order(totals)
    costs = {tuple(level): sum(distance(level, order) for order in orders) for level in ALL[len(orders[0].clusters)]}
    assert found.exact
    assert found.cost == pytest.approx(min(costs.values()))
    assert costs[tuple(levels_of_buckets(found.buckets))] == pytest.approx(found.cost)
    local = kemeny_order(totals, most=0)
    assert local.cost >= found.cost - 1e-9
    whole, _ = exact_order(costs_of(totals))
    assert cost_of(whole, costs_of(totals)) == pytest.approx(found.cost)


@settings(deadline=None, max_examples=60)
@given(
    levels=hnp.arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(2, 4)), elements=st.integers(0, 3)),
    seed=st.integers(0, 99),
)
def test_names_and_order_of_judges(levels: np.ndarray, seed: int) -> None:
    """The cost never depends on them, nor does the order where it is the only one of its cost."""
    ranks = np.asarray(rankdata(levels, axis=1))
    rng = np.random.default_rng(seed)
    rows, columns = (rng.permutation(size) for size in ranks.shape)
    merged = kemeny(ranks)
    np.testing.assert_array_equal(kemeny(ranks[rows]).ranks, merged.ranks)
    renamed = kemeny(ranks[:, columns])
    costs = costs_of(totals_of_ranks(ranks))
    prices = [cost_of([np.flatnonzero(o == n) for n in range(o.max() + 1)], costs) for o in ALL[ranks.shape[1]]]
    back = np.empty_like(renamed.ranks)
    back[columns] = renamed.ranks
    cost = cost_of([np.flatnonzero(back == rank) for rank in np.unique(back)], costs)
    assert cost == pytest.approx(min(prices))
    if np.isclose(prices, min(prices)).sum() == 1:
        np.testing.assert_array_equal(back, merged.ranks)


def test_two_judges_who_contradict_each_other_leave_a_tie() -> None:
    assert kemeny(np.array([[1.0, 2, 3], [3, 2, 1]])).ranks.tolist() == [2, 2, 2]
    assert kemeny(np.array([[1.0, 2], [1, 2], [2, 1]])).ranks.tolist() == [1, 2]


def test_of_equal_costs_the_order_near_the_mean_ranks_is_taken() -> None:
    """One puts 0 above 1, one below: 0 = 1 and both strict orders cost the same, but 1 fares better with 2."""
    ranks = np.array([[1.0, 2, 3], [3, 1, 2]])
    assert kemeny(ranks).ranks.tolist() == [2, 1, 3]


def test_a_majority_cycle_is_broken_the_same_way_every_time() -> None:
    cycle = np.array([[1.0, 2, 3], [3, 1, 2], [2, 3, 1]])
    found = kemeny_order(totals_of_ranks(cycle))
    assert found.cost == 4
    assert sorted(map(len, found.buckets)) == [1, 1, 1]
    assert kemeny_order(totals_of_ranks(cycle)).buckets == found.buckets


def test_exact_at_25_clusters_that_hang_together() -> None:
    rng = np.random.default_rng(2)
    noisy = np.asarray(rankdata(np.arange(25) + rng.normal(0, 12, (7, 25)), axis=1))
    totals = totals_of_ranks(noisy)
    found, local = kemeny_order(totals), kemeny_order(totals, most=0)
    assert found.exact
    assert not local.exact
    assert found.cost <= local.cost <= 1.02 * found.cost


def test_local_search_beyond() -> None:
    rng = np.random.default_rng(3)
    ranks = np.asarray(rankdata(np.arange(60) + rng.normal(0, 30, (9, 60)), axis=1))
    totals = totals_of_ranks(ranks)
    found = kemeny_order(totals)
    assert not found.exact
    costs = costs_of(totals)
    starts = [average_ranks(found.buckets), ranks.mean(axis=0), rng.permutation(60)]
    prices = [cost_of(local_order(costs, start)[0], costs) for start in starts]
    assert prices[0] == pytest.approx(found.cost)
    assert found.cost <= 1.02 * min(prices)
    merged = average_ranks(found.buckets)
    agreed = [(a, b) for a, b in itertools.permutations(range(60), 2) if (ranks[:, a] < ranks[:, b]).all()]
    assert len(agreed) > 100
    assert all(merged[a] < merged[b] for a, b in agreed)


def test_totals_of_ranks_and_of_orders_are_one() -> None:
    rng = np.random.default_rng(4)
    levels = rng.integers(0, 3, (6, 5))
    orders = [PartialOrder.from_levels([np.flatnonzero(row == n).tolist() for n in np.unique(row)]) for row in levels]
    ranks = np.array([order.ranks() for order in orders])
    counts = np.ones(6)
    for totals in (totals_of_votes(votes_of_orders(orders), counts), totals_of_votes(votes_of_ranks(ranks), counts)):
        np.testing.assert_array_equal(totals.higher, totals_of_ranks(ranks).higher)
        np.testing.assert_array_equal(totals.equal, totals_of_ranks(ranks).equal)


def test_rounding_makes_no_difference() -> None:
    thirds = np.array([[1.0, 2 + 1e-12, 2 - 1e-12]])
    assert kemeny(thirds).ranks.tolist() == [1, 2.5, 2.5]


def test_average_ranks_of_buckets() -> None:
    assert average_ranks([(2,), (0, 3), (1,)]).tolist() == [2.5, 4, 1, 2.5]


@pytest.mark.shared
def test_real_orders(golden: dict[str, Any]) -> None:
    ranks = np.array(golden["average_ranks"])
    found = kemeny_order(totals_of_ranks(ranks))
    assert found.exact
    local = kemeny_order(totals_of_ranks(ranks), most=0)
    assert found.cost <= local.cost <= 1.01 * found.cost
    assert np.corrcoef(kemeny(ranks).ranks, golden["mean_rank"])[0, 1] > 0.98
