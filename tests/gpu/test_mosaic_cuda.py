"""The CUDA mosaic kernels against the CPU's, on a real GPU."""

import numpy as np
import pytest
from rankscape.foundation.errors import DeviceError
from rankscape.products.maps import backends
from rankscape.products.maps.backends import fill_rows, open_kernels
from rankscape.products.maps.pieces import RasterForm, WindowPlaces
from rankscape.studies.ranking.scoring.dense import raised_cosine

pytestmark = pytest.mark.gpu


@pytest.fixture
def gpu():
    pytest.importorskip("pycuda", reason="the extra `cuda` is not installed")
    try:
        with open_kernels("cuda") as kernels:
            yield kernels
    except DeviceError as error:
        pytest.skip(str(error))


def scores(*shape):
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    values[..., 1, 2] = np.nan
    return values


def check(found, expected):
    """Pieces come in the same order, as long as the budget is the same."""
    for one, other in zip(found, expected, strict=True):
        assert (one.layers, one.rows) == (other.layers, other.rows)
        assert one.pixels.tobytes() == other.pixels.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("patch_px", [1, 3, 32, 343])
@pytest.mark.parametrize("more", [0, 1, 4, 15])
def test_fill_agrees_bit_for_bit(gpu, patch_px, more, dtype):
    values, side = scores(3, 32, 32), 32 * patch_px + more
    form = RasterForm(3, side, side, dtype)
    check(gpu.fill(values, patch_px, form), backends.fill(values, patch_px, form))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("granules", [18, 60])
def test_all_granules_of_a_region_agree(gpu, granules, dtype):
    """60 granules are 7.2e9 pixels, in pieces of 64 MB."""
    values, form = scores(granules, 32, 32), RasterForm(granules, 10_976, 10_976, dtype)
    seen = 0
    for piece in gpu.fill(values, 343, form):
        expected = np.empty(piece.pixels.shape[1:], dtype)
        for source, pixels in zip(values[piece.layers], piece.pixels, strict=True):
            fill_rows(source, 343, piece.rows.start, expected)
            assert pixels.tobytes() == expected.tobytes()
        seen += piece.pixels.size
    assert seen == granules * 10_976**2


def test_a_larger_raster_follows_a_smaller_one(gpu):
    for side in (8, 2000, 16):
        form, values = RasterForm(2, side, side + 1), scores(2, 4, 4)
        check(gpu.fill(values, 5, form), backends.fill(values, 5, form))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("budget_bytes", [10_000, 64 << 20])
def test_blends_agree(gpu, budget_bytes, dtype):
    side, steps = 10, 63
    index = np.arange(steps * steps).reshape(steps, steps)
    index[20:30, 20:30] = -1
    index[index >= 0] = np.arange((index >= 0).sum())
    offsets = (np.arange(steps) * side // 2).astype(np.int32)
    places, weights = WindowPlaces(offsets, offsets, index), raised_cosine(side)
    windows = np.random.default_rng(1).random((5, int((index >= 0).sum()), side, side), dtype=np.float32)
    form = RasterForm(5, 32 * side, 32 * side, dtype)
    found, expected = (kernels.blend(windows, weights, places, form, budget_bytes) for kernels in (gpu, backends))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.pixels, other.pixels, atol=1e-6 if dtype == "float32" else 1)
