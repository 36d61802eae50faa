"""Calibration keeps the order of scores, brings them to the targets, and finds how uncertain they are."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.studies.ranking.scoring.calibration import Calibration, coverage_record, fit_calibration, logistic_fit
from rankscape.studies.ranking.scoring.network import start_network
from scipy.special import expit, logit

from .conftest import ARCHITECTURE

LEVELS = np.repeat(np.arange(5), [200, 10, 50, 10, 30])


@settings(deadline=None)
@given(st.floats(0.5, 5), st.floats(-3, 3))
def test_scores_that_were_stretched_and_shifted_come_back(slope: float, shift: float):
    targets = np.array([0.9, 0.7, 0.5, 0.3, 0.1])[LEVELS]
    scores = expit((logit(targets) - shift) / slope)
    assert logistic_fit(scores, targets, LEVELS) == pytest.approx((slope, shift), rel=0.02, abs=0.02)


def test_every_level_counts_alike():
    targets = 1 - LEVELS / 4
    noisy = np.clip(targets * 0.2 + 0.4 + np.random.default_rng(0).normal(0, 0.02, len(LEVELS)), 0, 1)
    few = np.concatenate([np.flatnonzero(level == LEVELS)[:1].repeat(10) for level in range(5)])
    many = np.concatenate([few, *[few[:10]] * 20])
    assert logistic_fit(noisy[few], targets[few], LEVELS[few]) == pytest.approx(
        logistic_fit(noisy[many], targets[many], LEVELS[many]), rel=1e-2
    )


def test_perfect_and_reversed_scores_give_finite_slopes_above_zero():
    ends = np.array([0.0, 0.0, 1.0, 1.0])
    for scores in (ends, 1 - ends, np.full(4, 0.5)):
        slope, shift = logistic_fit(scores, ends, 1 - ends)
        assert 0 < slope <= 20
        assert np.isfinite(shift)


def test_a_network_is_rescaled_in_its_head():
    network = start_network(ARCHITECTURE, "random", 3, 0).eval()
    torch.nn.init.normal_(network.head.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    torch.nn.init.constant_(network.head.bias, 0.05)
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = network(images).double().numpy()
        network.rescale(0.5, -0.3)
        after = network(images).double().numpy()
    assert after == pytest.approx(expit(0.5 * logit(before) - 0.3), abs=1e-5)
    assert (np.argsort(after) == np.argsort(before)).all()


def invented(floor: float, factor: float, count: int = 20_000, seed: int = 0):
    chance = np.random.default_rng(seed)
    ensemble_std = chance.gamma(2.0, 0.03, count)
    return np.hypot(floor, factor * ensemble_std) * chance.normal(size=count), ensemble_std


@pytest.mark.parametrize(("floor", "factor"), [(0.05, 2.0), (0.1, 0.0), (0.02, 0.7)])
def test_floor_and_factor_of_known_noise_are_found(floor: float, factor: float):
    errors, ensemble_std = invented(floor, factor)
    found = fit_calibration(errors, ensemble_std)
    assert found.floor == pytest.approx(floor, rel=0.05)
    assert found.factor == pytest.approx(factor, rel=0.05, abs=0.15)


def test_without_a_floor_the_factor_is_found_alone():
    errors, ensemble_std = invented(0.0, 1.5)
    found = fit_calibration(errors, ensemble_std)
    assert found.factor == pytest.approx(1.5, rel=0.05)
    assert found.floor < 0.005


def test_no_other_pair_is_likelier():
    errors, ensemble_std = invented(0.05, 2.0, 300)
    found = fit_calibration(errors, ensemble_std)

    def cost(calibration: Calibration) -> float:
        variance = calibration.deviation(ensemble_std) ** 2
        return float(np.mean(np.log(variance) + errors**2 / variance))

    best = cost(found)
    for floor in np.linspace(0.005, 0.2, 40):
        for factor in np.linspace(0, 5, 40):
            assert best <= cost(Calibration(floor, factor)) + 1e-6


def test_a_single_network_has_the_error_of_all_patches():
    errors = np.array([0.1, -0.1, 0.1, -0.1])
    found = fit_calibration(errors, np.zeros(4))
    assert (found.floor, found.factor) == pytest.approx((0.1, 0.0))
    assert fit_calibration(np.zeros(4), np.zeros(4)).floor > 0


def test_a_spread_that_is_too_small_is_mended_and_nan_stays():
    errors, ensemble_std = invented(0.0, 3.0)
    places = np.arange(len(errors)) // 50
    record = coverage_record(errors, ensemble_std, places, np.random.default_rng(1))
    assert record["halves"] == "places"
    assert record["patches"] == len(errors)
    assert record["ensemble_std"]["within_68"] < 0.3
    assert record["score_std"]["within_68"] == pytest.approx(0.68, abs=0.02)
    assert record["score_std"]["within_90"] == pytest.approx(0.9, abs=0.02)
    assert np.isnan(Calibration(0.1, 1.0).deviation(np.array([np.nan]))).all()


def test_coverage_is_not_measured_on_what_it_was_fitted_to():
    """One half errs ten times as much as the other: judged by itself, either half would be covered."""
    chance = np.random.default_rng(3)
    places = np.repeat([0, 1], 500)
    errors = chance.normal(size=1000) * np.where(places == 0, 0.01, 0.1)
    record = coverage_record(errors, np.zeros(1000), places, chance)
    assert record["score_std"]["within_68"] == pytest.approx((1.0 + 0.08) / 2, abs=0.03)


def test_halves_of_one_place_are_cut_by_patch():
    errors, ensemble_std = invented(0.05, 1.0, 100)
    record = coverage_record(errors, ensemble_std, np.zeros(100), np.random.default_rng(0))
    assert record["halves"] == "patches"
    assert 0.5 < record["score_std"]["within_68"] < 0.85
