"""Metrics of predicted numbers, and of decisions that follow from them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankscape.evaluation.regression import fit_of, r2, r2_of_draws, recall_of_lowest, targeting_error


@pytest.mark.shared
def test_published_values(shared):
    golden = json.loads((shared / "golden/embeddings/golden.json").read_text())["metrics"]
    found = fit_of(np.array(golden["y"]), np.array(golden["y_hat"]))
    for name in ("r2", "pearson", "mae", "bias"):
        assert getattr(found, name) == pytest.approx(golden[name], rel=1e-9)
    assert found.r2 != pytest.approx(golden["r2_as_printed_in_the_report"], rel=1e-3)


def test_what_is_not_defined_is_missing():
    constant = fit_of(np.ones(4), np.arange(4.0))
    assert np.isnan([constant.r2, constant.pearson]).all()
    assert constant.mae == 1.0
    assert np.isnan(fit_of(np.ones(1), np.ones(1)).r2)
    assert np.isnan(fit_of(np.ones(0), np.ones(0)).bias)


def test_r2_of_draws_is_that_of_the_rows_drawn():
    chance = np.random.default_rng(0)
    labels, block = 1e6 + chance.normal(size=60), chance.integers(0, 7, 60)
    predicted = labels + chance.normal(size=60)
    counts = chance.multinomial(7, np.full(7, 1 / 7), size=20).astype(float)
    found = r2_of_draws(labels, predicted, block, counts)
    for draw, value in zip(counts, found, strict=True):
        rows = np.repeat(np.arange(60), draw[block].astype(int))
        assert value == pytest.approx(r2(labels[rows], predicted[rows]), abs=1e-6)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), st.sampled_from([0.1, 0.25, 0.4]))
def test_the_true_order_finds_all_and_equal_predictions_no_more_than_chance(values, share):
    labels = np.array(values)
    budget = max(round(share * len(labels)), 1)
    assert recall_of_lowest(np.arange(len(labels)), np.arange(len(labels)) ** 2, share) == 1
    assert recall_of_lowest(labels, np.zeros(len(labels)), share) == pytest.approx(budget / len(labels))


def test_targeting_error_is_0_for_the_true_order_and_about_1_for_chance():
    chance = np.random.default_rng(3)
    labels = chance.normal(size=4000)
    assert targeting_error(labels, np.exp(labels)) == 0
    assert targeting_error(labels, chance.normal(size=4000)) == pytest.approx(1, abs=0.05)
    assert targeting_error(labels, -labels) > 1.2
    assert np.isnan(targeting_error(np.ones(5), labels[:5]))


def test_passing_over_the_poorest_counts_more_than_passing_over_the_richest():
    labels = np.arange(10.0)
    poor, rich = labels.copy(), labels.copy()
    poor[[0, 3]], rich[[9, 6]] = [3, 0], [6, 9]
    assert targeting_error(labels, poor) > targeting_error(labels, rich)
