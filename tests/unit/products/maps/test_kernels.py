"""The mosaic kernels: the CPU's against numpy, the GPU's through a C++ compiler and nvcc against the CPU's."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rankscape.foundation.errors import DeviceError, RasterError
from rankscape.products.maps import backends, cuda
from rankscape.products.maps.backends import fill_rows, open_kernels
from rankscape.products.maps.pieces import BUDGET_BYTES, RasterForm, WindowPlaces, encoded, no_data, pieces
from rankscape.studies.ranking.scoring.dense import raised_cosine
from unit.products.maps.host_cuda import KERNELS, driver, host_module

__all__ = ["driver", "host_module"]
GRANULE_PX = 10_976


def repeated(values, patch_px, height, width, dtype="float32"):
    """The whole raster, by numpy.repeat."""
    raster = np.full((len(values), height, width), no_data(dtype), dtype)
    square = np.repeat(np.repeat(encoded(values, dtype), patch_px, axis=1), patch_px, axis=2)
    raster[:, : square.shape[1], : square.shape[2]] = square
    return raster


def joined(form, drawn):
    """The whole raster, from its pieces; every pixel has to be in one of them, once."""
    raster, times = np.zeros((form.layers, form.height, form.width), form.dtype), np.zeros((form.layers, form.height))
    for piece in drawn:
        raster[piece.layers, piece.rows] = piece.pixels
        times[piece.layers, piece.rows] += 1
    assert (times == 1).all()
    return raster


def scores(seed, *shape):
    values = np.random.default_rng(seed).random(shape, dtype=np.float32)
    values.flat[:: max(2, values.size // 3)] = np.nan
    return values


def test_every_patch_fills_its_square_and_the_remainder_is_nan():
    values = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    with open_kernels("cpu") as kernels:
        out = joined(RasterForm(1, 9, 13), kernels.fill(values, 4, RasterForm(1, 9, 13)))
    np.testing.assert_array_equal(out, repeated(values, 4, 9, 13))
    assert np.isnan(out[:, 8]).all()
    assert np.isnan(out[:, :, 12]).all()


def test_scores_in_bytes_are_levels_of_one_250th():
    given_ = np.array([0, 1, 0.5, 0.002, 0.006, 0.0021, np.nan, -0.1, 1.1], np.float32)
    assert encoded(given_, "uint8").tolist() == [0, 250, 125, 0, 2, 1, 255, 0, 250]
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.abs(encoded(values, "uint8") / 250 - values).max() < 0.5 / 250 + 1e-6


def shapes(data):
    """Patches, rasters and budgets that fit in no way."""
    layers, rows, cols, patch_px = (data.draw(st.integers(1, 4)) for _ in range(4))
    patch_px = data.draw(st.sampled_from([patch_px, 19, 33]))
    form = RasterForm(
        layers, rows * patch_px + data.draw(st.integers(0, 9)), cols * patch_px + data.draw(st.integers(0, 40)),
        data.draw(st.sampled_from(["float32", "uint8"])),
    )  # fmt: skip
    return form, patch_px, scores(rows, layers, rows, cols), data.draw(st.integers(1, 40_000))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_pieces_put_together_are_the_whole_raster(data):
    form, patch_px, values, budget = shapes(data)
    found = joined(form, backends.fill(values, patch_px, form, budget))
    np.testing.assert_array_equal(found, repeated(values, patch_px, form.height, form.width, form.dtype))


@pytest.mark.parametrize("layers", [1, 2, 18, 60, 1000])
@pytest.mark.parametrize("side", [7, GRANULE_PX])
def test_no_piece_exceeds_the_budget(layers, side):
    form = RasterForm(layers, side, side)
    cuts = list(pieces(form))
    sizes = [(a.stop - a.start, b.stop - b.start) for a, b in cuts]
    assert max(a * b for a, b in sizes) * side * 4 <= BUDGET_BYTES
    assert sum(a * b for a, b in sizes) == layers * side
    assert all(rows.start % 512 == 0 for _, rows in cuts), "a block of the file is written once"


def test_positions_beyond_32_bits_are_right():
    rows = (1 << 31) // 343 + 100  # all of a region's granules in one raster
    values = np.zeros((rows, 1), np.float32)
    values[-2:, 0] = 7, 8
    out = np.empty((2, 3), np.float32)
    fill_rows(values, 343, (rows - 1) * 343 - 1, out)
    assert out[:, 0].tolist() == [7.0, 8.0]


def overlapping(seed, layers=2, downs=5, acrosses=6, side=6):
    """Windows at half steps, some of them missing, and the raster that they cover."""
    rng = np.random.default_rng(seed)
    index = np.full((downs, acrosses), -1)
    index[rng.random(index.shape) < 0.8] = 0
    index[index == 0] = np.arange((index == 0).sum())
    tops, lefts = (np.arange(steps, dtype=np.int32) * side // 2 for steps in index.shape)
    windows = rng.random((layers, int((index >= 0).sum()), side, side), dtype=np.float32)
    return windows, WindowPlaces(tops.astype(np.int32), lefts.astype(np.int32), index), (downs + 1) * side // 2 + 2


@pytest.mark.parametrize("budget", [1, 300, BUDGET_BYTES])
def test_blended_pixels_are_weighted_means(budget):
    windows, places, height = overlapping(1)
    weights, form = raised_cosine(6), RasterForm(2, height, 23)
    found = joined(form, backends.blend(windows, weights, places, form, budget))
    for layer, y, x in np.ndindex(form.layers, form.height, form.width):
        over = [
            (weights[y - top, x - left], windows[layer, places.index[down, across], y - top, x - left])
            for down, top in enumerate(places.tops)
            for across, left in enumerate(places.lefts)
            if places.index[down, across] >= 0 and 0 <= y - top < 6 and 0 <= x - left < 6
        ]
        expected = np.average([v for _, v in over], weights=[w for w, _ in over]) if over else np.nan
        assert found[layer, y, x] == pytest.approx(expected, rel=1e-6, nan_ok=True)
    assert np.isnan(found[:, -1]).all(), "no window reaches the last rows"


def test_windows_that_stand_wrongly_are_refused():
    windows, places, height = overlapping(1)
    form, weights = RasterForm(2, height, 23), raised_cosine(6)
    with pytest.raises(RasterError, match="number them row by row"):
        next(backends.blend(windows[:, 1:], weights, places, form))
    with pytest.raises(RasterError, match="increasing rows and columns"):
        next(backends.blend(windows, weights, WindowPlaces(places.tops[::-1], places.lefts, places.index), form))


def filled_by(module, values, patch_px, out, first_px=0, layers=1, **blocks):
    """Rows of rasters by the GPU's kernel, compiled as C++."""
    height = out.size // out.shape[-1] // layers
    arguments = (
        values, out, np.int64(layers), np.int64(values.shape[-2]), np.uint32(values.shape[-1]), np.uint32(patch_px),
        np.int64(first_px), np.int64(height), np.uint32(out.shape[-1]),
    )  # fmt: skip
    module.run(f"fill_{out.dtype}", arguments, **{"blocks": layers * height, **blocks})


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_gpu_fill_is_bit_for_bit_that_of_the_cpu(host_module, data):
    """Widths are no multiples of 16 bytes, and the raster begins anywhere."""
    form, patch_px, values, first_px = shapes(data)
    askew, height = data.draw(st.integers(0, 20)), data.draw(st.integers(1, 9))
    expected = np.empty((form.layers, height, form.width), form.dtype)
    for source, target in zip(values, expected, strict=True):
        fill_rows(source, patch_px, first_px % form.height, target)
    memory = np.full(askew + expected.size + 1, 77, form.dtype)
    found = memory[askew:-1].reshape(expected.shape)
    blocks = data.draw(st.integers(1, form.layers * height))  # fewer blocks than rows take several each
    filled_by(host_module, values, patch_px, found, first_px % form.height, form.layers, blocks=blocks, threads=32)
    assert found.tobytes() == expected.tobytes()
    assert (memory[:askew] == 77).all(), "pixels before the raster are not touched"
    assert memory[-1] == 77


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("granules", [18, 60])
def test_gpu_offsets_beyond_32_bits_are_right(host_module, granules, dtype, tmp_path):
    """All granules in one array, a file of which only the rows looked at take room."""
    values, rows = scores(granules, granules, 32, 32), granules * GRANULE_PX
    out = np.memmap(tmp_path / "rasters", dtype, "w+", shape=(rows, GRANULE_PX))
    for row in (0, (1 << 31) // GRANULE_PX, rows // 2, rows - 1):
        filled_by(host_module, values, 343, out, layers=granules, blocks=rows, first=row, last=row + 1)
        expected = np.empty((1, GRANULE_PX), dtype)
        fill_rows(values[row // GRANULE_PX], 343, row % GRANULE_PX, expected)
        assert out[row].tobytes() == expected.tobytes(), f"row {row}"
    assert (out[rows - 2] == 0).all(), "no other row is touched"


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("budget", [1, 2000, BUDGET_BYTES])
def test_gpu_pieces_are_those_of_the_cpu(driver, dtype, budget):
    """With a driver that does nothing before it is waited for: what is not waited for is not there."""
    values, form = scores(3, 5, 3, 4), RasterForm(5, 37, 45, dtype)
    windows, places, height = overlapping(2, layers=3)
    blended, weights = RasterForm(3, height, 21, dtype), raised_cosine(6)
    with cuda.open_module() as (found, module):
        gpu = cuda.Gpu(found, module)
        assert (
            joined(form, gpu.fill(values, 11, form, budget)).tobytes() == repeated(values, 11, 37, 45, dtype).tobytes()
        )
        expected = joined(blended, backends.blend(windows, weights, places, blended))
        assert joined(blended, gpu.blend(windows, weights, places, blended, budget)).tobytes() == expected.tobytes()
    assert "-fmad=false" in driver.options


def test_gpu_memory_is_two_pieces_whatever_the_number_of_granules(driver):
    budget, form = 1 << 16, RasterForm(60, 100, 128)
    values = scores(4, 60, 4, 4)
    with open_kernels("cuda"):
        gpu = cuda.Gpu(driver, driver)
        assert joined(form, gpu.fill(values, 25, form, budget)).tobytes() == repeated(values, 25, 100, 128).tobytes()
    assert 1.5 * budget < driver.most <= 2 * (budget + values.nbytes)


def test_cuda_is_never_replaced_by_the_cpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(DeviceError, match=r"backend = cuda needs PyCUDA.*extra `cuda`"), open_kernels("cuda"):
        pass


@pytest.mark.parametrize(
    ("fails", "message"),
    [("init", "needs a GPU .*no CUDA-capable"), ("compiler", "put nvcc on the PATH"), ("memory", "out of memory")],
)
def test_a_gpu_that_fails_is_one_clear_line(driver, fails, message):
    driver.fails = fails
    with pytest.raises(DeviceError, match=message), open_kernels("cuda") as kernels:
        list(kernels.fill(scores(1, 1, 2, 2), 8, RasterForm(1, 16, 16)))


def nvcc():
    """The compiler on the PATH, or the one that the tests' set-up brings."""
    brought = Path(sysconfig.get_path("purelib")) / "nvidia"
    return shutil.which("nvcc") or next(map(str, sorted(brought.glob("cu*/bin/nvcc"))), None)


needs_nvcc = pytest.mark.skipif(nvcc() is None, reason="nvcc is not installed")


def compiled(kind, out):
    """What nvcc says of the kernels."""
    command = [nvcc(), "-arch=sm_90", kind, *cuda.OPTIONS, "-Xptxas", "-v", "-Werror", "all-warnings", "-o", out]
    done = subprocess.run([*command, cuda.KERNELS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@needs_nvcc
def test_cuda_source_compiles_without_warnings_and_spills_nothing(tmp_path):
    said = compiled("-cubin", tmp_path / "mosaic.cubin")
    assert said.count("0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads") == len(KERNELS)


@needs_nvcc
def test_cuda_kernels_store_16_bytes_at_once(tmp_path):
    compiled("-ptx", tmp_path / "mosaic.ptx")
    assert (tmp_path / "mosaic.ptx").read_text().count("st.global.cs.v4.u32") == len(KERNELS)
