"""How fast assets come over a line that is far and narrow, against common programs, in one run.

A server in a process of its own (`slow_server.py`) answers after 80 ms, gives 5 MB/s a connection and 64 MB/s in total.
Twelve assets of 100 MB (DEFLATE, noise) are brought by each program in a process of its own; peak memory and processor
time are that process's. `rankscape` verifies what it brings (SHA-256, every block decoded, flushed to disk); the others
only write. obstore is asked for the same ranges, with as many connections.

    .venv/bin/python benchmarks/download.py

Serial reading takes the most time: `--assets 4` gives the same ratios sooner.
"""

import argparse
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import obstore
import rasterio
import requests
from obstore.store import HTTPStore
from rankscape.scenes.addresses import Hosts
from rankscape.scenes.downloading import CONNECTIONS, Delivery, download_assets
from rankscape.scenes.servers import NoSigner
from rankscape.scenes.transfers import PIECE_BYTES
from rankscape.scenes.wanted_assets import Asset
from rasterio.transform import from_origin

MB = 1e6
SIDE_PX = 5888
LIMITS = {"latency-ms": 80.0, "connection-mb-s": 5.0, "total-mb-s": 64.0}


def write_asset(path: Path) -> None:
    """Write a true-colour raster of 100 MB whose blocks are compressed."""
    generator = np.random.default_rng(1)
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=SIDE_PX, width=SIDE_PX, dtype="uint8", crs="EPSG:32648",
        transform=from_origin(4e5, 4e6, 10, 10), tiled=True, blockxsize=512, blockysize=512, compress="deflate",
        zlevel=1, interleave="pixel",
    ) as dataset:  # fmt: skip
        dataset.write(generator.integers(1, 246, (3, SIDE_PX, SIDE_PX), dtype=np.uint8))


def serially(address: str, folder: Path, count: int) -> None:
    with requests.Session() as session:
        for place in range(count):
            stream(session, f"{address}/{place}.tif", folder / f"{place}.tif")


def threaded(address: str, folder: Path, count: int) -> None:
    with ThreadPoolExecutor(count) as pool, requests.Session() as session:
        list(pool.map(lambda place: stream(session, f"{address}/{place}.tif", folder / f"{place}.tif"), range(count)))


def stream(session: requests.Session, address: str, path: Path) -> None:
    with session.get(address, stream=True, timeout=60) as answer, path.open("wb") as handle:
        for chunk in answer.iter_content(1 << 20):
            handle.write(chunk)


def by_obstore(address: str, folder: Path, count: int) -> None:
    store = HTTPStore.from_url(address, client_options={"allow_http": True})

    def piece(task: tuple[int, int, int]) -> None:
        place, start, length = task
        content = obstore.get_range(store, f"{place}.tif", start=start, length=length)
        with (folder / f"{place}.tif").open("r+b") as handle:
            handle.seek(start)
            handle.write(content)

    tasks = []
    for place in range(count):
        size = obstore.head(store, f"{place}.tif")["size"]
        (folder / f"{place}.tif").touch()
        tasks += [(place, start, min(PIECE_BYTES, size - start)) for start in range(0, size, PIECE_BYTES)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(piece, tasks))


def by_rankscape(address: str, folder: Path, count: int) -> None:
    assets = [Asset(f"asset {n}", f"{address}/{n}.tif", folder / f"{n}.tif") for n in range(count)]
    results = download_assets(assets, NoSigner(), hosts=Hosts(["127.0.0.1"]), local=False, threads=2)
    assert all(isinstance(result, Delivery) for result in results)


PROGRAMS: dict[str, Callable[[str, Path, int], None]] = {
    "requests, one after the other": serially,
    "requests, a thread an asset": threaded,
    f"obstore, {CONNECTIONS} ranges at once": by_obstore,
    "rankscape, verified": by_rankscape,
}


@contextmanager
def serving(file: Path, limits: dict[str, float]) -> Iterator[str]:
    """Run the slow server until the block ends."""
    options = [f"--{name}={value}" for name, value in limits.items()]
    command = [sys.executable, str(Path(__file__).with_name("slow_server.py")), str(file), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def measured(name: str, address: str, folder: Path, count: int, results: "multiprocessing.Queue[tuple]") -> None:
    """Run one program in this process; report seconds, peak memory in MB, seconds of processor time."""
    begin = time.monotonic()
    PROGRAMS[name](address, folder, count)
    wall_s = time.monotonic() - begin
    usage = resource.getrusage(resource.RUSAGE_SELF)
    # Not ru_maxrss, which starts with what the parent had.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    results.put((wall_s, int(peak.split()[1]) * 1024 / MB, usage.ru_utime + usage.ru_stime))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, default=12)
    parser.add_argument("--programs", type=int, nargs="+", default=list(range(len(PROGRAMS))), help="rows to measure")
    parser.add_argument("--folder", type=Path, help="where files are written; the system's folder otherwise")
    chosen = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        write_asset(folder / "source.tif")
        size_mb = (folder / "source.tif").stat().st_size / MB
        print(f"{chosen.assets} assets of {size_mb:.0f} MB.\n")
        print("| program | s | MB/s | times serial | of the server's limit | peak memory, MB | processor, s |")
        print("|---|---|---|---|---|---|---|")
        first_s = 0.0
        for program in [list(PROGRAMS)[row] for row in chosen.programs]:
            (folder / "to").mkdir()
            with serving(folder / "source.tif", LIMITS) as address:
                results = context.Queue()
                child = context.Process(target=measured, args=(program, address, folder / "to", chosen.assets, results))
                child.start()
                wall_s, peak_mb, busy_s = results.get()
                child.join()
            first_s = first_s or wall_s
            rate = chosen.assets * size_mb / wall_s
            print(
                f"| {program} | {wall_s:.1f} | {rate:.1f} | {first_s / wall_s:.1f} | {rate / LIMITS['total-mb-s']:.0%} "
                f"| {peak_mb:.0f} | {busy_s:.1f} |",
                flush=True,
            )
            check(folder / "source.tif", folder / "to", chosen.assets)


def check(source: Path, folder: Path, count: int) -> None:
    """Compare every file with its source, and make room for the next program."""
    for place in range(count):
        path = folder / f"{place}.tif"
        if subprocess.run(["cmp", str(source), str(path)], check=False).returncode:
            raise SystemExit(f"{path} is not what the server gave")
        path.unlink()
    for note in folder.iterdir():
        note.unlink()
    folder.rmdir()


if __name__ == "__main__":
    main()
