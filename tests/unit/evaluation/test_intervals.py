"""Intervals from draws and from theory."""

import numpy as np
import pytest
from rankscape.evaluation.intervals import bootstrap_interval, share_interval
from rankscape.spatial.blocks import effective_blocks


def test_an_interval_follows_its_formula_and_says_none_without_draws():
    drawn = np.tanh(np.arctanh(0.5) + 0.1 * np.array([-1.0, 1.0] * 50))
    low, high = bootstrap_interval(0.5, drawn, 0.95, blocks=1e9, inflation=4.0)
    error = 0.1 * np.sqrt(100 / 99) * 2
    assert (low, high) == pytest.approx(
        tuple(np.tanh(np.arctanh(0.5) + 1.959964 * error * np.array([-1, 1]))), abs=1e-6
    )
    few = bootstrap_interval(0.5, drawn, 0.95, blocks=4, inflation=4.0)
    assert few[0] < low < high < few[1]
    assert bootstrap_interval(1.0, np.ones(20), 0.9, blocks=9, inflation=1) == pytest.approx((1, 1))
    assert bootstrap_interval(0.5, np.r_[np.full(20, np.nan), drawn[:80]], 0.9, blocks=9, inflation=1) is None
    assert bootstrap_interval(np.nan, drawn, 0.9, blocks=9, inflation=1) is None
    assert bootstrap_interval(1.2, np.array([1.1, 1.3] * 9), 0.9, blocks=1e9, inflation=1, fisher=False)[1] > 1.2
    assert effective_blocks(np.repeat([1, 2, 3], 5)) == pytest.approx(3)


def test_the_interval_of_a_share_is_wilsons_and_holds_the_share():
    z, n, share = 1.959963984540054, 40, 0.25
    middle, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    expected = ((middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n))
    assert share_interval(10, 40, 0.95) == pytest.approx(expected, rel=1e-12)
    assert share_interval(0, 7, 0.9)[0] == 0
    assert share_interval(7, 7, 0.9)[1] == 1
