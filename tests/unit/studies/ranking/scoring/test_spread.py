"""Calibrating score_std recovers a known noise, and says honestly how well."""

import numpy as np
import pytest
from rankscape.studies.ranking.scoring.spread import Calibration, coverage_record, fit_calibration


def invented(floor: float, factor: float, count: int = 20_000, seed: int = 0):
    chance = np.random.default_rng(seed)
    spread = chance.gamma(2.0, 0.03, count)
    return np.hypot(floor, factor * spread) * chance.normal(size=count), spread


@pytest.mark.parametrize(("floor", "factor"), [(0.05, 2.0), (0.1, 0.0), (0.02, 0.7)])
def test_floor_and_factor_of_known_noise_are_found(floor: float, factor: float):
    errors, spread = invented(floor, factor)
    found = fit_calibration(errors, spread)
    assert found.floor == pytest.approx(floor, rel=0.05)
    assert found.factor == pytest.approx(factor, rel=0.05, abs=0.15)


def test_without_a_floor_the_factor_is_found_alone():
    errors, spread = invented(0.0, 1.5)
    found = fit_calibration(errors, spread)
    assert found.factor == pytest.approx(1.5, rel=0.05)
    assert found.floor < 0.005


def test_no_other_pair_is_likelier():
    errors, spread = invented(0.05, 2.0, 300)
    found = fit_calibration(errors, spread)

    def cost(calibration: Calibration) -> float:
        variance = calibration.deviation(spread) ** 2
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
    errors, spread = invented(0.0, 3.0)
    places = np.arange(len(errors)) // 50
    record = coverage_record(errors, spread, places, np.random.default_rng(1))
    assert record["halves"] == "places"
    assert record["patches"] == len(errors)
    assert record["spread"]["within_68"] < 0.3
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
    errors, spread = invented(0.05, 1.0, 100)
    record = coverage_record(errors, spread, np.zeros(100), np.random.default_rng(0))
    assert record["halves"] == "patches"
    assert 0.5 < record["score_std"]["within_68"] < 0.85
