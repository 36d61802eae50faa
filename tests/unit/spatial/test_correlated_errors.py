"""Covariance of means whose errors are alike near each other, and ranks from joint draws."""

import numpy as np
import pytest
from rankscape.evaluation.ranks import ranks_with_intervals
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


def test_errors_that_are_alike_do_not_average_out():
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


def ranks(scores, matrix, **changes):
    return ranks_with_intervals(np.array(scores, float), np.array(matrix, float), **{
        "confidence": 0.95, "draws": 1000, "seed": 0, **changes,
    })  # fmt: skip


def test_certain_scores_have_certain_ranks():
    found = ranks([0.2, 0.9, 0.5], np.zeros((3, 3)))
    assert found.rank.tolist() == found.low.tolist() == found.high.tolist() == [3, 1, 2]


def test_equal_scores_share_the_best_rank_and_none_is_left_out():
    found = ranks([0.5, np.nan, 0.5, 0.1], np.diag([0, np.nan, 0, 0]))
    np.testing.assert_array_equal(found.rank, [1, np.nan, 1, 3])
    np.testing.assert_array_equal(found.high, [1, np.nan, 1, 3])


def test_uncertain_scores_spread_over_ranks_but_common_errors_move_nobody():
    scores = [0.5, 0.52, 0.54, 0.9]
    loose, common = ranks(scores, 0.01 * np.eye(4)), ranks(scores, np.full((4, 4), 0.01))
    assert loose.low.tolist() == [2, 2, 2, 1]
    assert loose.high.tolist()[:3] == [4, 4, 4]
    assert common.low.tolist() == common.high.tolist() == [4, 3, 2, 1], "all move together"


def test_unknown_errors_give_a_rank_and_no_interval():
    found = ranks([0.2, 0.9], np.diag([np.nan, 0.01]))
    assert found.rank.tolist() == [2, 1]
    assert np.isnan(found.low[0])
    assert found.high[1] == 1


def test_a_matrix_that_is_not_quite_a_covariance_is_taken_for_the_nearest():
    matrix = 0.01 * np.array([[1, 0.9, 0.1], [0.9, 1, 0.9], [0.1, 0.9, 1]])
    assert np.linalg.eigvalsh(matrix).min() < 0
    found = ranks([0.5, 0.5, 0.5], matrix)
    assert found.low.tolist() == [1, 1, 1]


def test_intervals_of_ranks_hold_the_true_rank():
    chance = np.random.default_rng(0)
    truth = np.linspace(0.2, 0.8, 12)
    true_rank = np.arange(12, 0, -1)
    held = []
    for trial in range(200):
        seen = truth + chance.normal(0, 0.05, 12)
        found = ranks(seen, 0.05**2 * np.eye(12), draws=200, seed=trial)
        held.append(((found.low <= true_rank) & (true_rank <= found.high)).mean())
    assert 0.93 < np.mean(held) <= 1
