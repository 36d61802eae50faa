"""Bradley-Terry with Davidson's ties: known values, laws, designs without a finite estimate."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rankscape.studies.ranking.orders import paired
from rankscape.studies.ranking.orders.paired import expected_share, fit_davidson
from scipy.optimize import minimize


def likelihood(parameters: np.ndarray, wins: np.ndarray, ties: np.ndarray, prior: float) -> float:
    """Davidson's log likelihood, pair by pair, with the invented cluster's games."""
    strengths, tie = np.append(np.exp(parameters[:-1]), 1.0), np.exp(parameters[-1])
    total = 0.0
    for i, j in itertools.combinations(range(len(strengths)), 2):
        invented = j == len(wins)
        won, lost, tied = (prior,) * 3 if invented else (wins[i, j], wins[j, i], ties[i, j])
        root = tie * np.sqrt(strengths[i] * strengths[j])
        whole = strengths[i] + strengths[j] + root
        total += won * np.log(strengths[i] / whole) + lost * np.log(strengths[j] / whole) + tied * np.log(root / whole)
    return total


@st.composite
def counts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Wins and ties of 2 to 5 clusters, many pairs never compared."""
    n = draw(st.integers(2, 5))
    wins, ties = (draw(hnp.arrays(np.float64, (n, n), elements=st.sampled_from([0, 0, 1, 2, 7]))) for _ in range(2))
    np.fill_diagonal(wins, 0)
    ties = np.triu(ties, k=1)
    return wins, ties + ties.T


def test_two_clusters_by_hand() -> None:
    """With a negligible prior the model is saturated: 6 wins, 2 losses, 4 ties."""
    fitted = fit_davidson(np.array([[0, 6], [2, 0]]), np.array([[0, 4], [4, 0]]), prior=1e-9)
    difference = fitted.strengths[0] - fitted.strengths[1]
    assert difference == pytest.approx(np.log(3), abs=1e-6)
    assert fitted.tie == pytest.approx(4 / np.sqrt(12), abs=1e-6)
    np.testing.assert_allclose(fitted.expected_shares(), [8 / 12, 4 / 12], atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(counts())
def test_it_is_the_maximum_and_finite(given_counts: tuple[np.ndarray, np.ndarray]) -> None:
    wins, ties = given_counts
    fitted = fit_davidson(wins, ties)
    assert np.isfinite(fitted.strengths).all()
    assert fitted.strengths.mean() == pytest.approx(0, abs=1e-9)
    found = minimize(lambda p: -likelihood(p, wins, ties, paired.PRIOR), np.zeros(len(wins) + 1), method="BFGS")
    np.testing.assert_allclose(fitted.strengths, found.x[:-1] - found.x[:-1].mean(), atol=2e-3)
    assert fitted.tie == pytest.approx(float(np.exp(found.x[-1])), rel=1e-2, abs=2e-3)


@settings(max_examples=30, deadline=None)
@given(counts(), st.integers(0, 100))
def test_names_do_not_matter_and_turning_every_game_turns_the_order(given_counts: Any, seed: int) -> None:
    wins, ties = given_counts
    order = np.random.default_rng(seed).permutation(len(wins))
    fitted = fit_davidson(wins, ties)
    renamed = fit_davidson(wins[np.ix_(order, order)], ties[np.ix_(order, order)])
    np.testing.assert_allclose(renamed.strengths, fitted.strengths[order], atol=1e-7)
    np.testing.assert_allclose(fit_davidson(wins.T, ties).strengths, -fitted.strengths, atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(counts())
def test_shares(given_counts: Any) -> None:
    fitted = fit_davidson(*given_counts)
    shares = fitted.expected_shares()
    assert shares.mean() == pytest.approx(0.5)
    assert ((shares > 0) & (shares < 1)).all()
    assert np.array_equal(
        np.argsort(shares.round(7), kind="stable"), np.argsort(fitted.strengths.round(7), kind="stable")
    )


def test_strengths_come_back() -> None:
    rng = np.random.default_rng(1)
    true, tie, games = np.array([-1.5, -0.5, 0.0, 0.5, 1.5]), 0.8, 4000
    wins, ties = np.zeros((5, 5)), np.zeros((5, 5))
    for i, j in itertools.combinations(range(5), 2):
        half = (true[i] - true[j]) / 2
        odds = np.array([np.exp(half), np.exp(-half), tie])
        wins[i, j], wins[j, i], ties[i, j] = rng.multinomial(games, odds / odds.sum())
    fitted = fit_davidson(wins, ties + ties.T)
    np.testing.assert_allclose(fitted.strengths, true, atol=0.12)
    assert fitted.tie == pytest.approx(tie, rel=0.05)


def test_a_cluster_that_won_everything_and_islands() -> None:
    chain = np.triu(np.full((4, 4), 50.0), k=1)
    separated = fit_davidson(chain, np.zeros((4, 4)))
    assert (np.diff(separated.strengths) < 0).all()
    assert np.abs(separated.strengths).max() < 40
    islands = np.zeros((5, 5))
    islands[0, 1] = islands[2, 3] = 10
    apart = fit_davidson(islands, np.zeros((5, 5)))
    assert apart.strengths[0] == pytest.approx(apart.strengths[2])
    assert apart.strengths[4] == pytest.approx(0, abs=1e-9)


def test_nothing_but_ties_and_nothing_at_all() -> None:
    tied = fit_davidson(np.zeros((3, 3)), 5 * (1 - np.eye(3)))
    np.testing.assert_allclose(tied.strengths, 0, atol=1e-9)
    assert tied.tie > 10
    nothing = fit_davidson(np.zeros((2, 2)), np.zeros((2, 2)))
    assert nothing.tie == pytest.approx(1)
    assert fit_davidson(np.zeros((1, 1)), np.zeros((1, 1))).expected_shares().tolist() == [0.5]


def test_expected_share_is_symmetric_and_bounded() -> None:
    differences = np.array([-2000.0, -1.0, 0.0, 1.0, 2000.0])
    shares = expected_share(differences, 0.5)
    np.testing.assert_allclose(shares + shares[::-1], 1)
    np.testing.assert_allclose(shares[[0, 2, 4]], [0, 0.5, 1], atol=1e-15)


@pytest.mark.parametrize(
    ("wins", "ties", "said"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3)), "two matrices"),
        (np.zeros((0, 0)), np.zeros((0, 0)), "two matrices"),
        (np.zeros((2, 2)), np.zeros((3, 3)), "two matrices"),
        (np.array([[0, -1], [0, 0]]), np.zeros((2, 2)), "wins must be finite"),
        (np.zeros((2, 2)), np.array([[0, np.nan], [0, 0]]), "ties must be finite"),
        (np.eye(2), np.zeros((2, 2)), "cluster 0 with itself"),
        (np.zeros((2, 2)), np.array([[0, 1], [0, 0]]), "symmetric"),
    ],
)
def test_bad_counts(wins: np.ndarray, ties: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_davidson(wins, ties)


def test_a_prior_of_nothing() -> None:
    with pytest.raises(ValueError, match="above 0"):
        fit_davidson(np.zeros((2, 2)), np.zeros((2, 2)), prior=0)
