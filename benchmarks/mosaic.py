"""From scores to the file of a granule, against the ways in which it is usually written.

A granule is 32 x 32 scores and their deviations, which fill 10976 x 10976 pixels in two bands of float32. Programs:

- `loop`: a Python loop over the patches fills each square, as the Sichuan report describes it (Gong, Zheng & Xie 2024),
  then rasterio writes. Once as a plain GeoTIFF, and once as the file that Rankscape writes: a Cloud-Optimized GeoTIFF
  (COG) with ZSTD level 3, average overviews and all cores.
- `numpy.repeat`: the same with two calls of numpy instead of the loop.
- `GDAL alone`: the array is there already and only written, as that COG, and as a tiled GeoTIFF with ZSTD level 3, all
  cores and no overviews; and in between, a COG without them.
- `rankscape`: `mapping.granules.write_pixels` with the kernels of the CPU, in float32 and in bytes. The file is
  decoded once more, flushed to disk and renamed, which the others leave out.

The programs run in turns, granule after granule, so that a slow moment of the machine meets all; cells are medians.
Seconds are those of the clock; `cores` are those of all cores together, which other work on the machine lengthens less.
The last granule has to have the same pixels in all files, and overviews within 1e-6 where all patches near have scores.
Memory is the largest resident set of a process.

    .venv/bin/python benchmarks/mosaic.py
    .venv/bin/python benchmarks/mosaic.py --granules 2 --patch-px 100
    .venv/bin/python benchmarks/mosaic.py --gpu

With `--gpu` the CUDA kernels are measured instead, against the bandwidth of copies on the card: a copy moves each byte
twice, a fill writes each once. It has not been run yet, for want of a GPU.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rankscape.products.maps import backends, cuda
from rankscape.products.maps.granules import write_pixels
from rankscape.products.maps.pieces import RasterForm
from rankscape.products.maps.surface import Surface
from rankscape.samples.patches import Grid
from rankscape.scenes.rasters import row_windows

PATCHES, PATCH_PX = 32, 343
CORES = len(os.sched_getaffinity(0))
TRANSFORM = Affine(10, 0, 400_000, 0, -10, 3_500_000)
COG = {"driver": "COG", "compress": "ZSTD", "level": 3, "blocksize": 512, "overview_resampling": "average"}
TILED = {"driver": "GTiff", "compress": "ZSTD", "zstd_level": 3, "tiled": True, "blockxsize": 512, "blockysize": 512}
_GPU_LAYERS, _GPU_TIMES = 8, 20


def surface_of(number: int, patch_px: int) -> Surface:
    """Invented scores of a granule, a tenth of its patches without one."""
    rng = np.random.default_rng(number)
    values = rng.random((2, PATCHES, PATCHES), dtype=np.float32)
    values[:, rng.random(values.shape[1:]) < 0.1] = np.nan
    side = PATCHES * patch_px
    grid = Grid("EPSG:32648", tuple(TRANSFORM)[:6], side, side, patch_px, PATCHES, PATCHES, ("red",))
    return Surface(f"granule {number}", grid, values, np.isfinite(values[0]).astype(np.float32))


def loop(surface: Surface) -> np.ndarray:
    """Fill patch after patch."""
    side = surface.grid.patch_px
    out = np.full((2, surface.grid.height_px, surface.grid.width_px), np.nan, np.float32)
    for band in range(2):
        for row in range(PATCHES):
            for col in range(PATCHES):
                score = surface.values[band, row, col]
                out[band, row * side : (row + 1) * side, col * side : (col + 1) * side] = score
    return out


def repeat(surface: Surface) -> np.ndarray:
    """Repeat rows and columns."""
    side = surface.grid.patch_px
    return np.repeat(np.repeat(surface.values, side, axis=1), side, axis=2)


def ours(surface: Surface, dtype: str) -> None:
    """Fill piece after piece, and keep none."""
    grid = surface.grid
    for _ in backends.fill(surface.values, grid.patch_px, RasterForm(2, grid.height_px, grid.width_px, dtype)):
        pass


def write(path: Path, pixels: np.ndarray, **options: object) -> None:
    """Write an array with rasterio."""
    form = {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2], "dtype": pixels.dtype}
    with rasterio.open(
        path, "w", **form, crs="EPSG:32648", transform=TRANSFORM, nodata=np.nan, num_threads=CORES, **options
    ) as dataset:
        dataset.write(pixels)


def timed(program: Callable[[], object]) -> np.ndarray:
    """Seconds that a program takes: on the clock, and of the cores (all threads)."""
    start = np.array([time.perf_counter(), time.process_time()])
    program()
    return np.array([time.perf_counter(), time.process_time()]) - start


def made(
    drawn: Callable[[Surface], np.ndarray], surface: Surface, path: Path, options: dict[str, object]
) -> list[np.ndarray]:
    """Seconds to draw a granule and to write it."""
    pixels: list[np.ndarray] = []
    drawing = timed(lambda: pixels.append(drawn(surface)))
    return [drawing, timed(lambda: write(path, pixels[0], **options))]


def measured(surface: Surface, folder: Path) -> dict[str, list[np.ndarray]]:
    """Seconds of kernel and writing of every program on one granule."""
    found = {
        "loop, plain GeoTIFF": made(loop, surface, folder / "plain.tif", {"driver": "GTiff"}),
        "loop, COG": made(loop, surface, folder / "loop.tif", COG),
        "numpy.repeat, COG": made(repeat, surface, folder / "repeat.tif", COG),
    }
    found |= alone(repeat(surface), folder)
    for dtype in ("float32", "uint8"):
        total = timed(lambda dtype=dtype: draw(surface, folder / f"{dtype}.tif", dtype))
        kernel = timed(lambda dtype=dtype: ours(surface, dtype))
        found[f"rankscape, COG, {dtype}"] = [kernel, total - kernel]
    return found


def alone(pixels: np.ndarray, folder: Path) -> dict[str, list[np.ndarray]]:
    """Seconds that GDAL takes to write an array."""
    return {
        "GDAL alone, COG": [np.zeros(2), timed(lambda: write(folder / "gdal.tif", pixels, **COG))],
        "GDAL alone, COG, no overviews": [
            np.zeros(2),
            timed(lambda: write(folder / "bare.tif", pixels, **COG, overviews="NONE")),
        ],
        "GDAL alone, tiled GeoTIFF": [np.zeros(2), timed(lambda: write(folder / "tiled.tif", pixels, **TILED))],
    }


def draw(surface: Surface, path: Path, dtype: str) -> None:
    """Write the file of a granule with Rankscape."""
    write_pixels(path, surface, backends.fill, dtype, {}, CORES)


def check(folder: Path) -> None:
    """Compare the files pixel by pixel, and their overviews; ends the program if they differ."""
    with rasterio.open(folder / "float32.tif") as one:
        for name in ("plain", "loop", "repeat", "tiled"):
            with rasterio.open(folder / f"{name}.tif") as other:
                for window in row_windows(*one.shape):
                    if one.read(window=window).tobytes() != other.read(window=window).tobytes():
                        raise SystemExit(f"{name}: other pixels in {window}")
        levels = len(one.overviews(1))
    for place in range(levels):
        both = [rasterio.open(folder / f"{name}.tif", overview_level=place) for name in ("float32", "gdal")]
        one, other = (dataset.read(1) for dataset in both)
        # Beside land without a score GDAL averages averages, so that only pixels of one patch can be compared.
        share = np.mean(np.abs(one - other)[np.isfinite(one) & np.isfinite(other)] < 1e-6)
        if one.shape != other.shape or share < 0.9:
            raise SystemExit(f"overview {place}: {share:.2%} of the pixels are the same")


def memory(program: str, patch_px: int) -> int:
    """Peak memory of a program in MiB, in a process of its own."""
    command = [sys.executable, __file__, "--peak", program, "--patch-px", str(patch_px)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_mib(program: str, patch_px: int) -> int:
    """Draw a granule in this process and return its largest resident set."""
    surface = surface_of(0, patch_px)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        if program == "rankscape":
            draw(surface, path, "float32")
        else:
            write(path, repeat(surface), **COG)
    # Not getrusage: what the parent held when it started this process would count too.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def table(granules: int, patch_px: int, folder: Path) -> None:
    """Measure and print all programs."""
    runs: dict[str, list[list[np.ndarray]]] = {}
    for number in range(granules):
        for name, seconds in measured(surface_of(number, patch_px), folder).items():
            runs.setdefault(name, []).append(seconds)
        print(number + 1, {name: sum(seconds[-1]).round(2).tolist() for name, seconds in runs.items()}, file=sys.stderr)
    check(folder)
    files = ["plain", "loop", "repeat", "gdal", "bare", "tiled", "float32", "uint8"]
    medians = {name: np.median([sum(both) for both in seconds], axis=0) for name, seconds in runs.items()}
    print(f"{granules} granules of {(PATCHES * patch_px):,} x {(PATCHES * patch_px):,} px, {CORES} cores\n")
    print("| program | whole, s | kernel, s | writing, s | of GDAL alone | cores, s | of GDAL alone | file, MB |")
    print("|---|---|---|---|---|---|---|---|")
    for (name, seconds), file in zip(runs.items(), files, strict=True):
        kernel, writing = np.median(np.array(seconds)[:, :, 0], axis=0)
        size = (folder / f"{file}.tif").stat().st_size / 1e6
        shown = f"{kernel:.3f}" if kernel else ""
        (total, cores), (clock, work) = medians[name], medians[name] / medians["GDAL alone, COG"]
        print(
            f"| {name} | {total:.2f} | {shown} | {writing:.2f} | {clock:.2f} | {cores:.2f} | {work:.2f} | {size:.2f} |"
        )
    peaks = {program: memory(program, patch_px) for program in ("rankscape", "numpy.repeat")}
    print("\nPeak memory: " + ", ".join(f"{program} {mib} MiB" for program, mib in peaks.items()))


def gpu(patch_px: int) -> None:
    """Measure the kernels of the GPU against copies on the card."""
    side = PATCHES * patch_px
    values = np.concatenate([surface_of(number, patch_px).values[:1] for number in range(_GPU_LAYERS)])
    with cuda.open_module() as (driver, module):
        print(f"{driver.Device(0).name()}, {_GPU_LAYERS} granules at once\n")
        print("| program | GB/s | of a copy |\n|---|---|---|")
        size = _GPU_LAYERS * side * side * 4
        source, target, patches = driver.mem_alloc(size), driver.mem_alloc(size), driver.to_device(values)
        copy = 2 * size / device_seconds(driver, lambda: driver.memcpy_dtod_async(target, source, size))
        print(f"| copy | {copy / 1e9:.0f} | 1.00 |")
        for dtype in ("float32", "uint8"):
            kernel = module.get_function(f"fill_{dtype}")
            arguments = (
                patches, target, np.int64(_GPU_LAYERS), np.int64(PATCHES), np.uint32(PATCHES), np.uint32(patch_px),
                np.int64(0), np.int64(side), np.uint32(side),
            )  # fmt: skip
            shape = {"block": (cuda.THREADS, 1, 1), "grid": (_GPU_LAYERS * side, 1)}
            seconds = device_seconds(driver, partial(kernel, *arguments, **shape))
            written = size // 4 * np.dtype(dtype).itemsize / seconds
            print(f"| fill, {dtype} | {written / 1e9:.0f} | {written / copy:.2f} |")


def device_seconds(driver: object, program: Callable[[], object]) -> float:
    """Seconds of a program on the card, the mean of several runs after one that does not count."""
    program()
    start, end = driver.Event(), driver.Event()
    start.record()
    for _ in range(_GPU_TIMES):
        program()
    end.record()
    end.synchronize()
    return end.time_since(start) / 1000 / _GPU_TIMES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--granules", type=int, default=15)
    parser.add_argument("--patch-px", type=int, default=PATCH_PX, help="side of a patch, and with it of the granule")
    parser.add_argument("--gpu", action="store_true", help="measure the CUDA kernels instead; needs a GPU")
    parser.add_argument("--peak", choices=("rankscape", "numpy.repeat"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.peak:
        print(peak_mib(chosen.peak, chosen.patch_px))
    elif chosen.gpu:
        gpu(chosen.patch_px)
    else:
        with tempfile.TemporaryDirectory() as folder:
            table(chosen.granules, chosen.patch_px, Path(folder))


if __name__ == "__main__":
    main()
