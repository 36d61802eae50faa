"""Variograms: known fields, drawn pairs, and where nothing can be fitted."""

import numpy as np
import pytest
from rankscape.spatial.variogram import (
    Semivariogram,
    Variogram,
    correlation_length,
    fit_variogram,
    normal_scores,
    place_pairs,
    variogram,
)

SPACING_M = 1000.0


def grid(side):
    row, col = np.mgrid[:side, :side] * SPACING_M
    return col.ravel(), row.ravel()


def test_the_semivariance_of_few_places_is_that_of_their_pairs():
    x, y = grid(8)
    values = np.random.default_rng(0).normal(size=64)
    found = place_pairs(x, y, lags=6).semivariogram(values)
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    half_squares = (values[:, None] - values) ** 2 / 2
    longest = np.hypot(7, 7) * SPACING_M / 2
    assert found.pairs.sum() == ((distance > 0) & (distance <= longest)).sum() / 2
    nearest = distance == SPACING_M  # the first lag ends at 1,308 m, before the diagonal neighbours
    assert found.lags_m[0] == SPACING_M
    assert found.semivariances[0] == pytest.approx(half_squares[nearest].mean())
    assert found.pairs[0] == nearest.sum() / 2


@pytest.mark.parametrize(("model", "range_m"), [("exponential", 12_000.0), ("spherical", 9_000.0)])
def test_a_model_is_found_again_from_its_own_curve(model, range_m):
    lags = np.geomspace(1000, 40_000, 20)
    truth = Variogram(model, 0.2, 1.5, range_m, 40_000)
    found = fit_variogram(Semivariogram(lags, truth.semivariance(lags), np.full(20, 500)))
    assert found.model == model
    assert found.range_m == pytest.approx(range_m, rel=0.02)
    assert (found.nugget, found.sill) == pytest.approx((0.2, 1.5), abs=0.02)
    assert truth.correlation(np.array([0.0, 1e9])) == pytest.approx([1, 0], abs=1e-9)


def test_the_range_of_correlated_fields_is_measured(gaussian_field):
    x, y = grid(60)
    found = [correlation_length(x, y, field.ravel()) for field in gaussian_field(60, range_px=12, count=8, seed=3)]
    assert np.median(found) == pytest.approx(12 * SPACING_M, rel=0.25)


def test_pairs_of_many_places_are_drawn_equally_for_every_lag(gaussian_field):
    (field,) = gaussian_field(150, range_px=15, count=1, seed=4)
    x, y = grid(150)
    whole = place_pairs(x, y).semivariogram(field.ravel())
    assert whole.pairs.sum() <= 60_000
    assert whole.pairs.min() > 500
    assert correlation_length(x, y, field.ravel()) == pytest.approx(15 * SPACING_M, rel=0.35)
    again = place_pairs(x, y).semivariogram(field.ravel())
    assert again.semivariances.tobytes() == whole.semivariances.tobytes()
    other = place_pairs(x, y, seed=1).semivariogram(field.ravel())
    assert other.semivariances.tobytes() != whole.semivariances.tobytes()


def test_noise_has_next_to_no_range_and_a_skewed_scale_changes_nothing(gaussian_field):
    x, y = grid(50)
    noise = variogram(x, y, np.random.default_rng(5).normal(size=2500))
    assert noise.range_m == 0 or noise.nugget > 0.8 * noise.sill or noise.range_m < 3 * SPACING_M
    (field,) = gaussian_field(50, range_px=10, count=1, seed=6)
    assert variogram(x, y, np.exp(3 * field.ravel())) == variogram(x, y, field.ravel())
    assert normal_scores(np.array([5.0, 5.0, 5.0])) == pytest.approx(0)


def test_too_little_to_fit_is_none():
    x, y = grid(5)
    values = np.random.default_rng(7).normal(size=25)
    assert correlation_length(x, y, values) is None, "25 places"
    x, y = grid(7)
    assert correlation_length(x, y, np.ones(49)) is None
    assert correlation_length(np.zeros(49), np.zeros(49), np.arange(49.0)) is None, "one place"
    assert fit_variogram(Semivariogram(np.arange(1.0, 4), np.ones(3), np.full(3, 99))) is None
