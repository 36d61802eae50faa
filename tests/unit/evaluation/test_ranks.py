"""Kendall's tau-b by counting, against SciPy, and ranks from joint draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rankscape.evaluation.ranks import concordance, ranks_with_intervals, tau_of_draws
from scipy.stats import kendalltau


def tau(x, y):
    """Tau-b of the sample itself: all in one block, drawn once."""
    return float(tau_of_draws(concordance(x, y).sums(np.zeros(len(x), int), 1), np.ones((1, 1)))[0])


@given(arrays(float, (2, 23), elements=st.integers(-3, 3).map(float)))
def test_every_place_is_compared_with_all_others(samples):
    x, y = samples
    found = concordance(x, y)
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    np.testing.assert_array_equal(found.agreeing, signs.sum(axis=1))
    np.testing.assert_array_equal(found.unequal_x, (x[:, None] != x).sum(axis=1))
    np.testing.assert_array_equal(found.unequal_y, (y[:, None] != y).sum(axis=1))


@pytest.mark.parametrize("size", [2, 3, 100, 5000])
def test_tau_is_scipys(size):
    generator = np.random.default_rng(size)
    x = generator.normal(size=size)
    y = (x + generator.normal(size=size)).round(1)
    assert tau(x, y) == pytest.approx(kendalltau(x, y).statistic, abs=1e-12)
    assert tau(x, -y) == pytest.approx(-kendalltau(x, y).statistic, abs=1e-12)


def test_equal_values_have_no_tau():
    assert np.isnan(tau(np.ones(9), np.arange(9.0)))


def test_draws_of_few_blocks_spread_as_those_that_are_counted_anew():
    """Six blocks: one more or less of them is no small change, and the projection must not leave the scale."""
    generator = np.random.default_rng(2)
    block = np.repeat(np.arange(6), 20)
    counts = generator.multinomial(6, np.full(6, 1 / 6), size=200)
    ratios = []
    for _ in range(8):
        y = generator.integers(0, 4, 6)[block].astype(float)
        x = y + generator.normal(0, 0.8, 120) + generator.normal(0, 0.7, 6)[block]
        quick = tau_of_draws(concordance(x, y).sums(block, 6), counts)
        places = [np.concatenate([np.tile(np.flatnonzero(block == b), n) for b, n in enumerate(c)]) for c in counts]
        anew = np.array([kendalltau(x[drawn], y[drawn]).statistic for drawn in places])
        spreads = [np.std(np.arctanh(taus[np.isfinite(taus)])) for taus in (quick, anew)]
        ratios.append(spreads[0] / spreads[1])
    assert np.median(ratios) == pytest.approx(1, abs=0.2)


def ranks(scores, matrix, **changes):
    return ranks_with_intervals(np.array(scores, float), np.array(matrix, float), **{
        "confidence": 0.95, "draws": 1000, "seed": 0, **changes,
    })  # fmt: skip


def test_certain_scores_have_certain_ranks():
    found = ranks([0.2, 0.9, 0.5], np.zeros((3, 3)))
    assert found.rank.tolist() == found.low.tolist() == found.high.tolist() == [3, 1, 2]


def test_equal_scores_share_the_best_rank_and_none_is_left_out():
    found = ranks([0.5, np.nan, 0.5, 0.1], np.diag([0, np.nan, 0, 0]))
    np.testing.assert_array_equal(found.rank, [1, np.nan, 1, 3])
    np.testing.assert_array_equal(found.high, [1, np.nan, 1, 3])


def test_uncertain_scores_spread_over_ranks_but_common_errors_move_nobody():
    scores = [0.5, 0.52, 0.54, 0.9]
    loose, common = ranks(scores, 0.01 * np.eye(4)), ranks(scores, np.full((4, 4), 0.01))
    assert loose.low.tolist() == [2, 2, 2, 1]
    assert loose.high.tolist()[:3] == [4, 4, 4]
    assert common.low.tolist() == common.high.tolist() == [4, 3, 2, 1], "all move together"


def test_unknown_errors_give_a_rank_and_no_interval():
    found = ranks([0.2, 0.9], np.diag([np.nan, 0.01]))
    assert found.rank.tolist() == [2, 1]
    assert np.isnan(found.low[0])
    assert found.high[1] == 1


def test_a_matrix_that_is_not_quite_a_covariance_is_taken_for_the_nearest():
    matrix = 0.01 * np.array([[1, 0.9, 0.1], [0.9, 1, 0.9], [0.1, 0.9, 1]])
    assert np.linalg.eigvalsh(matrix).min() < 0
    found = ranks([0.5, 0.5, 0.5], matrix)
    assert found.low.tolist() == [1, 1, 1]


def test_intervals_of_ranks_hold_the_true_rank():
    chance = np.random.default_rng(0)
    truth = np.linspace(0.2, 0.8, 12)
    true_rank = np.arange(12, 0, -1)
    held = []
    for trial in range(200):
        seen = truth + chance.normal(0, 0.05, 12)
        found = ranks(seen, 0.05**2 * np.eye(12), draws=200, seed=trial)
        held.append(((found.low <= true_rank) & (true_rank <= found.high)).mean())
    assert 0.93 < np.mean(held) <= 1
