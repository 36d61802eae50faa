"""Noise, hashes and cells that a seed settles, and lines with soft edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.synthetic.world.primitives import (
    Stroke,
    cell_number,
    cells,
    coverage,
    even,
    fractal,
    hashed,
    rise,
    seed_place,
    smooth_line,
)

whole = st.integers(-(2**31), 2**31 - 1)


@pytest.mark.parametrize("shape", [(64, 96), (65, 97), (448, 640)])
def test_fractal_noise_is_standard(shape):
    noise = fractal(shape, 20, np.random.default_rng(0))
    assert noise.shape == shape
    assert noise.dtype == np.float32
    assert noise.mean() == pytest.approx(0, abs=1e-4)
    assert noise.std() == pytest.approx(1, abs=1e-4)


def test_fractal_noise_is_smoother_the_longer_its_waves_and_the_larger_its_exponent():
    def step(wavelength: float, roughness: float) -> float:
        noise = fractal((256, 256), wavelength, np.random.default_rng(1), roughness)
        return float(np.abs(np.diff(noise, axis=1)).mean())

    assert step(5, 2.0) > step(20, 2.0) > step(80, 2.0)
    assert step(20, 1.5) > step(20, 2.0) > step(20, 3.0)


def test_the_same_seed_gives_the_same_noise():
    first, second = (fractal((50, 60), 9, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, second)


def test_even_spreads_noise_over_the_unit_interval():
    shares = np.histogram(even(fractal((512, 512), 4, np.random.default_rng(0))), bins=10, range=(0, 1))[0]
    assert shares.min() > 0.08 * 512**2
    assert even(np.zeros(1))[0] == 0.5


@given(st.floats(-5, 5), st.floats(-5, 5), st.lists(st.floats(-10, 10), min_size=2, max_size=30))
def test_rise_is_monotone_from_0_to_1(low, width, values):
    high = low + (width if abs(width) > 1e-3 else 1.0)
    risen = rise(np.sort(np.array(values)), low, high)
    steps = np.diff(risen) * (1 if high > low else -1)
    assert (steps >= -1e-6).all()
    assert ((risen >= 0) & (risen <= 1)).all()
    assert rise(np.array([low, high]), low, high).tolist() == [0, 1]


@given(st.lists(whole, min_size=1, max_size=40), whole, st.integers(0, 10_000))
def test_hashes_lie_in_the_unit_interval_and_are_always_the_same(first, second, salt):
    numbers = np.array(first)
    drawn = hashed(numbers, second, salt)
    assert drawn.dtype == np.float32
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert np.array_equal(drawn, hashed(numbers, np.full(len(first), second), salt))


def test_hashes_are_even_and_do_not_follow_their_numbers():
    i, j = (axis.ravel() for axis in np.indices((300, 300)))
    drawn = hashed(i, j, 5)
    counts = np.histogram(drawn, bins=20, range=(0, 1))[0]
    assert counts.min() > 0.9 * len(drawn) / 20
    assert abs(np.corrcoef(i, drawn)[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn, hashed(i, j, 6))[0, 1]) < 0.02


@settings(max_examples=20, deadline=None)
@given(st.floats(3, 20), st.integers(0, 1000))
def test_cells_belong_to_the_nearest_seed(spacing, salt):
    row, col = (np.asarray(axis, np.float32) for axis in np.indices((40, 40)))
    number, border = cells(row, col, spacing, salt)
    squares = np.arange(-2, 40 // spacing + 3)
    i, j = (axis.ravel() for axis in np.meshgrid(squares, squares, indexing="ij"))
    seed_row, seed_col = seed_place(i, j, spacing, salt)
    distance = np.hypot(row[..., None] - seed_row, col[..., None] - seed_col)
    nearest = np.sort(distance, -1)
    # Beyond the squares around a place a seed is hardly ever nearer; where two are equally near, either may win.
    clear = nearest[..., 1] - nearest[..., 0] > 1e-3
    expected = cell_number(i, j)[distance.argmin(-1)]
    assert (number == expected)[clear].mean() > 0.995
    assert (border >= 0).all()


def test_cell_numbers_are_unique():
    i, j = (axis.ravel() for axis in np.indices((60, 60)) - 1)
    assert len(np.unique(cell_number(i, j))) == 3600


inside = st.tuples(st.floats(12, 88), st.floats(12, 88))


def straight(start: tuple[float, float], end: tuple[float, float], width_px: float) -> Stroke:
    return Stroke(np.array([start, end], float), np.full(2, width_px))


@settings(max_examples=40, deadline=None)
@given(inside, inside, st.floats(0.3, 0.9))
def test_a_thin_line_covers_its_length_times_its_width(start, end, width_px):
    length = float(np.hypot(*(np.array(start) - end)))
    covered = coverage([straight(start, end, width_px)], (100, 100))
    assert covered.sum() == pytest.approx(max(length, 0.5) * width_px, abs=0.6 + 0.03 * length)
    assert covered.max() <= 1


def test_a_wide_line_covers_whole_pixels_in_its_middle():
    covered = coverage([straight((20, 50), (80, 50), 6)], (100, 100))
    assert (covered[30:70, 48:52] > 0.95).all()
    assert (covered[:, :44] == 0).all()
    assert (covered[:, 56:] == 0).all()
    wider = coverage([straight((20, 50), (80, 50), 6)], (100, 100), widen_px=4)
    assert wider.sum() > 1.4 * covered.sum()


def test_width_may_change_along_a_line():
    covered = coverage([Stroke(np.array([(10.0, 50.0), (90.0, 50.0)]), np.array([1.0, 9.0]))], (100, 100))
    assert covered[80:88].sum() > 3 * covered[12:20].sum()


def test_what_lies_outside_the_world_is_left_out():
    assert coverage([straight((-30, -30), (-5, 200), 2)], (50, 50)).sum() == 0
    partly = coverage([straight((25, -30), (25, 80), 1)], (50, 50))
    assert partly.sum() == pytest.approx(50, abs=2)
    assert coverage([], (10, 10)).tolist() == np.zeros((10, 10)).tolist()


def test_lines_that_cross_cover_no_more_than_all():
    covered = coverage([straight((10, 50), (90, 50), 3), straight((50, 10), (50, 90), 3)], (100, 100))
    assert covered.max() == 1


@pytest.mark.parametrize("sigma", [0.5, 1.6, 3.0])
def test_smoothing_keeps_the_ends_and_rounds_the_corners(sigma):
    corners = np.array([(0, 0), (0, 40), (40, 40), (40, 0), (80, 0), (80, 40), (80, 80)], float)
    line = smooth_line(corners, 2.0, sigma)
    assert line.places[0] == pytest.approx(corners[0])
    assert line.places[-1] == pytest.approx(corners[-1])
    turns = np.abs(np.diff(line.places, 2, axis=0)).sum(1).max()
    assert turns < 15
    assert (line.width_px == 2).all()


def test_smoothing_carries_widths_along():
    line = smooth_line(np.array([(0, 0), (0, 10), (0, 20)], float), np.array([1.0, 2.0, 3.0]), 0.5)
    assert (np.diff(line.width_px) >= 0).all()
    assert (line.width_px[0], line.width_px[-1]) == (1, 3)
