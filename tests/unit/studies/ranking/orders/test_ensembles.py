"""Ensembles: golden values of ten real orders, laws that every method keeps, bad judges."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rankscape.studies.ranking.orders import ensembles
from rankscape.studies.ranking.orders.ballots import completed_ranks, never_compared, report_ranks
from rankscape.studies.ranking.orders.ensembles import bradley_terry, kemeny, mean, report, robust, welsch
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.resampling import Ballots
from rankscape.studies.ranking.orders.settings import EnsembleSettings
from scipy.stats import kendalltau

METHODS = [robust, welsch, mean, kemeny, bradley_terry, report]
by_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
RESPECTFUL = ["robust", "welsch", "mean", "kemeny", "bradley_terry"]
"""Methods that keep what all say of a pair; the report's ranks can invert an order before anything is merged."""


def rank_rows(levels: np.ndarray) -> np.ndarray:
    """Average ranks of weak orders given as level numbers, shape (judges, clusters)."""
    clusters = range(levels.shape[1])
    rows = [[[c for c in clusters if row[c] == n] for n in np.unique(row)] for row in levels]
    return np.array([PartialOrder.from_levels(row).ranks() for row in rows])


@st.composite
def judges(draw: st.DrawFn) -> np.ndarray:
    """Rank vectors of 1 to 6 judges on 1 to 6 clusters."""
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    return rank_rows(draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 4))))


@pytest.fixture
def real(golden: dict[str, Any]) -> np.ndarray:
    return np.array(golden["average_ranks"])


@pytest.mark.shared
def test_golden_welsch(real: np.ndarray, golden: dict[str, Any]) -> None:
    known, merged = golden["welsch_mohammadi_rezaei"], welsch(real)
    assert merged.iterations == known["iterations"] == 31
    assert merged.scale == pytest.approx(known["sigma"], abs=1e-6)
    np.testing.assert_allclose(merged.weights, known["weights"], atol=1e-6)
    np.testing.assert_allclose(merged.ranks, known["ranks"], atol=1e-6)
    assert merged.effective_judges == pytest.approx(5.45, abs=0.01)


@pytest.mark.shared
def test_golden_mean_and_report_ranks(real: np.ndarray, golden: dict[str, Any]) -> None:
    np.testing.assert_allclose(mean(real).ranks, golden["mean_rank"], atol=1e-9)
    orders = [PartialOrder.parse(text) for text in golden["pogs"]]
    ranks = np.array([order.report_ranks() for order in orders])
    np.testing.assert_allclose(ranks.mean(axis=0), golden["report_dense_adjusted_mean"], atol=1e-9)


def test_robust_keeps_the_third_of_three_judges_who_nearly_agree() -> None:
    ranks = np.array([[4.5, 3, 4.5, 1.5, 1.5], [4, 3, 5, 1, 2], [3.5, 3.5, 5, 2, 1]])
    assert robust(ranks).weights == pytest.approx([1 / 3] * 3, abs=0.01)


def test_robust_drops_the_one_of_three_judges_who_says_the_opposite() -> None:
    one = np.arange(1.0, 13)
    assert robust(np.array([one, one, 13 - one])).weights[2] < 0.001


@pytest.mark.shared
def test_golden_robust_listens_to_more_than_six_honest_judges(real: np.ndarray) -> None:
    merged = robust(real)
    assert merged.effective_judges == pytest.approx(7.849, abs=1e-3)
    assert merged.iterations < 100


@pytest.mark.shared
@pytest.mark.parametrize(
    ("kind", "mean_at_least", "worst_at_least"), [("reversed", 0.998, 0.99), ("random", 0.99, 0.96)]
)
def test_three_of_ten_judges_spoilt(real: np.ndarray, kind: str, mean_at_least: float, worst_at_least: float) -> None:
    rng = np.random.default_rng(0)
    taus = []
    for spoilt in itertools.combinations(range(10), 3):
        ranks = real.copy()
        for judge in spoilt:
            ranks[judge] = 23 - real[judge] if kind == "reversed" else rng.permutation(22) + 1
        honest = np.delete(real, spoilt, axis=0).mean(axis=0)
        taus.append(kendalltau(robust(ranks).ranks, honest).statistic)
    assert np.mean(taus) >= mean_at_least
    assert min(taus) >= worst_at_least


@by_method
@settings(deadline=None)
@given(row=hnp.arrays(np.int64, st.integers(1, 6), elements=st.integers(0, 4)), count=st.integers(1, 5))
def test_unanimity(method: Any, row: np.ndarray, count: int) -> None:
    ranks = rank_rows(np.tile(row, (count, 1)))
    merged = method(ranks)
    np.testing.assert_allclose(merged.ranks, ranks[0], atol=1e-9)
    np.testing.assert_allclose(merged.weights, 1 / count)
    assert merged.effective_judges == pytest.approx(count)


@by_method
@settings(deadline=None, max_examples=50)
@given(ranks=judges())
def test_pareto_and_sums(method: Any, ranks: np.ndarray) -> None:
    merged = method(ranks)
    assert merged.weights.sum() == pytest.approx(1)
    assert (merged.weights >= 0).all()
    assert merged.ranks.sum() == pytest.approx(ranks[0].sum())
    for a, b in itertools.permutations(range(ranks.shape[1]), 2):
        if (ranks[:, a] < ranks[:, b]).all():
            assert merged.ranks[a] < merged.ranks[b]
        if (ranks[:, a] == ranks[:, b]).all():
            assert merged.ranks[a] == pytest.approx(merged.ranks[b], abs=1e-9)


@pytest.mark.parametrize("method", [m for m in METHODS if m is not kemeny], ids=lambda method: method.__name__)
@settings(deadline=None, max_examples=50)
@given(ranks=judges(), seed=st.integers(0, 1000))
def test_names_of_clusters_and_order_of_judges_do_not_matter(method: Any, ranks: np.ndarray, seed: int) -> None:
    """For Kemeny's rule see test_kemeny.py: several orders may cost the same."""
    rng = np.random.default_rng(seed)
    rows, columns = (rng.permutation(size) for size in ranks.shape)
    merged, other = method(ranks), method(ranks[np.ix_(rows, columns)])
    np.testing.assert_allclose(other.ranks, merged.ranks[columns], atol=1e-6)
    np.testing.assert_allclose(other.weights, merged.weights[rows], atol=1e-6)


@by_method
def test_what_is_given_stays_as_it_is_and_any_numbers_do(method: Any) -> None:
    ranks = rank_rows(np.random.default_rng(3).integers(0, 4, (7, 5)))
    given_ranks = ranks.copy()
    merged = method(ranks)
    np.testing.assert_array_equal(ranks, given_ranks)
    for other in (np.asfortranarray(ranks), (2 * ranks).astype(np.int16) / 2, ranks.tolist(), ranks.astype(np.float32)):
        np.testing.assert_allclose(method(other).ranks, merged.ranks, atol=1e-9)


def test_welsch_survives_scales_too_small_for_a_float() -> None:
    ranks = rank_rows(np.random.default_rng(0).integers(0, 5, (3000, 4)))
    merged = welsch(ranks)
    assert np.isfinite(merged.ranks).all()
    assert merged.weights.sum() == pytest.approx(1)


def test_report_favours_the_outlier_and_ends() -> None:
    ranks = rank_rows(np.array([[0, 1, 2, 3]] * 4 + [[3, 2, 1, 0]]))
    merged = report(ranks, sigma=1.0)
    assert merged.weights[4] > merged.weights[0]
    assert merged.iterations < ensembles.MAX_ITERATIONS
    # At the report's own scale it swings between the outlier and the rest.
    assert report(ranks, sigma=20.0).iterations == ensembles.MAX_ITERATIONS
    assert robust(ranks).weights[4] < robust(ranks).weights[0]


def test_report_is_the_mean_where_all_agree() -> None:
    ranks = rank_rows(np.array([[0, 1, 1]] * 3))
    merged = report(ranks)
    assert merged.ranks.tolist() == ranks[0].tolist()
    assert merged.weights.tolist() == [pytest.approx(1 / 3)] * 3


@pytest.mark.parametrize("ranks", [np.zeros((0, 3)), np.zeros(3), np.array([[1.0, np.nan]])])
@by_method
def test_bad_ranks(method: Any, ranks: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite matrix"):
        method(ranks)


def test_open_pairs_are_put_as_the_others_put_them() -> None:
    full = PartialOrder.parse("1>2>3>4")
    lacking = PartialOrder.parse("1>3>4\n2")
    ranks = completed_ranks([full, full, lacking])
    assert ranks.tolist() == [[1, 2, 3, 4]] * 3
    alone = completed_ranks([lacking])
    assert alone.tolist() == [lacking.ranks().tolist()]


def test_pairs_that_nobody_compares() -> None:
    orders = [PartialOrder.parse("1>2\n3"), PartialOrder.parse("1>3\n2")]
    assert np.argwhere(never_compared(orders)).tolist() == [[1, 2], [2, 1]]


@pytest.mark.parametrize("method", RESPECTFUL)
@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=6), min_size=1, max_size=4))
def test_pareto_holds_with_open_pairs(method: Any, statements: list[list[tuple[int, int]]]) -> None:
    ascending = [[(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]] for pairs in statements]
    orders = tuple(PartialOrder.from_pairs(range(5), pairs) for pairs in ascending)
    merged = Ballots(orders, EnsembleSettings(method=method)).merged
    assert merged.ranks.sum() == pytest.approx(15)
    for a, b in itertools.permutations(range(5), 2):
        if all(order.higher[a, b] for order in orders):
            assert merged.ranks[a] < merged.ranks[b]


@pytest.mark.parametrize("method", [*RESPECTFUL, "report"])
def test_a_judge_who_leaves_a_cluster_out_does_not_move_it(method: Any) -> None:
    full, lacking = PartialOrder.parse("1>2>3>4>5"), PartialOrder.parse("1>2>3>5\n4")
    merged = Ballots((full, full, lacking), EnsembleSettings(method=method)).merged
    np.testing.assert_allclose(merged.ranks, [1, 2, 3, 4, 5], atol=0.1)
    assert np.argsort(merged.ranks).tolist() == [0, 1, 2, 3, 4]


def test_report_ranks_complete_what_is_open() -> None:
    full, lacking = PartialOrder.parse("1>2>3"), PartialOrder.parse("1>3\n2")
    assert report_ranks([full, lacking]).tolist() == [[1, 2, 3]] * 2
    assert report_ranks([PartialOrder.parse("1=2>3")]).tolist() == [[1.5, 1.5, 2.0]]
