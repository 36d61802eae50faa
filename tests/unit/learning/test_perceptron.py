"""Multi-layer perceptrons beside ridge."""

import numpy as np
import pytest
from rankscape.evaluation.regression import r2
from rankscape.foundation.errors import TableError
from rankscape.learning.nested_ridge import fit_nested
from rankscape.learning.perceptron import predict_folds

CHANCE = np.random.default_rng(0)
X = CHANCE.normal(size=(300, 3))
FOLDS = np.arange(300) % 3


def test_a_curve_is_followed_where_a_line_cannot():
    curved = np.abs(X[:, 0]) + 0.05 * CHANCE.normal(size=300)
    found, epochs = predict_folds(1e4 + 7 * X, 1e6 + 1e3 * curved, FOLDS, 3)
    assert r2(1e6 + 1e3 * curved, found) > 0.8, "units of features and labels do not matter"
    assert r2(curved, fit_nested(X, curved[:, None], FOLDS)[0].predicted) < 0.1
    assert set(epochs) == {0, 1, 2}
    again, _ = predict_folds(1e4 + 7 * X, 1e6 + 1e3 * curved, FOLDS, 3)
    assert np.array_equal(found, again)


def test_no_row_is_predicted_by_a_network_that_saw_its_fold():
    names = np.repeat(np.arange(30), 10)  # a name tag for each place, and a label that only the name tells
    label = CHANCE.normal(size=30)[names]
    tags = np.eye(30)[names]
    found, _ = predict_folds(tags, label, names % 5, 3)
    assert r2(label, found) < 0.05
    held, _ = predict_folds(tags, label, names % 6, 5, [[0, 1], [2, 3], [4, 5]])
    assert r2(label, held) < 0.05


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(TableError, match="finite features"):
        predict_folds(np.full((6, 1), np.nan), np.arange(6.0), np.arange(6) % 3, 3)
    with pytest.raises(TableError, match="1 folds beside"):
        predict_folds(np.ones((6, 1)), np.arange(6.0), np.arange(6) % 2, 3)
    found, epochs = predict_folds(np.ones((6, 1)), np.arange(6.0) % 2, np.arange(6) % 3, 3)
    assert np.isfinite(found).all(), "a constant feature"
    assert max(epochs.values()) <= 60
