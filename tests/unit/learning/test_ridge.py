"""Ridge regression against its definition."""

import numpy as np
import pytest
from rankscape.foundation.errors import TableError
from rankscape.learning.folds import random_folds
from rankscape.learning.ridge import PENALTIES, fit_ridge


def invented(rows=60, dims=8, noise=0.1, seed=0):
    generator = np.random.default_rng(seed)
    features = generator.normal(2, 1, (rows, dims))
    labels = features @ generator.normal(0, 1, dims) + 3 + noise * generator.normal(0, 1, rows)
    return features, labels, random_folds(rows, generator)


def by_definition(features, labels, penalty):
    """Least squares with rows sqrt(penalty) I below: another way to the same minimum."""
    centred, dims = features - features.mean(0), features.shape[1]
    rows = np.vstack([centred, penalty**0.5 * np.eye(dims)])
    return np.linalg.lstsq(rows, np.concatenate([labels - labels.mean(), np.zeros(dims)]), rcond=None)[0]


@pytest.mark.parametrize("dims", [8, 200])
def test_weights_are_the_minimum(dims):
    features, labels, parts = invented(dims=dims)
    fitted = fit_ridge(features, labels, parts)
    np.testing.assert_allclose(fitted.weights, by_definition(features, labels, fitted.penalty), rtol=1e-6, atol=1e-9)
    assert fitted.penalty in PENALTIES


def test_the_penalty_has_the_smallest_error_on_what_was_held_out():
    features, labels, parts = invented(noise=2.0, dims=30)
    fitted = fit_ridge(features, labels, parts)
    errors = []
    for penalty in PENALTIES:
        squares = 0.0
        for part in range(5):
            x, y, held = features[parts != part], labels[parts != part], parts == part
            guess = (features[held] - x.mean(0)) @ by_definition(x, y, penalty) + y.mean()
            squares += ((guess.clip(y.min(), y.max()) - labels[held]) ** 2).sum()
        errors.append(squares / len(labels))
    np.testing.assert_allclose(fitted.errors, errors, rtol=1e-6)
    assert fitted.penalty == PENALTIES[int(np.argmin(errors))]
    assert PENALTIES[0] < fitted.penalty


def test_predictions_stay_within_the_labels():
    features, labels, parts = invented()
    fitted = fit_ridge(features, labels, parts)
    far = fitted.predict(features * 100)
    assert (far.min(), far.max()) == (labels.min(), labels.max())
    inside = fitted.predict(features)
    assert np.corrcoef(inside, labels)[0, 1] > 0.99


def test_features_that_say_nothing_give_the_mean_and_the_largest_penalty():
    fitted = fit_ridge(np.ones((20, 3)), np.arange(20.0), np.arange(20) % 5)
    np.testing.assert_allclose(fitted.predict(np.ones((2, 3))), 9.5)
    assert fitted.penalty == PENALTIES[-1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": np.ones(3)}, "a row of features, a label, a part and a weight each"),
        ({"labels": np.full(60, np.nan)}, "finite features and labels"),
        ({"parts": np.zeros(60, int)}, "two parts at least"),
        ({"penalties": (0.0, 1.0)}, "penalties above 0"),
        ({"penalties": ()}, "penalties above 0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, says):
    features, labels, parts = invented()
    with pytest.raises(TableError, match=says):
        fit_ridge(**{"features": features, "labels": labels, "parts": parts, **change})
