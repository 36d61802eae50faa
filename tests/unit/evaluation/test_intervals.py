"""Intervals and the permutation test on land whose truth is known: the small version of benchmarks/intervals.py."""

import numpy as np
import pytest
from rankscape.evaluation.bootstrap import Samples, bootstrap_correlations
from rankscape.evaluation.intervals import effective_blocks, interval, likenesses, pairs_of
from rankscape.spatial.block_size import choose_block, spacing
from rankscape.spatial.surrogates import permutation_p
from rankscape.spatial.variogram import Variogram

SIDE = 36
ROWS, COLS = (axis.ravel() for axis in np.mgrid[:SIDE, :SIDE].astype(float))


def blocks_of(side):
    return (ROWS // side * 1000 + COLS // side).astype(int)


def test_intervals_hold_what_the_fields_have_in_common_and_places_one_by_one_do_not(gaussian_field):
    fields = gaussian_field(SIDE, range_px=6, count=80, seed=0).reshape(40, 2, -1)
    hits, truth = {"evaluate": 0, "places": 0}, 6 / np.pi * np.arcsin(0.6 / 2)
    for seed, (score, own) in enumerate(fields):
        reference = 0.6 * score + 0.8 * own
        (pair,) = pairs_of(COLS, ROWS, [score], reference, seed)
        choice = choose_block(pair.reference, pair.predictor, 1.0, lambda side: len(set(blocks_of(side))), 5)
        samples = Samples(score[None], reference, reference)
        value = float(samples.estimate().spearman[0, 0])
        for name, blocks in (("evaluate", blocks_of(choice.block_m)), ("places", np.arange(SIDE**2))):
            drawn = bootstrap_correlations(samples, blocks, 100, seed).spearman[:, 0]
            (likeness,) = likenesses(COLS, ROWS, blocks, [pair], seed)
            inflation = likeness.inflation if name == "evaluate" else 1.0
            low, high = interval(value, drawn, 0.95, blocks=effective_blocks(blocks), inflation=inflation)
            hits[name] += low <= truth <= high
    assert hits["evaluate"] >= 34, "about 95 % of 40"
    assert hits["places"] <= 31


def test_unrelated_fields_are_seldom_significant_and_related_ones_are(gaussian_field):
    fields = gaussian_field(SIDE, range_px=9, count=60, seed=1).reshape(30, 2, -1)
    alarms = found = 0
    for seed, (score, own) in enumerate(fields):
        model = pairs_of(COLS, ROWS, [score], own, seed)[0].reference
        related = 0.7 * own + 0.7 * score
        p = permutation_p(COLS, ROWS, np.stack([score, related]), own, model, 99, seed)
        alarms, found = alarms + (p[0] < 0.05), found + (p[1] < 0.05)
    assert alarms <= 5, "about 5 % of 30; places taken for independent give more than half"
    assert found >= 25


def test_the_effective_size_is_that_of_independent_places_without_correlation():
    noise = np.random.default_rng(2).normal(size=(2, SIDE**2))
    (pair,) = pairs_of(COLS, ROWS, [noise[0]], noise[1], 0)
    (likeness,) = likenesses(COLS, ROWS, blocks_of(6), [pair], 0)
    assert likeness.effective_n > 0.5 * SIDE**2
    (none,) = likenesses(COLS, ROWS, blocks_of(6), [None], 0)
    assert none is None
    assert pairs_of(COLS, ROWS, [noise[0]], np.ones(SIDE**2), 0) == [None]


def test_an_interval_follows_its_formula_and_says_none_without_draws():
    drawn = np.tanh(np.arctanh(0.5) + 0.1 * np.array([-1.0, 1.0] * 50))
    low, high = interval(0.5, drawn, 0.95, blocks=1e9, inflation=4.0)
    error = 0.1 * np.sqrt(100 / 99) * 2
    assert (low, high) == pytest.approx(
        tuple(np.tanh(np.arctanh(0.5) + 1.959964 * error * np.array([-1, 1]))), abs=1e-6
    )
    few = interval(0.5, drawn, 0.95, blocks=4, inflation=4.0)
    assert few[0] < low < high < few[1]
    assert interval(1.0, np.ones(20), 0.9, blocks=9, inflation=1) == pytest.approx((1, 1))
    assert interval(0.5, np.r_[np.full(20, np.nan), drawn[:80]], 0.9, blocks=9, inflation=1) is None
    assert interval(np.nan, drawn, 0.9, blocks=9, inflation=1) is None
    assert interval(1.2, np.array([1.1, 1.3] * 9), 0.9, blocks=1e9, inflation=1, fisher=False)[1] > 1.2
    assert effective_blocks(np.repeat([1, 2, 3], 5)) == pytest.approx(3)


def test_blocks_are_bounded_so_that_enough_remain():
    wide = Variogram("exponential", 0.0, 1.0, 30.0, 40.0)
    narrow = Variogram("spherical", 0.0, 1.0, 4.567, 40.0)
    count = lambda side: len(set(blocks_of(side)))  # noqa: E731
    assert choose_block(narrow, None, 1.0, count, 5).block_m == 4.56
    assert choose_block(narrow, narrow, 5.0, count, 5).block_m == 5
    bounded = choose_block(narrow, wide, 1.0, count, 5)
    assert bounded.origin == "bounded"
    assert bounded.note.startswith("places resemble each other over 30 m")
    assert count(bounded.block_m) >= 5
    assert choose_block(None, None, 1.0, count, 5).origin == "fallback"
    assert spacing(COLS, ROWS) == 1
    assert spacing(np.zeros(3), np.zeros(3)) == 1
