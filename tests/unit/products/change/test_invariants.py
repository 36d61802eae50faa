"""Places whose look changed least are found whatever light and sensor did, and the light is measured on them."""

import numpy as np
import pytest
from rankscape.products.change.invariants import (
    LEVELS,
    Radiometry,
    appearance_distance,
    appearance_of,
    fit_radiometry,
    invariant_places,
    narrowing,
)
from scipy import stats

GAIN, OFFSET = np.array([1.1, 0.9, 1.3]), np.array([0.02, -0.01, 0.03])


def land(count: int, seed: int, bands: int = 3) -> np.ndarray:
    """Patches of 8 x 8 px of different brightness and texture, float32."""
    generator = np.random.default_rng(seed)
    mean = generator.uniform(0.1, 0.5, (count, 1, 1, bands))
    texture = generator.uniform(0.01, 0.06, (count, 1, 1, 1))
    pixels = mean + texture * generator.standard_normal((count, 8, 8, bands))
    return pixels.clip(0.001, 1).astype(np.float32)


def noisy(pixels: np.ndarray, seed: int) -> np.ndarray:
    return (pixels + 0.002 * np.random.default_rng(seed).standard_normal(pixels.shape)).astype(np.float32)


def test_looks_are_means_and_deviations_of_the_pixels_with_data():
    pixels = land(70, 1)
    pixels[3, :2] = 0
    looks = appearance_of(pixels, np.array([3, 69]))
    assert looks.shape == (2, 6)
    np.testing.assert_allclose(looks[0, :3], pixels[3, 2:].mean((0, 1)), rtol=1e-6)
    np.testing.assert_allclose(looks[0, 3:], pixels[3, 2:].std((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(looks[1, 3:], pixels[69].std((0, 1)), rtol=1e-5)


def test_changed_places_are_far_and_light_makes_no_difference():
    before = land(400, 2)
    after = noisy(before, 3)
    after[:40] = land(40, 4)
    rows = np.arange(400)
    plain = appearance_distance(appearance_of(before, rows), appearance_of(after, rows))
    lit = appearance_distance(appearance_of(before, rows), appearance_of(after * GAIN + OFFSET, rows))
    assert np.median(plain[:40]) > 100 * np.median(plain[40:])
    np.testing.assert_array_equal(np.argsort(plain)[-30:] < 40, True)
    assert stats.spearmanr(plain, lit).statistic > 0.99


def test_the_same_images_and_equal_bands_are_no_trouble():
    before = land(200, 5)
    before[..., 2] = before[..., 1]
    rows = np.arange(200)
    same = appearance_distance(appearance_of(before, rows), appearance_of(before, rows))
    assert np.isfinite(same).all()
    before[..., 0] = 0.2
    constant = appearance_distance(appearance_of(before, rows), appearance_of(noisy(before, 6), rows))
    assert np.isfinite(constant).all()


def test_every_level_of_the_score_has_its_share_of_invariant_places():
    generator = np.random.default_rng(7)
    score = np.sort(generator.uniform(0, 1, 400))
    distance = score + 0.01 * generator.uniform(0, 1, 400)
    chosen = invariant_places(distance, score, score, 0.5)
    shares = [part.mean() for part in np.array_split(chosen, LEVELS)]
    np.testing.assert_allclose(shares, 0.5)
    assert distance[:40][chosen[:40]].max() < distance[:40][~chosen[:40]].min()


def test_light_is_measured_and_taken_out():
    before = land(300, 8)
    after = noisy(before * GAIN + OFFSET, 9)
    rows = np.arange(300)
    light = fit_radiometry(appearance_of(before, rows)[:, :3], appearance_of(after, rows)[:, :3])
    np.testing.assert_allclose(light.gain, GAIN, rtol=0.01)
    np.testing.assert_allclose(light.offset, OFFSET, atol=0.003)
    np.testing.assert_allclose(light.applied(before), after, atol=0.02)


def test_orthogonal_regression_does_not_depend_on_which_date_is_first():
    generator = np.random.default_rng(10)
    truth = generator.uniform(0, 1, (500, 1))
    noise = generator.normal(0, 0.2, (2, 500, 1))
    forth, back = fit_radiometry(truth + noise[0], truth + noise[1]), fit_radiometry(truth + noise[1], truth + noise[0])
    assert forth.gain[0] == pytest.approx(1 / back.gain[0], rel=1e-9)
    assert forth.gain[0] == pytest.approx(1, abs=0.1)


def test_bytes_stay_bytes_and_pixels_without_data_stay_so():
    pixels = np.array([[[0, 0, 0], [1, 200, 250]]], np.uint8)
    lit = Radiometry(np.array([0.1, 1.0, 1.2]), np.array([0.0, 0.4, 0.0])).applied(pixels)
    assert lit.dtype == np.uint8
    np.testing.assert_array_equal(lit, [[[0, 0, 0], [1, 200, 255]]])


def test_choosing_by_look_narrows_the_spread_as_the_chi_squared_says():
    generator = np.random.default_rng(11)
    looks = generator.standard_normal((200_000, 6))
    near = (looks**2).sum(1) <= stats.chi2.ppf(0.4, 6)
    assert looks[near, 0].std() == pytest.approx(narrowing(0.4, 6), abs=0.01)
    assert narrowing(0.8, 8) > narrowing(0.3, 8)
