"""Covariance of means whose errors are spatially correlated."""

import numpy as np
import pytest
from rankscape.spatial import correlated_errors as module
from rankscape.spatial.correlated_errors import Shares, correlation, covariance
from scipy.spatial.distance import cdist


def squares(districts, side, spacing=3000.0, seed=0):
    """Districts in a row, each of side x side places, with random weighted errors."""
    chance = np.random.default_rng(seed)
    places = [
        (number, spacing * (number * side + col), spacing * row, 0.0)
        for number in range(districts) for row in range(side) for col in range(side)
    ]  # fmt: skip
    frame = np.array(places)
    mass = 0.1 * (0.5 + chance.random(len(frame))) / side**2
    return Shares(frame[:, 0].astype(np.int64), frame[:, 1:], mass, districts)


def dense(shares, range_m):
    """w' Σ w, written out."""
    sigma = correlation(cdist(shares.xyz_m, shares.xyz_m), range_m)
    weights = np.zeros((shares.means, len(shares.mean)))
    weights[shares.mean, np.arange(len(shares.mean))] = shares.mass
    return weights @ sigma @ weights.T


@pytest.mark.parametrize("range_m", [0.0, 500.0, 10_000.0, 1e9])
def test_the_exact_way_is_the_quadratic_form(range_m):
    shares = squares(4, 7)
    found = covariance(shares, range_m)
    reach = dense(shares, range_m)
    np.testing.assert_allclose(found, reach, rtol=1e-3, atol=1.3e-4 * reach.max())
    np.testing.assert_allclose(np.diag(found), np.diag(reach), rtol=1e-12)


@pytest.mark.parametrize("range_m", [0.0, 2000.0, 20_000.0, 300_000.0])
def test_many_places_give_the_same_within_a_few_percent(range_m, monkeypatch):
    monkeypatch.setattr(module, "_EXACT_PIECES", 100)
    monkeypatch.setattr(module, "_EXACT_ROWS", 400)
    shares = squares(4, 25)
    found, exact = covariance(shares, range_m), dense(shares, range_m)
    np.testing.assert_allclose(np.diag(found), np.diag(exact), rtol=0.03)
    spread = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert np.abs((found - exact) / spread).max() < 0.03


def test_rows_are_drawn_only_of_large_means(monkeypatch):
    monkeypatch.setattr(module, "_EXACT_PIECES", 100)
    shares = squares(3, 20)
    np.testing.assert_allclose(np.diag(covariance(shares, 9000.0)), np.diag(dense(shares, 9000.0)), rtol=1e-12)


def test_correlated_errors_do_not_average_out():
    shares = squares(1, 10)
    total = shares.mass.sum()
    loose, near, stiff = (np.sqrt(covariance(shares, range_m)[0, 0]) for range_m in (0.0, 10_000.0, 1e12))
    assert loose == pytest.approx(np.sqrt((shares.mass**2).sum()))
    assert loose < 0.5 * near < 0.25 * stiff
    assert stiff == pytest.approx(total)


def test_simulated_fields_have_this_variance():
    shares = squares(3, 6)
    sigma = correlation(cdist(shares.xyz_m, shares.xyz_m), 12_000.0)
    errors = np.random.default_rng(0).multivariate_normal(np.zeros(len(sigma)), sigma, 20_000, method="cholesky")
    drawn = np.stack([errors[:, shares.mean == n] @ shares.mass[shares.mean == n] for n in range(3)])
    found = covariance(shares, 12_000.0)
    np.testing.assert_allclose(np.cov(drawn), found, rtol=0.04, atol=0.02 * found.max())


def test_a_mean_without_places_has_no_variance():
    shares = squares(2, 3)
    found = covariance(Shares(shares.mean, shares.xyz_m, shares.mass, 4), 5000.0)
    assert (found[2:] == 0).all()
    assert (found[:, 2:] == 0).all()
    assert covariance(Shares(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0), 2), 5000.0).tolist() == [[0, 0]] * 2
