"""Kendall's tau-b by counting: against SciPy, with ties, and large samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rankscape.evaluation.kendall import concordance, tau_of_draws
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
