"""How fast a full granule is cut into patches: by ranks and threads, against a PNG a patch and against the file alone.

A granule of 10980 x 10980 px, three 8-bit bands, is invented in a temporary folder (nothing of it stays): noise of many
scales below noise of the sensor, as a Cloud-Optimized GeoTIFF of 512 px blocks. The ways are run in turns, and the
shortest time of each counts:

- `png`: a pool of one thread a core reads each patch with rasterio and writes it as one PNG.
- `floor`: rasterio decodes the whole file with all cores, and its bytes are written once and flushed to disk.
- `N x T`: `rankscape tile` with N ranks of T threads, from the file to the published array, flushed to disk. Beside it
  the whole command, with the start of Python, its imports, and the index.

Arrays of all numbers of ranks are compared byte by byte, 1, 2, 3 and 7 ranks.

    .venv/bin/python benchmarks/tiling.py
"""

import argparse
import contextlib
import filecmp
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from PIL import Image
from rankscape.samples.cutting import open_source
from rankscape.samples.settings import TileSettings
from rasterio.transform import Affine
from rasterio.windows import Window

GRANULE = "48RVV"
WAYS = [(1, 1), (1, 2), (2, 1)]
"""Ranks and threads of each."""
SCALES = {16: 40.0, 64: 25.0, 256: 15.0, 1024: 10.0, 5490: 6.0}
"""Cells across the granule, and how strong noise of that scale is."""
CREATION = {
    "driver": "GTiff", "count": 3, "dtype": "uint8", "crs": "EPSG:32648", "interleave": "pixel", "tiled": True,
    "transform": Affine(10, 0, 399_960, 0, -10, 3_400_020), "blockxsize": 512, "blockysize": 512,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=10980, help="rows and columns of the granule")
    parser.add_argument("--patch-px", type=int, default=343)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--codecs", nargs="+", default=["DEFLATE", "ZSTD"])
    parser.add_argument("--as-rank", nargs=2, metavar=("SOURCE", "OUT"), help="what mpiexec starts; prints seconds")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.as_rank:
        be_rank(Path(chosen.as_rank[0]), Path(chosen.as_rank[1]), chosen.patch_px, chosen.ranks, chosen.threads)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pixels = invent(chosen.side)
        for codec in chosen.codecs:
            source = write_granule(folder, pixels, codec)
            print(table(codec, source, *measure(source, folder / "out", chosen.patch_px, chosen.repeats)), flush=True)
            same_bytes(source, folder / "out", chosen.patch_px)


def be_rank(source: Path, out: Path, patch_px: int, ranks: int, threads: int) -> None:
    """Cut as one rank of some; the first prints seconds, from barrier to barrier, and CPU seconds of the busiest."""
    from mpi4py import MPI
    from rankscape.samples.mpi import cut_with_ranks

    opener = partial(open_source, source, None, GRANULE, TileSettings(patch_px=patch_px), threads=threads)
    if MPI.COMM_WORLD.rank == 0:
        out.unlink(missing_ok=True)
    MPI.COMM_WORLD.Barrier()
    start, busy = time.perf_counter(), time.process_time()
    cut_with_ranks(opener, out, ranks, threads)
    busiest = MPI.COMM_WORLD.reduce(time.process_time() - busy, op=MPI.MAX)
    if MPI.COMM_WORLD.rank == 0:
        print(time.perf_counter() - start, busiest)


def invent(side: int) -> np.ndarray:
    """Invent a granule, uint8, shape (3, side, side)."""
    rng = np.random.default_rng(0)
    land = np.zeros((side, side), np.float32)
    for cells, strength in SCALES.items():
        coarse = Image.fromarray(rng.standard_normal((cells, cells), dtype=np.float32) * strength)
        land += np.asarray(coarse.resize((side, side), Image.Resampling.BILINEAR))
    bands = np.empty((3, side, side), np.uint8)
    for band, (middle, contrast) in enumerate([(80, 1.0), (85, 0.9), (75, 0.8)]):
        for top in range(0, side, 1024):
            noise = rng.standard_normal(land[top : top + 1024].shape, dtype=np.float32) * np.float32(1.5)
            rows = middle + contrast * land[top : top + 1024] + noise
            bands[band, top : top + 1024] = np.clip(rows, 1, 255)
    return bands


def write_granule(folder: Path, pixels: np.ndarray, codec: str) -> Path:
    """Write the granule as a Cloud-Optimized GeoTIFF with overviews."""
    draft, path = folder / "draft.tif", folder / f"{codec}.tif"
    with rasterio.open(draft, "w", height=pixels.shape[1], width=pixels.shape[2], **CREATION) as file:
        file.write(pixels)
    options = {"compress": codec, "predictor": "YES", "blocksize": 512, "num_threads": "ALL_CPUS"}
    rasterio.shutil.copy(draft, path, driver="COG", **options)
    draft.unlink()
    return path


Times = dict[str, float]
"""The shortest seconds of each way."""


def measure(source: Path, out: Path, patch_px: int, repeats: int) -> tuple[Times, Times, Times]:
    """Run all ways in turns; return their seconds, those of whole commands, and CPU seconds of the busiest rank."""
    best, whole, busy = Times(), Times(), Times()

    def note(times: Times, name: str, seconds: float) -> None:
        times[name] = min(seconds, times.get(name, seconds))

    for turn in range(repeats):
        note(best, "floor", timed(lambda: floor(source, out / "floor")))
        for ranks, threads in WAYS:
            name = f"{ranks} x {threads}"
            seconds, cpu_s = cut(source, out / f"{name}.npy", patch_px, ranks, threads)
            note(best, name, seconds)
            note(busy, name, cpu_s)
            note(whole, name, timed(partial(command, source, out / f"{name}.npy", patch_px, ranks, threads)))
        if turn < 2:  # it takes long, and its own noise is small beside the ratio
            note(best, "png", timed(lambda: pngs(source, out / "png", patch_px)))
    return best, whole, busy


def timed(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def floor(source: Path, out: Path) -> None:
    """Decode the file once with all cores, and write its bytes once."""
    with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS", GDAL_CACHEMAX=256), rasterio.open(source) as file:
        pixels = file.read()
    out.parent.mkdir(exist_ok=True)
    with out.open("wb") as handle:
        handle.write(pixels.data)
        handle.flush()
        os.fsync(handle.fileno())


def pngs(source: Path, folder: Path, patch_px: int) -> None:
    """Write one PNG a patch with a pool of threads, each with the file open for itself."""
    folder.mkdir(parents=True, exist_ok=True)
    with rasterio.open(source) as file:
        places = list(np.ndindex(file.height // patch_px, file.width // patch_px))
    threads = os.cpu_count() or 1

    def save(mine: list[tuple[int, int]]) -> None:
        with rasterio.open(source) as file:
            for row, col in mine:
                pixels = file.read(window=Window(col * patch_px, row * patch_px, patch_px, patch_px))
                picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
                picture.save(folder / f"{row}_{col}.png")

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(save, np.array_split(np.array(places), threads)))


def cut(source: Path, out: Path, patch_px: int, ranks: int, threads: int) -> tuple[float, float]:
    """Seconds from the open file to the published array, by ranks that stand ready; and CPU seconds of the busiest."""
    given = [__file__, "--as-rank", source, out, "--patch-px", patch_px, "--ranks", ranks, "--threads", threads]
    seconds, cpu_s = map(float, launch(ranks, given).splitlines()[-1].split())
    return seconds, cpu_s


def command(source: Path, out: Path, patch_px: int, ranks: int, threads: int) -> None:
    """Run the verb as the workflow does."""
    given = ["-m", "rankscape", "tile", "--mpi", "--ranks", ranks, "--threads", threads, "--granule", GRANULE]
    launch(ranks, [*given, "--settings", f'{{"patch_px": {patch_px}}}', "--source", source, "--out", out])


def launch(ranks: int, given: list[object]) -> str:
    """Start ranks of this Python; return what they print."""
    start = [str(Path(sys.executable).parent / "mpiexec"), "-n", str(ranks), sys.executable, *map(str, given)]
    return subprocess.run(start, check=True, capture_output=True, text=True).stdout


def same_bytes(source: Path, out: Path, patch_px: int) -> None:
    """Compare what different numbers of ranks make.

    Raises:
        SystemExit: If any two arrays differ.
    """
    with without(out):
        for ranks in (1, 2, 3, 7):
            command(source, out / f"{ranks}.npy", patch_px, ranks, 1)
            if not filecmp.cmp(out / "1.npy", out / f"{ranks}.npy", shallow=False):
                raise SystemExit(f"{ranks} ranks made other bytes than 1.")
    print("\n1, 2, 3 and 7 ranks made the same bytes.\n", flush=True)


@contextlib.contextmanager
def without(folder: Path) -> Iterator[None]:
    """Empty a folder before and after."""
    subprocess.run(["rm", "-rf", folder], check=True)
    folder.mkdir()
    yield
    subprocess.run(["rm", "-rf", folder], check=True)


def table(codec: str, source: Path, best: Times, whole: Times, busy: Times) -> str:
    """Return the table of one codec, and the ratios that count."""
    lines = [
        f"`{codec}`, {source.stat().st_size / 1e6:.0f} MB:",
        "",
        "| way | s | busiest rank's CPU, s | command, s | times png | of floor |",
        "|---|---|---|---|---|---|",
    ]
    for name, seconds in best.items():
        more = f"{busy[name]:.2f} | {whole[name]:.2f}" if name in whole else "| "
        lines.append(
            f"| `{name}` | {seconds:.2f} | {more} | {best['png'] / seconds:.1f} | {best['floor'] / seconds:.0%} |"
        )
    ratio, cpu_ratio = (times["1 x 1"] / times["2 x 1"] for times in (best, busy))
    return "\n".join([*lines, "", f"2 ranks over 1: {ratio:.2f} times, by the busiest rank's CPU {cpu_ratio:.2f}."])


if __name__ == "__main__":
    main()
