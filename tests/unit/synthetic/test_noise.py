"""Noise, hashes and cells: what all the land is made of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.synthetic.noise import cell_number, cells, even, fractal, hashed, rise, seed_place

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
