"""The CUDA mosaic kernel against the CPU's, on a real GPU."""

import numpy as np
import pytest
from rankscape.foundation.errors import DeviceError
from rankscape.mapping.backends import open_fill
from rankscape.mapping.cpu import fill_rows

pytestmark = pytest.mark.gpu


@pytest.fixture
def fill():
    pytest.importorskip("pycuda", reason="the extra `cuda` is not installed")
    try:
        with open_fill("cuda") as kernel:
            yield kernel
    except DeviceError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("patch_px", [1, 32, 343])
@pytest.mark.parametrize("start_px", [0, 100, 5_000_000_000])
def test_gpu_and_cpu_agree_bit_for_bit(fill, patch_px, start_px):
    values = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    values[3, 4] = np.nan
    expected, found = np.empty((2, 700, 32 * patch_px + 4), np.float32)
    fill_rows(values, patch_px, start_px, expected)
    fill(values, patch_px, start_px, found)
    np.testing.assert_array_equal(found, expected)


def test_a_larger_band_follows_a_smaller_one(fill):
    values = np.ones((4, 4), np.float32)
    for height in (8, 64, 16):
        out = np.empty((height, 40), np.float32)
        fill(values, 16, 0, out)
        assert np.nansum(out) == min(height, 64) * 40


def test_a_whole_granule(fill):
    values = np.random.default_rng(1).random((32, 32)).astype(np.float32)
    expected, found = np.empty((2, 10980, 10980), np.float32)
    fill_rows(values, 343, 0, expected)
    fill(values, 343, 0, found)
    np.testing.assert_array_equal(found, expected)
