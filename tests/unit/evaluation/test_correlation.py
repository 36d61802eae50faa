"""Correlations: against SciPy, and the laws that they keep."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rankscape.evaluation.correlation import WeightedRanks, is_constant, pearson, spearman, weighted_correlation
from scipy.stats import pearsonr, rankdata, spearmanr

samples = arrays(float, st.integers(4, 40), elements=st.integers(-9, 9).map(float))


def test_both_are_those_of_scipy_with_ties_and_sign():
    generator = np.random.default_rng(0)
    x = generator.integers(0, 20, 300).astype(float)
    y = -x + generator.normal(0, 5, 300).round()
    assert pearson(x, y) == pytest.approx(pearsonr(x, y).statistic, rel=1e-12)
    assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic, rel=1e-12)
    assert spearman(x, y) < 0


def test_a_constant_sample_has_no_correlation():
    assert np.isnan(pearson(np.ones(5), np.arange(5.0)))
    assert np.isnan(spearman(np.arange(5.0), np.full(5, 0.1)))
    assert np.isnan(pearson(np.arange(1000.0), np.full(1000, 0.1)))
    assert is_constant(np.ones(3))
    assert is_constant(np.empty(0))
    assert not is_constant(np.array([1.0, 2.0]))


@settings(max_examples=80, deadline=None)
@given(samples, st.randoms())
def test_rising_transforms_leave_spearman_and_falling_ones_turn_its_sign(x, random):
    y = x[np.array(random.sample(range(len(x)), len(x)))]
    assume(not is_constant(x))
    value = spearman(x, y)
    assert spearman(np.exp(x / 3), y**3 + y) == pytest.approx(value, abs=1e-12)
    assert spearman(-x, y) == pytest.approx(-value, abs=1e-12)
    assert pearson(3 * x + 1, -y) == pytest.approx(-pearson(x, y), abs=1e-12)
    assert spearman(y, x) == pytest.approx(value, abs=1e-12)
    assert -1 <= value <= 1


@settings(max_examples=80, deadline=None)
@given(samples, st.data())
def test_weights_are_repetitions(x, data):
    weights = data.draw(arrays(float, len(x), elements=st.integers(0, 3).map(float)))
    times = weights.astype(int)
    repeated = np.repeat(x, times)
    assume(len(repeated) > 1)
    ranks = WeightedRanks(x).ranks(weights)
    np.testing.assert_allclose(np.repeat(ranks, times), rankdata(repeated))
    y = np.cos(x) + x
    found = float(weighted_correlation(x, y, weights))
    if is_constant(repeated):
        assert np.isnan(found)
    else:
        assert found == pytest.approx(pearson(repeated, np.repeat(y, times)), abs=1e-9)
