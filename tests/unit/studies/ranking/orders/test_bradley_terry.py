"""The Bradley-Terry ensemble: likelihood, reliabilities of bad judges, open pairs."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.studies.ranking.orders.ballots import Votes, votes_of_orders, votes_of_ranks
from rankscape.studies.ranking.orders.ensembles import bradley_terry, bradley_terry_of
from rankscape.studies.ranking.orders.paired import PRIOR
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.reliability import Reliabilities, fit_reliabilities, merged_ranks, weights_of
from scipy.stats import kendalltau, rankdata


def likelihood(votes: Votes, fit: Reliabilities) -> float:
    """The penalised likelihood, term by term."""

    def log_of(difference: float, log_tie: float, outcome: int) -> float:
        odds = {1: difference / 2, 0: log_tie, -1: -difference / 2}
        return odds[outcome] - float(np.log(sum(np.exp(value) for value in odds.values())))

    pairs = list(zip(*np.triu_indices(votes.clusters, k=1), strict=True))
    total = 0.0
    for judge, (reliability, log_tie) in enumerate(zip(fit.reliabilities, fit.log_ties, strict=True)):
        for place, (i, j) in enumerate(pairs):
            if votes.compared[judge, place]:
                difference = reliability * (fit.strengths[i] - fit.strengths[j])
                total += log_of(difference, log_tie, int(votes.signs[judge, place]))
        total += PRIOR * sum(log_of(0, log_tie, outcome) for outcome in (1, 0, -1)) - (reliability - 1) ** 2 / 2
    return total + PRIOR * sum(log_of(s, 0, outcome) for s in fit.strengths for outcome in (1, 0, -1))


def invented(judges: int, clusters: int, noise: Any, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    seen = np.linspace(0, 1, clusters) + rng.normal(0, 1, (judges, clusters)) * np.reshape(noise, (-1, 1))
    return np.asarray(rankdata(np.round(seen, 1), axis=1))


@settings(deadline=None, max_examples=15)
@given(judges=st.integers(2, 6), clusters=st.integers(2, 6), seed=st.integers(0, 100))
def test_no_step_aside_is_likelier(judges: int, clusters: int, seed: int) -> None:
    votes = votes_of_ranks(invented(judges, clusters, 0.3, seed))
    fit = fit_reliabilities(votes, np.ones(judges))
    best = likelihood(votes, fit)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        other = Reliabilities(
            fit.strengths + 1e-3 * rng.normal(size=clusters),
            np.maximum(fit.reliabilities + 1e-3 * rng.normal(size=judges), 0),
            fit.log_ties + 1e-3 * rng.normal(size=judges),
            0,
        )
        assert likelihood(votes, other) <= best + 1e-7


def test_bad_judges_do_not_count() -> None:
    ranks = invented(10, 15, 0.1)
    ranks[7:9] = 16 - ranks[7:9]
    ranks[9] = np.random.default_rng(5).permutation(15) + 1
    merged = bradley_terry(ranks)
    assert merged.weights[7:9].tolist() == [0, 0]
    assert merged.weights[9] < 0.2 * merged.weights[:7].min()
    truth = np.arange(15.0)[::-1]
    assert kendalltau(16 - merged.ranks, truth).statistic > 0.9


def test_a_steady_judge_counts_more_than_a_shaky_one() -> None:
    merged = bradley_terry(invented(6, 20, [0.05, 0.05, 0.05, 0.4, 0.4, 0.4]))
    assert merged.weights[:3].min() > merged.weights[3:].max()
    assert merged.effective_judges < 6


def test_complete_orders_stand_in_the_order_of_the_strengths() -> None:
    ranks = invented(7, 12, 0.3)
    votes = votes_of_ranks(ranks)
    fit = fit_reliabilities(votes, np.ones(7))
    merged = bradley_terry(ranks)
    assert np.argsort(-fit.strengths).tolist() == np.argsort(merged.ranks).tolist()
    np.testing.assert_allclose(merged.ranks, merged.weights @ ranks, atol=1e-9)


def test_open_pairs_are_put_as_the_model_expects() -> None:
    orders = [PartialOrder.parse("1>2>3>4")] * 3 + [PartialOrder.parse("1>2>4\n3")]
    merged = bradley_terry_of(votes_of_orders(orders))
    assert np.argsort(merged.ranks).tolist() == [0, 1, 2, 3]
    assert merged.ranks[2] == pytest.approx(3, abs=0.05)
    assert merged.ranks.sum() == pytest.approx(10)


def test_pairs_that_nobody_compares_and_judges_who_say_nothing() -> None:
    silent = PartialOrder.parse("1\n2\n3")
    merged = bradley_terry_of(votes_of_orders([silent, silent]))
    np.testing.assert_allclose(merged.ranks, 2)
    np.testing.assert_allclose(merged.weights, 0.5)
    one = bradley_terry_of(votes_of_orders([silent, PartialOrder.parse("1>2>3")]))
    assert one.ranks[0] < one.ranks[1] < one.ranks[2]


def test_mirrored_judges_stay_equal() -> None:
    merged = bradley_terry(np.array([[1.0, 2, 3, 4], [4, 3, 2, 1]]))
    np.testing.assert_array_equal(merged.weights, 0.5)
    np.testing.assert_allclose(merged.ranks, 2.5)


def test_nobody_is_reliable() -> None:
    votes = votes_of_ranks(np.array([[1.0, 2], [2, 1]]))
    fit = Reliabilities(np.zeros(2), np.zeros(2), np.zeros(2), 1)
    weights = weights_of(fit, np.array([3.0, 1]))
    assert weights.tolist() == [0.75, 0.25]
    np.testing.assert_allclose(merged_ranks(votes, fit, weights), [1.25, 1.75])


@pytest.mark.shared
def test_three_of_ten_reversed_judges_do_not_count(golden: dict[str, Any]) -> None:
    real = np.array(golden["average_ranks"])
    taus = []
    for spoilt in list(itertools.combinations(range(10), 3))[::24]:
        ranks = real.copy()
        ranks[list(spoilt)] = 23 - real[list(spoilt)]
        merged = bradley_terry(ranks)
        assert merged.weights[list(spoilt)].tolist() == [0, 0, 0]
        taus.append(kendalltau(merged.ranks, np.delete(real, spoilt, axis=0).mean(axis=0)).statistic)
    assert min(taus) > 0.85
