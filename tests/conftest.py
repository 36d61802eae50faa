"""What tests of every domain share: invented patch stores, the folder of real data, files served on loopback."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import geopandas as gpd
import hypothesis
import numpy as np
import pytest
from rankscape.foundation.files import write_array
from rankscape.samples.patches import Grid, index_of, patch_id, write_index
from shapely.geometry import box
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
_TOGETHER = ("slurm", "unit/synthetic")
"""Folders of tests that share what is made once: a SLURM, an invented land."""

# How long an example takes says something of the machine, and what else it does.
hypothesis.settings.register_profile("no-clock", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("no-clock")

# A shell that starts the tests in the background has them ignore Ctrl-C, which every program they start would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


class _ByFile(LoadScopeScheduling):
    """Hands tests to processes file by file, so that what a file's tests share is made once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in _TOGETHER if nodeid.startswith(f"tests/{folder}/")), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByFile:
    """Say how tests are handed out with `--numprocesses`."""
    return _ByFile(config, log)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data beside the checkout, or the one that RANKSCAPE_SHARED names; skips where it is missing."""
    folder = Path(os.environ.get("RANKSCAPE_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data in {folder}")
    return folder


def write_patch_store(
    folder: Path,
    granule: str = "03TVF",
    *,
    pixels: np.ndarray,
    patch_px: int = 8,
    origin_m: tuple[float, float] = (400_000.0, 4_500_000.0),
    crs: str = "EPSG:32603",
    bands: tuple[str, ...] = ("B04", "B03", "B02"),
    usable: np.ndarray | None = None,
) -> Path:
    """Write the patch store of an image of 10 m pixels, shape (height, width, bands); return the array's path."""
    rows, cols = pixels.shape[0] // patch_px, pixels.shape[1] // patch_px
    cut = pixels[: rows * patch_px, : cols * patch_px].reshape(rows, patch_px, cols, patch_px, pixels.shape[2])
    patches = np.ascontiguousarray(cut.swapaxes(1, 2).reshape(rows * cols, patch_px, patch_px, pixels.shape[2]))
    side, (left, top) = patch_px * 10.0, origin_m
    places = [(row, col) for row in range(rows) for col in range(cols)]
    index = gpd.GeoDataFrame(
        {
            "patch_id": [patch_id(granule, row, col) for row, col in places],
            "granule": granule,
            "row": np.array([row for row, _ in places], np.int32),
            "col": np.array([col for _, col in places], np.int32),
            "valid_fraction": np.ones(len(places), np.float32),
            "cloud_fraction": np.zeros(len(places), np.float32),
            "usable": np.ones(len(places), bool) if usable is None else usable,
        },
        geometry=[
            box(left + col * side, top - (row + 1) * side, left + (col + 1) * side, top - row * side)
            for row, col in places
        ],
        crs=crs,
    )
    transform = (10.0, 0.0, left, 0.0, -10.0, top)
    grid = Grid(crs, transform, pixels.shape[0], pixels.shape[1], patch_px, rows, cols, bands)
    path = folder / f"{granule}.npy"
    write_array(path, patches)
    write_index(index_of(path), index, grid, {"stage": "test"})
    return path


@pytest.fixture
def patch_store(tmp_path: Path) -> Callable[..., Path]:
    """Write invented patch stores: `patch_store(granule, pixels=..., ...)` returns the array's path."""
    return partial(write_patch_store, tmp_path / "tiles")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def serve_folder() -> Iterator[Callable[[Path], str]]:
    """Serve a folder on a free loopback port: `serve_folder(path)` returns its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def gaussian_field() -> Callable[..., np.ndarray]:
    """Draw Gaussian fields of variance 1 on a grid whose exponential correlation is down to .05 at `range_px`."""

    def draw(side: int, *, range_px: float, count: int, seed: int) -> np.ndarray:
        wide = 2 * side  # circulant embedding (Dietrich and Newsam 1997): a torus wide enough for both directions
        away = np.minimum(np.arange(wide), wide - np.arange(wide))
        power = np.fft.fft2(np.exp(-3 * np.hypot(away[:, None], away) / range_px)).real.clip(0)
        noise = np.random.default_rng(seed).normal(size=(2, count, wide, wide))
        fields = np.fft.fft2(np.sqrt(power) / wide * (noise[0] + 1j * noise[1])).real
        return np.asarray(fields[:, :side, :side])

    return draw
