"""The iteration in its two forms, against a plain one; threads, sizes, draws."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.studies.ranking.orders import ensembles, weighting
from rankscape.studies.ranking.orders.ensembles import bradley_terry, kemeny, mean, report, robust, welsch
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.resampling import Ballots, merge_draws, rank_intervals
from rankscape.studies.ranking.orders.settings import EnsembleSettings
from rankscape.studies.ranking.orders.weighting import Blocks, InnerProducts
from scipy.stats import rankdata


def invented(judges: int, clusters: int, seed: int = 0) -> np.ndarray:
    """Noisy views of one truth; every tenth judge guesses."""
    rng = np.random.default_rng(seed)
    noise = np.where(np.arange(judges) % 10 == 9, 100.0, 0.3)[:, None]
    return np.asarray(rankdata(rng.normal(0, noise, (judges, clusters)) + np.linspace(0, 1, clusters), axis=1))


def plain(ranks: np.ndarray, method: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """The formulas of docs/methods/ranking.md as they stand."""
    merged = np.zeros(ranks.shape[1]) if method is welsch else ranks.mean(axis=0)
    alpha = np.zeros(len(ranks))
    iteration, going = 0, True
    while going and iteration < 1000:
        iteration += 1
        squares = ((ranks - merged) ** 2).sum(axis=1)
        sigma = squares.sum() / (2 * len(ranks) ** 2)
        slack = squares.mean() + ranks.shape[1]
        exponents = -squares / (2 * sigma**2) if method is welsch else -((squares / slack) ** 2)
        before, alpha = (merged, alpha), np.exp(exponents)
        shifted = np.exp(exponents - exponents.max())
        weights = shifted / shifted.sum()
        merged = weights @ ranks
        going = np.linalg.norm(merged - before[0]) >= 1e-9 or np.linalg.norm(alpha - before[1]) >= 1e-9
    return merged, weights, iteration


def plain_report(ranks: np.ndarray, sigma: float = 20.0, tolerance: float = 1e-6) -> tuple[np.ndarray, np.ndarray, int]:
    """All 1,000 iterations, cycle or not."""
    merged = ranks.mean(axis=0)
    iteration, change = 0, np.inf
    while change > tolerance and iteration < 1000:
        iteration += 1
        alpha = 1 - np.exp(-((ranks - merged) ** 2).sum(axis=1) / sigma**2)
        weights = alpha / alpha.sum()
        before, merged = merged, weights @ ranks
        change = np.abs(merged - before).max()
    return merged, weights, iteration


@pytest.mark.parametrize("shape", [(3, 40), (10, 22), (60, 22), (400, 5), (3000, 22), (20_000, 7)])
@pytest.mark.parametrize("method", [robust, welsch], ids=lambda method: method.__name__)
def test_the_formulas(method: Any, shape: tuple[int, int]) -> None:
    ranks = invented(*shape)
    merged, (expected, weights, iterations) = method(ranks), plain(ranks, method)
    np.testing.assert_allclose(merged.ranks, expected, atol=1e-9)
    np.testing.assert_allclose(merged.weights, weights, atol=1e-9)
    assert merged.iterations == iterations


@pytest.mark.parametrize("shape", [(3, 40), (10, 22), (60, 22), (3000, 22)])
@pytest.mark.parametrize("sigma", [3.0, 20.0, 50.0, 400.0])
def test_the_reports_formula_and_its_cycles(shape: tuple[int, int], sigma: float) -> None:
    ranks = invented(*shape)
    merged, (expected, weights, iterations) = report(ranks, sigma), plain_report(ranks, sigma)
    np.testing.assert_allclose(merged.ranks, expected, atol=1e-9)
    np.testing.assert_allclose(merged.weights, weights, atol=1e-9)
    assert merged.iterations == iterations


@pytest.mark.parametrize("judges", [1, 4])
def test_many_clusters_however_near_the_judges_are(judges: int) -> None:
    """Inner products of whole vectors of ranks serve far judges only; near ones are looked at one by one."""
    far = invented(judges, 400)
    near = np.tile(np.arange(1.0, 401), (judges, 1))
    near[:, :2] = [[1, 2], [2, 1], [1.5, 1.5], [1, 2]][:judges]
    for ranks in (far, near):
        merged = robust(ranks)
        expected = plain(ranks, robust)[0] if judges > 1 else ranks[0]
        np.testing.assert_allclose(merged.ranks, expected, atol=1e-9)


def test_less_memory_than_the_ranks_themselves() -> None:
    import tracemalloc

    ranks = invented(100_000, 11)
    for method in (robust, welsch, report):
        tracemalloc.start()
        method(ranks)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < ranks.nbytes


@pytest.mark.parametrize("shape", [(2, 40), (10, 22), (400, 5), (20_000, 11)])
def test_ranks_that_are_not_finite(shape: tuple[int, int]) -> None:
    for wrong in (np.nan, np.inf):
        ranks = invented(*shape)
        ranks[-1, 1] = wrong
        for method in (robust, welsch, report, mean, kemeny, bradley_terry):
            with pytest.raises(ValueError, match="finite matrix"):
                method(ranks)


def test_a_cycle_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = np.concatenate([np.tile(np.arange(1.0, 5), (4, 1)), [[4.0, 3, 2, 1]]])
    steps = []
    move = InnerProducts.move
    monkeypatch.setattr(InnerProducts, "move", lambda self: (steps.append(0), move(self))[1])
    merged = report(ranks)
    np.testing.assert_allclose(merged.ranks, plain_report(ranks)[0], atol=1e-9)
    assert merged.iterations == ensembles.MAX_ITERATIONS
    assert len(steps) < 500


@settings(max_examples=30, deadline=None)
@given(judges=st.integers(1, 30), clusters=st.integers(1, 12), seed=st.integers(0, 50), from_mean=st.booleans())
def test_both_forms_are_one(judges: int, clusters: int, seed: int, from_mean: bool) -> None:
    ranks = invented(judges, clusters, seed)
    few, many = InnerProducts(ranks, from_mean=from_mean), Blocks(ranks, from_mean=from_mean)
    for _ in range(3):
        for form in (few, many):
            form.weigh(lambda squares, mean_square: np.exp(-squares / (1 + mean_square)))
            form.move()
        np.testing.assert_allclose(few.ranks(), many.ranks(), atol=1e-9)
        np.testing.assert_allclose(few.squares(), many.squares(), atol=1e-8)
        np.testing.assert_allclose(few.alpha, many.alpha, atol=1e-9)
        assert few.moved == pytest.approx(many.moved, abs=1e-6)
        assert few.mean_square == pytest.approx(few.squares().mean(), abs=1e-6) or few.moved > 0


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = invented(30_000, 11)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = [method(ranks) for method in (robust, welsch, report)]
    monkeypatch.setattr(weighting, "threads", lambda: 3)
    for method, alone in zip((robust, welsch, report), one, strict=True):
        several = method(ranks)
        np.testing.assert_array_equal(several.ranks, alone.ranks)
        np.testing.assert_array_equal(several.weights, alone.weights)


def test_threads_follow_the_machine_and_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = weighting.threads()
    assert cores >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert weighting.threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "no number")
    assert weighting.threads() == cores


def test_all_agree_in_both_forms() -> None:
    for judges in (3, 3000):
        ranks = np.tile(np.arange(1.0, 8), (judges, 1))
        for method in (robust, welsch, report):
            merged = method(ranks)
            np.testing.assert_allclose(merged.ranks, ranks[0], atol=1e-9)
            np.testing.assert_allclose(merged.weights, 1 / judges)


@settings(deadline=None, max_examples=25)
@given(judges=st.integers(2, 7), seed=st.integers(0, 100))
@pytest.mark.parametrize("method", [robust, mean, report, kemeny, bradley_terry], ids=lambda m: m.__name__)
def test_a_draw_counts_like_repeated_judges(method: Any, judges: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 4, (judges, 5))
    orders = tuple(PartialOrder.from_levels([np.flatnonzero(r == n).tolist() for n in np.unique(r)]) for r in levels)
    ballots = Ballots(orders, EnsembleSettings(method=method.__name__))
    counts = rng.multinomial(judges, np.full(judges, 1 / judges), size=3)
    drawn = merge_draws(ballots, counts.astype(float))
    for row, merged in zip(counts, drawn, strict=True):
        np.testing.assert_allclose(merged, method(np.repeat(ballots.ranks, row, axis=0)).ranks, atol=1e-5)


def test_a_draw_counts_like_repeated_judges_by_welsch() -> None:
    # Two judges who count alike are at equal distances from the mean; with Welsch's small scale, rounding then decides
    # for one of them. Draws of many judges hold no such pair.
    orders = tuple(PartialOrder.from_levels([[c] for c in np.argsort(row)]) for row in invented(12, 9, 3))
    ballots = Ballots(orders, EnsembleSettings(method="welsch"))
    counts = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), size=20)
    for row, merged in zip(counts, merge_draws(ballots, counts.astype(float)), strict=True):
        np.testing.assert_allclose(merged, welsch(np.repeat(ballots.ranks, row, axis=0)).ranks, atol=1e-5)


@pytest.mark.parametrize("method", ["kemeny", "bradley_terry"])
def test_rough_draws_are_near_the_thorough_ones(method: Any) -> None:
    rng = np.random.default_rng(1)
    orders = tuple(
        PartialOrder.from_levels([[c] for c in np.argsort(np.arange(8) + rng.normal(0, 1.5, 8)).tolist()])
        for _ in range(6)
    )
    ballots = Ballots(orders, EnsembleSettings(method=method, bootstrap_draws=30))
    counts = rng.multinomial(6, np.full(6, 1 / 6), size=20).astype(float)
    thorough, rough = merge_draws(ballots, counts), merge_draws(ballots, counts, rough=True)
    assert np.abs(thorough - rough).mean() < 0.05
    intervals = rank_intervals(ballots)
    assert (intervals[:, 0] <= ballots.merged.ranks + 1e-9).all()
    assert (intervals[:, 1] >= ballots.merged.ranks - 1e-9).all()
