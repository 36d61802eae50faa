"""Intervals and the permutation test on fields whose truth is known: the small version of benchmarks/intervals.py."""

import numpy as np
from rankscape.evaluation.correlation import PairedSamples
from rankscape.evaluation.intervals import bootstrap_interval
from rankscape.spatial.autocorrelation import field_pairs, permutation_p, spatial_effects
from rankscape.spatial.blocks import choose_block, effective_blocks

SIDE = 36
ROWS, COLS = (axis.ravel() for axis in np.mgrid[:SIDE, :SIDE].astype(float))


def blocks_of(side):
    return (ROWS // side * 1000 + COLS // side).astype(int)


def test_intervals_hold_what_the_fields_have_in_common_and_places_one_by_one_do_not(gaussian_field):
    fields = gaussian_field(SIDE, range_px=6, count=80, seed=0).reshape(40, 2, -1)
    hits, truth = {"evaluate": 0, "places": 0}, 6 / np.pi * np.arcsin(0.6 / 2)
    for seed, (score, own) in enumerate(fields):
        reference = 0.6 * score + 0.8 * own
        (pair,) = field_pairs(COLS, ROWS, [score], reference, seed)
        choice = choose_block(pair.reference, pair.predictor, 1.0, lambda side: len(set(blocks_of(side))), 5)
        samples = PairedSamples(score[None], reference, reference)
        value = float(samples.estimate().spearman[0, 0])
        for name, blocks in (("evaluate", blocks_of(choice.block_m)), ("places", np.arange(SIDE**2))):
            drawn = samples.bootstrap(blocks, 100, seed).spearman[:, 0]
            (effect,) = spatial_effects(COLS, ROWS, blocks, [pair], seed)
            inflation = effect.inflation if name == "evaluate" else 1.0
            low, high = bootstrap_interval(value, drawn, 0.95, blocks=effective_blocks(blocks), inflation=inflation)
            hits[name] += low <= truth <= high
    assert hits["evaluate"] >= 34, "about 95 % of 40"
    assert hits["places"] <= 31


def test_unrelated_fields_are_seldom_significant_and_related_ones_are(gaussian_field):
    fields = gaussian_field(SIDE, range_px=9, count=60, seed=1).reshape(30, 2, -1)
    alarms = found = 0
    for seed, (score, own) in enumerate(fields):
        model = field_pairs(COLS, ROWS, [score], own, seed)[0].reference
        related = 0.7 * own + 0.7 * score
        p = permutation_p(COLS, ROWS, np.stack([score, related]), own, model, 99, seed)
        alarms, found = alarms + (p[0] < 0.05), found + (p[1] < 0.05)
    assert alarms <= 5, "about 5 % of 30; places taken for independent give more than half"
    assert found >= 25


def test_the_effective_size_is_that_of_independent_places_without_correlation():
    noise = np.random.default_rng(2).normal(size=(2, SIDE**2))
    (pair,) = field_pairs(COLS, ROWS, [noise[0]], noise[1], 0)
    (effect,) = spatial_effects(COLS, ROWS, blocks_of(6), [pair], 0)
    assert effect.effective_n > 0.5 * SIDE**2
    (none,) = spatial_effects(COLS, ROWS, blocks_of(6), [None], 0)
    assert none is None
    assert field_pairs(COLS, ROWS, [noise[0]], np.ones(SIDE**2), 0) == [None]
