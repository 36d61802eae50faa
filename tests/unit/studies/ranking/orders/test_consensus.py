"""The consensus: levels, intervals, the graph, open pairs."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rankscape.studies.ranking.orders.consensus import best_splits, find_consensus, levels_of, silhouette, to_document
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.settings import EnsembleSettings
from sklearn.metrics import silhouette_score

FEW = EnsembleSettings(bootstrap_draws=100)


def consensus_of(*texts: str, settings: EnsembleSettings = FEW) -> Any:
    clusters = PartialOrder.parse(texts[0]).clusters
    orders = {f"judge-{i}": PartialOrder.parse(text, clusters) for i, text in enumerate(texts)}
    return find_consensus(orders, settings)


def within(values: np.ndarray, labels: np.ndarray) -> float:
    return sum(float(((values[labels == n] - values[labels == n].mean()) ** 2).sum()) for n in set(labels.tolist()))


@given(hnp.arrays(np.float64, st.integers(1, 7), elements=st.integers(0, 12).map(float)), st.integers(1, 4))
def test_levels_are_the_best_of_all_splits(ranks: np.ndarray, count: int) -> None:
    labels = levels_of(ranks, count)
    values = np.unique(ranks)
    count = min(count, len(values))
    assert len(set(labels.tolist())) == count
    assert all(labels[a] <= labels[b] for a, b in itertools.permutations(range(len(ranks)), 2) if ranks[a] <= ranks[b])
    cuts = itertools.combinations(range(1, len(values)), count - 1)
    others = [within(ranks, np.searchsorted(values[list(cut)], ranks, side="right")) for cut in cuts]
    assert within(ranks, labels) == pytest.approx(min(others), abs=1e-9)


@given(hnp.arrays(np.float64, st.integers(4, 9), elements=st.integers(0, 30).map(float)))
def test_silhouette_is_scikit_learns(ranks: np.ndarray) -> None:
    values, place, sizes = np.unique(ranks, return_inverse=True, return_counts=True)
    for count, labels in enumerate(best_splits(values, sizes, len(values)), start=1):
        if 2 <= count < len(ranks):
            assert silhouette(ranks, labels[place]) == pytest.approx(silhouette_score(ranks[:, None], labels[place]))


def test_number_of_levels_by_silhouette() -> None:
    ranks = np.array([1.0, 1.1, 1.2, 5.0, 5.1, 9.0, 9.1, 13.0, 13.2])
    assert levels_of(ranks).tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert levels_of(ranks, 2).max() == 1
    assert levels_of(ranks, 20).max() == 8
    assert levels_of(ranks, fewest=6).max() >= 5


def test_rounding_makes_no_level() -> None:
    assert levels_of(np.array([1.0, 1.0 + 1e-13, 3.0])).tolist() == [0, 0, 1]
    assert levels_of(np.array([2.0, 2.0])).tolist() == [0, 0]


def test_agreeing_orders() -> None:
    found = consensus_of("1>2=3>4", "1>2=3>4", settings=EnsembleSettings(bootstrap_draws=100, levels=3))
    assert found.levels == ((1,), (2, 3), (4,))
    np.testing.assert_allclose(found.intervals, np.array([[1, 1], [2.5, 2.5], [2.5, 2.5], [4, 4]]), atol=1e-9)
    assert found.kendall_w == pytest.approx(1)
    assert found.leave_one_out.shape == (2, 4)
    document = to_document(found, uninhabited=0)
    assert document["levels"] == [[1], [2, 3], [4], [0]]
    assert document["edges"] == [[1, 2], [1, 3], [2, 4], [3, 4], [4, 0]]
    assert document["ranks"]["0"] == 5.0
    assert document["mean_tau"] == pytest.approx(1)
    assert document["incomparable"] == []


def test_one_order_says_nothing_of_its_error() -> None:
    found = consensus_of("1>2>3>4>5")
    document = to_document(found, uninhabited=None)
    assert document["intervals"] is None
    assert document["leave_one_out"] is None
    assert document["kendall_w"] is None
    assert document["mean_tau"] is None
    assert document["weights"] == {"judge-0": 1.0}
    assert document["ranks"] == {"1": 1.0, "2": 2.0, "3": 3.0, "4": 4.0, "5": 5.0}


def test_no_draws_no_intervals() -> None:
    assert consensus_of("1>2", "2>1", settings=EnsembleSettings(bootstrap_draws=0)).intervals is None


def test_all_tied() -> None:
    document = to_document(consensus_of("1=2=3"), uninhabited=None)
    assert document["levels"] == [[1, 2, 3]]
    assert document["edges"] == []
    assert document["tau"]["matrix"] == [[None]]


def test_open_pairs_stay_open_unless_another_judge_orders_them() -> None:
    three = EnsembleSettings(levels=3, bootstrap_draws=0)
    found = to_document(consensus_of("1>2\n3\n4", "1>3\n2\n4", settings=three), uninhabited=None)
    assert [2, 3] in found["incomparable"]
    assert [1, 4] in found["incomparable"]
    assert found["unordered"] == [[1, 4], [2, 3], [2, 4], [3, 4]]
    closed = to_document(consensus_of("1>2\n3\n4", "1>3\n2\n4", "1>2>3>4", settings=three), uninhabited=None)
    assert closed["incomparable"] == []


def test_what_follows_from_several_judges_is_ordered() -> None:
    found = to_document(
        consensus_of("1>2\n3", "2>3\n1", settings=EnsembleSettings(levels=3, bootstrap_draws=0)), uninhabited=7
    )
    assert found["levels"] == [[1], [2], [3], [7]]
    assert found["unordered"] == [[1, 3]]
    assert found["edges"] == [[1, 2], [2, 3], [3, 7]]
    assert found["incomparable"] == []


@pytest.mark.parametrize("method", ["robust", "welsch", "mean", "kemeny", "bradley_terry", "report"])
def test_every_method_leaves_open_what_nobody_compares(method: Any) -> None:
    chosen = EnsembleSettings(method=method, levels=4, bootstrap_draws=0)
    found = to_document(consensus_of("1>2>3\n4", "1>3>2\n4", "1>2=3\n4", settings=chosen), uninhabited=None)
    assert found["unordered"] == found["incomparable"] == [[1, 4], [2, 4], [3, 4]]
    assert found["ranks"]["1"] < min(found["ranks"]["2"], found["ranks"]["3"])


@pytest.mark.parametrize("method", ["robust", "welsch", "mean", "kemeny", "bradley_terry", "report"])
def test_every_method(method: Any) -> None:
    chosen = EnsembleSettings(method=method, bootstrap_draws=100, report_tolerance=1e-3, report_sigma=3.0, seed=3)
    texts = ["1>2>3>4>5", "1>2>3>5>4", "2>1>3>4>5", "1>3>2>4=5"]
    found = consensus_of(*texts, settings=chosen)
    assert found.merged.ranks.argmin() == 0
    assert (found.intervals[:, 0] <= found.intervals[:, 1]).all()
    assert found.leave_one_out.shape == (4, 5)
    again = consensus_of(*texts, settings=chosen)
    assert to_document(found, None) == to_document(again, None)


def test_a_bad_judge_is_found_out() -> None:
    orders = {f"good-{i}": PartialOrder.parse("1>2>3>4>5>6") for i in range(4)}
    orders["bad"] = PartialOrder.parse("6>5>4>3>2>1")
    found = find_consensus(orders, FEW)
    weights = to_document(found, None)["weights"]
    assert weights["bad"] == min(weights.values()) < 0.01
    assert found.sources[0] == "bad"


@settings(max_examples=25)
@given(st.permutations(["1>2>3>4", "2>1>3=4", "1>4>3>2\n", "1=2>3>4"]))
def test_the_order_of_files_does_not_matter(texts: list[str]) -> None:
    names = {"1>2>3>4": "a", "2>1>3=4": "b", "1>4>3>2\n": "c", "1=2>3>4": "d"}
    orders = {names[text]: PartialOrder.parse(text) for text in texts}
    ordered = {names[text]: PartialOrder.parse(text) for text in sorted(texts)}
    assert to_document(find_consensus(orders, FEW), 9) == to_document(find_consensus(ordered, FEW), 9)


@pytest.mark.shared
def test_real_orders_give_the_published_picture(golden: dict[str, Any]) -> None:
    orders = {f"judge-{i}": PartialOrder.parse(text) for i, text in enumerate(golden["pogs"])}
    found = find_consensus(orders, EnsembleSettings(levels=8, bootstrap_draws=200))
    assert found.levels[0] == tuple(golden["published_levels_best_first"][0])
    assert found.levels[1] == tuple(golden["published_levels_best_first"][1])
    assert {19} <= set(found.levels[-1])
    assert (found.intervals[:, 0] <= found.merged.ranks + 1.5).all()
    assert find_consensus(orders, EnsembleSettings(bootstrap_draws=0)).levels == find_consensus(orders, FEW).levels
