"""Metrics against values worked out by hand."""

import numpy as np
import pytest
from rankscape.studies.ranking.scoring.samples import balanced_mean, validation_metrics


def test_metrics_by_hand():
    scores, targets = np.array([0.95, 0.5, 0.3, 0.0]), np.array([1.0, 0.5, 0.5, 0.0])
    metrics = validation_metrics(scores, targets, np.array([0, 1, 1, 2]))
    # Of six pairs five differ in level, and all five stand as they should: tau-b = 5 / sqrt(6 * 5).
    assert metrics["kendall_tau_b"] == pytest.approx(5 / np.sqrt(30))
    assert metrics["share_within"] == 0.75
    assert metrics["mean_absolute_error"] == pytest.approx(0.0625)
    assert metrics["patches"] == 4


def test_equal_scores_have_no_tau():
    assert validation_metrics(np.full(3, 0.5), np.array([1, 0.5, 0]), np.arange(3))["kendall_tau_b"] is None


def test_a_rare_group_counts_as_much_as_a_common_one():
    assert balanced_mean(np.array([1.0, 1, 1, 0]), np.array([0, 0, 0, 7])) == 0.5
