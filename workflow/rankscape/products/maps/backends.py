"""The mosaic kernels: those of the CPU, and those of a GPU by name; the ones asked for run, or nothing does.

On the CPU every patch's value fills its square, and overlapping windows are blended. Rasters are made in pieces, so
that one small buffer serves any number of granules. Positions are Python integers or int64: the raster of a whole
region has more pixels than 32 bits can count.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from rankscape.foundation.package_files import lazy
from rankscape.products.maps.pieces import BUDGET_BYTES, RasterForm, RasterPiece, WindowPlaces, encoded, no_data, pieces

Fill = Callable[[np.ndarray, int, RasterForm], Iterator[RasterPiece]]
"""values (layers, rows, cols), patch_px, form: see `fill`."""
Blend = Callable[[np.ndarray, np.ndarray, WindowPlaces, RasterForm], Iterator[RasterPiece]]
"""windows (layers, n, side, side), weights (side, side), places, form: see `blend`."""


GPU = lazy({"cuda": "rankscape.products.maps.cuda"})
"""Backends on a GPU."""


@dataclass(frozen=True)
class Kernels:
    """The kernels of one backend."""

    fill: Fill
    """Fills rasters with the values of patches."""
    blend: Blend
    """Blends overlapping windows."""


@contextlib.contextmanager
def open_kernels(backend: str) -> Iterator[Kernels]:
    """Yield the kernels of a backend.

    Args:
        backend: `cpu` or `cuda`.

    Raises:
        DeviceError: If `cuda` is asked for where there is no PyCUDA or no GPU; it is never replaced by the CPU.
    """
    if backend in GPU:
        cuda = GPU[backend]
        with cuda.open_module() as (driver, module):
            gpu = cuda.Gpu(driver, module)
            yield Kernels(gpu.fill, gpu.blend)
    else:
        yield Kernels(fill, blend)


def fill(
    values: np.ndarray, patch_px: int, form: RasterForm, budget_bytes: int = BUDGET_BYTES
) -> Iterator[RasterPiece]:
    """Fill rasters with the values of the patches that their pixels lie in.

    Args:
        values: Score of every patch, float32, shape (layers, rows, cols); NaN where there is none.
        patch_px: Side of a patch in pixels.
        form: Layers, size and type of the rasters; what no patch covers, at the right and the bottom, has no data.
        budget_bytes: Bytes of a piece.

    Yields:
        Pieces that cover every pixel once.
    """
    for layers, rows, out in _buffers(form, budget_bytes):
        for source, target in zip(values[layers], out, strict=True):
            fill_rows(source, patch_px, rows.start, target)
        yield RasterPiece(layers, rows, out)


def fill_rows(values: np.ndarray, patch_px: int, start_px: int, out: np.ndarray) -> None:
    """Fill some rows of one raster.

    Args:
        values: Score of every patch, float32, shape (rows, cols); NaN where there is none.
        patch_px: Side of a patch in pixels.
        start_px: Row of the raster that is the first of `out`.
        out: Buffer to fill, float32 or uint8, shape (height, width); all of it is written.
    """
    height, width = out.shape
    last_px = min(start_px + height, values.shape[0] * patch_px)
    covered = min(width, values.shape[1] * patch_px)
    out[max(0, last_px - start_px) :] = no_data(str(out.dtype))
    out[:, covered:] = no_data(str(out.dtype))
    for row in range(start_px // patch_px, -(-last_px // patch_px)):
        top = max(row * patch_px, start_px) - start_px
        bottom = min((row + 1) * patch_px, last_px) - start_px
        out[top:bottom, :covered] = np.repeat(encoded(values[row], str(out.dtype)), patch_px)[:covered]


def blend(
    windows: np.ndarray, weights: np.ndarray, places: WindowPlaces, form: RasterForm, budget_bytes: int = BUDGET_BYTES
) -> Iterator[RasterPiece]:
    """Blend overlapping windows: the mean of the scores that lie over a pixel, by their weights.

    Sums are of 64 bits and run over the windows row by row, as on the GPU.

    Args:
        windows: Scores, float32, shape (layers, n, side, side).
        weights: Weight of each pixel of a window, float64, shape (side, side).
        places: Where the windows stand.
        form: Layers, size and type of the rasters; pixels that no weight reaches have no data.
        budget_bytes: Bytes of a piece; the sums of one layer of it take up to 16 times as many.

    Yields:
        Pieces that cover every pixel once.

    Raises:
        RasterError: If places and windows do not belong together.
    """
    places.check(windows)
    for layers, rows, out in _buffers(form, budget_bytes):
        for source, target in zip(windows[layers], out, strict=True):
            target[:] = encoded(_blended(source, weights, places, rows, form.width), form.dtype)
        yield RasterPiece(layers, rows, out)


def _blended(windows: np.ndarray, weights: np.ndarray, places: WindowPlaces, rows: slice, width: int) -> np.ndarray:
    """Rows of one blended layer, float32, shape (rows, width)."""
    total, weight = np.zeros((2, rows.stop - rows.start, width))
    side = len(weights)
    first, last = np.searchsorted(places.tops, [rows.start - side + 1, rows.stop]).tolist()
    for down in range(first, last):
        top = int(places.tops[down])
        inside = slice(max(rows.start - top, 0), min(rows.stop - top, side))
        there = slice(top + inside.start - rows.start, top + inside.stop - rows.start)
        for across in np.flatnonzero(places.index[down] >= 0).tolist():
            left = int(places.lefts[across])
            scores = windows[places.index[down, across], inside, : max(0, width - left)]
            share = weights[inside, : max(0, width - left)]
            total[there, left : left + side] += share * scores
            weight[there, left : left + side] += share
    with np.errstate(invalid="ignore"):
        return np.where(weight > 0, total / weight, np.nan).astype(np.float32)


def _buffers(form: RasterForm, budget_bytes: int) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield layers, rows and a buffer of that shape, whose memory is used again."""
    memory = np.empty(0, form.dtype)
    for layers, rows in pieces(form, budget_bytes):
        shape = layers.stop - layers.start, rows.stop - rows.start, form.width
        if memory.size < shape[0] * shape[1] * shape[2]:
            memory = np.empty(shape[0] * shape[1] * shape[2], form.dtype)
        yield layers, rows, memory[: shape[0] * shape[1] * shape[2]].reshape(shape)
