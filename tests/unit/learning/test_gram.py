"""Ridge from sums of products against ridge on all rows at once."""

import tracemalloc

import numpy as np
import pytest
from rankscape.foundation.errors import TableError
from rankscape.learning.ridge import Rows, fit_ridge, fit_streamed

from .test_ridge import invented


def cut(features, labels, parts, weights, rows=17):
    starts = range(0, len(labels), rows)
    values = (features, labels, parts, weights)
    return lambda: (Rows(*(v[start : start + rows] for v in values)) for start in starts)


@pytest.mark.parametrize(("rows", "dims", "noise"), [(300, 8, 0.1), (300, 60, 3.0), (40, 70, 1.0)])
def test_sums_give_the_direct_fit(rows, dims, noise):
    features, labels, parts = invented(rows, dims, noise)
    weights = np.random.default_rng(1).integers(0, 3, rows).astype(float)
    direct = fit_ridge(features, labels, parts, weights=weights)
    summed = fit_streamed(cut(features, labels, parts, weights))
    assert summed.penalty == direct.penalty
    np.testing.assert_allclose(summed.errors, direct.errors, rtol=1e-8)
    np.testing.assert_allclose(summed.predict(features), direct.predict(features), rtol=0, atol=1e-8)
    np.testing.assert_allclose(summed.weights, direct.weights, rtol=0, atol=1e-8)
    assert (summed.lowest, summed.highest) == (direct.lowest, direct.highest)


def test_features_far_from_0_keep_their_digits():
    features, labels, parts = invented(200, 6)
    ones = np.ones(200)
    direct = fit_ridge(features + 1e5, labels, parts)
    summed = fit_streamed(cut(features + 1e5, labels, parts, ones))
    np.testing.assert_allclose(summed.predict(features + 1e5), direct.predict(features + 1e5), rtol=0, atol=1e-8)


def test_a_weight_is_a_number_of_copies():
    features, labels, parts = invented(80, 5, 1.0)
    counts = np.random.default_rng(2).integers(0, 4, 80)
    weighted = fit_ridge(features, labels, parts, weights=counts)
    copied = fit_ridge(*(np.repeat(values, counts, 0) for values in (features, labels, parts)))
    np.testing.assert_allclose(weighted.weights, copied.weights, rtol=1e-9)
    np.testing.assert_allclose(weighted.errors, copied.errors, rtol=1e-9)


def test_memory_does_not_grow_with_the_rows():
    dims, block = 64, 500

    def blocks(count):
        for number in range(count):
            chance = np.random.default_rng(number)
            features = chance.normal(size=(block, dims))
            yield Rows(features, features[:, 0] + chance.normal(size=block), np.arange(block) % 5, np.ones(block))

    def peak(count):
        tracemalloc.start()
        fit_streamed(lambda: blocks(count))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    few, many = peak(4), peak(60)
    assert many < 1.1 * few
    assert many < 60 * block * dims * 8 / 4


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weights": np.full(60, -1.0)}, "weights of 0 or more"),
        ({"features": np.full((60, 8), np.inf)}, "finite features"),
        ({"parts": np.zeros(60, int)}, "two parts at least"),
        ({"weights": (np.arange(60) % 5 == 0) * 1.0, "parts": np.arange(60) % 5}, "two parts at least"),
    ],
)
def test_what_cannot_be_fitted_is_refused_either_way(change, says):
    features, labels, parts = invented()
    given = {"features": features, "labels": labels, "parts": parts, "weights": np.ones(60), **change}
    with pytest.raises(TableError, match=says):
        fit_ridge(**given)
    with pytest.raises(TableError, match=says):
        fit_streamed(cut(**given))
