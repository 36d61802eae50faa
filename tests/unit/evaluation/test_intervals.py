"""Intervals from draws and from theory."""

import numpy as np
import pytest
from rankscape.evaluation.intervals import (
    bootstrap_interval,
    conformal_coverage,
    conformal_half_width,
    share_interval,
)
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


def test_conformal_intervals_cover_new_places():
    errors = np.random.default_rng(0).standard_t(3, (400, 60))
    for confidence in (0.5, 0.8, 0.9):
        covered = [abs(row[-1]) <= conformal_half_width(row[:-1], confidence) for row in errors]
        assert np.mean(covered) == pytest.approx(confidence, abs=0.05)
        known = np.ceil(60 * confidence) / 60  # exact where errors are exchangeable and none are equal
        rank = (np.abs(errors[:, :-1]) < np.abs(errors[:, -1:])).sum(1) + 1
        assert np.mean(covered) == np.mean(rank <= np.ceil(60 * confidence))
        assert abs(np.mean(covered) - known) < 3 * np.sqrt(known * (1 - known) / 400)
    assert conformal_half_width(np.arange(-4.0, 5.0), 0.9) == 4
    assert conformal_half_width(np.array([-2.0, 1.0, 3.0]), 0.5) == 2
    assert conformal_half_width(np.ones(18), 0.95) == np.inf
    assert conformal_half_width(np.zeros(0), 0.9) == np.inf


def test_coverage_is_calibrated_on_other_blocks():
    generator = np.random.default_rng(1)
    block = np.repeat(np.arange(200), 20)
    shared = generator.normal(size=200)[block]
    errors = shared + 0.3 * generator.normal(size=4000)
    assert conformal_coverage(errors, block, 0.9) == pytest.approx(0.9, abs=0.03)
    assert conformal_coverage(errors, block % 5, 0.9) == pytest.approx(0.9, abs=0.03)
    hard = np.where(block < 20, 6 * errors, errors)  # a corner of the land that is predicted badly is not covered
    corner = block < 20
    inside = np.abs(hard[corner]) <= conformal_half_width(hard[~corner], 0.9)
    assert inside.mean() < 0.4
    assert conformal_coverage(hard, corner, 0.9) < 0.95
    assert np.isnan(conformal_coverage(errors[:5], np.arange(5), 0.9))
    assert np.isnan(conformal_coverage(errors[:0], block[:0], 0.9))
