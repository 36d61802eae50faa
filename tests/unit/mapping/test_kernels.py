"""The mosaic kernels: CPU against numpy, and the CUDA source through the compiler."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.foundation.errors import DeviceError
from rankscape.mapping import cuda
from rankscape.mapping.backends import open_fill
from rankscape.mapping.cpu import fill_rows


def repeated(values, patch_px, height, width):
    """The whole raster, by numpy.repeat."""
    raster = np.full((height, width), np.nan, np.float32)
    square = np.repeat(np.repeat(values, patch_px, axis=0), patch_px, axis=1)
    raster[: square.shape[0], : square.shape[1]] = square
    return raster


def test_every_patch_fills_its_square_and_the_remainder_is_nan():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    out = np.empty((9, 13), np.float32)
    with open_fill("cpu") as fill:
        fill(values, 4, 0, out)
    np.testing.assert_array_equal(out, repeated(values, 4, 9, 13))
    assert np.isnan(out[8]).all()
    assert np.isnan(out[:, 12]).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_bands_of_rows_put_together_are_the_whole_raster(data):
    rows, cols, patch_px = (data.draw(st.integers(1, 5)) for _ in range(3))
    height, width = rows * patch_px + data.draw(st.integers(0, 9)), cols * patch_px + data.draw(st.integers(0, 9))
    band = data.draw(st.integers(1, height))
    values = np.random.default_rng(rows).random((rows, cols)).astype(np.float32)
    values[0, 0] = np.nan
    buffer, parts = np.empty((band, width), np.float32), []
    for start in range(0, height, band):
        out = buffer[: min(band, height - start)]
        fill_rows(values, patch_px, start, out)
        parts.append(out.copy())
    np.testing.assert_array_equal(np.concatenate(parts), repeated(values, patch_px, height, width))


def test_positions_beyond_32_bits_are_right():
    rows = (1 << 31) // 343 + 100  # all of a region's granules in one raster
    values = np.zeros((rows, 1), np.float32)
    values[-2:, 0] = 7, 8
    out = np.empty((2, 3), np.float32)
    fill_rows(values, 343, (rows - 1) * 343 - 1, out)
    assert out[:, 0].tolist() == [7.0, 8.0]


def test_cuda_is_never_replaced_by_the_cpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(DeviceError, match=r"mosaic.backend = cuda needs PyCUDA.*extra `cuda`"), open_fill("cuda"):
        pass


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
def test_cuda_source_compiles_without_warnings(tmp_path):
    done = subprocess.run(
        ["nvcc", "-arch=sm_90", "-cubin", "-Werror", "all-warnings", "-o", tmp_path / "mosaic.cubin", cuda.KERNEL],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"fill_rows" in (tmp_path / "mosaic.cubin").read_bytes()
