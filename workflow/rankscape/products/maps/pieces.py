"""Rasters too large for memory, in pieces; and where the windows lie that are blended."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rankscape.foundation.errors import RasterError

BUDGET_BYTES = 64 << 20
"""Bytes of one piece, whatever the number of layers and their size: one buffer of the CPU, two of the GPU."""
ROWS_PX = 512
"""Pieces have a multiple of so many rows, where the budget allows: rows of whole blocks of a GeoTIFF."""
LEVELS, NO_DATA = 250, 255
"""A score in bytes is level / 250, so that a step is 0.004; 255 is no data."""


@dataclass(frozen=True)
class RasterForm:
    """What a raster of several layers looks like."""

    layers: int
    """Bands, granules, or bands of several granules."""
    height: int
    """Rows of a layer in pixels."""
    width: int
    """Columns of a layer in pixels."""
    dtype: str = "float32"
    """`float32`, or `uint8` as `encoded` makes it."""


@dataclass(frozen=True)
class RasterPiece:
    """Some rows of some layers."""

    layers: slice
    """Which layers."""
    rows: slice
    """Which rows of each."""
    pixels: np.ndarray
    """Their pixels, shape (layers, rows, width); the buffer is used again when the next piece is asked for."""


@dataclass(frozen=True)
class WindowPlaces:
    """Where windows of equal size stand: at steps down and across, not necessarily all of them."""

    tops: np.ndarray
    """First row of each step downwards in pixels, int32, increasing, shape (downs,)."""
    lefts: np.ndarray
    """First column of each step across in pixels, int32, increasing, shape (acrosses,)."""
    index: np.ndarray
    """Number of the window at each step, int64, shape (downs, acrosses); -1 where none is. Numbers grow row by row."""

    @cached_property
    def before(self) -> np.ndarray:
        """Number of windows above each step downwards, and of all, int64, shape (downs + 1,)."""
        return np.concatenate([[0], np.cumsum((self.index >= 0).sum(axis=1))])

    def check(self, windows: np.ndarray) -> None:
        """Hold the places against the windows, whose numbers are offsets into memory for the GPU.

        Raises:
            RasterError: If steps do not increase, or the windows are not numbered row by row.
        """
        numbers, count = self.index[self.index >= 0], windows.shape[1]
        if self.index.shape != (len(self.tops), len(self.lefts)) or not np.array_equal(numbers, range(count)):
            raise RasterError(
                f"{count} windows stand at {len(numbers)} places of {self.index.shape}: number them row by row."
            )
        if (np.diff(self.tops, prepend=-1) <= 0).any() or (np.diff(self.lefts, prepend=-1) <= 0).any():
            raise RasterError("Windows that are blended have to stand at increasing rows and columns, from 0 on.")


def encoded(scores: np.ndarray, dtype: str) -> np.ndarray:
    """Return scores as pixels of a raster.

    Args:
        scores: Scores in [0, 1], float32, any shape; NaN where there is none.
        dtype: `float32` leaves them as they are; `uint8` gives score * `LEVELS`, rounded to the nearest (to even
            where two are as near), limited to 0 ... `LEVELS`; NaN becomes `NO_DATA`.

    Returns:
        Pixels of that type, of the same shape.
    """
    if dtype == "float32":
        return scores.astype(np.float32, copy=False)
    levels = np.clip(np.rint(scores.astype(np.float32) * np.float32(LEVELS)), 0, LEVELS)
    return np.where(np.isnan(levels), NO_DATA, levels).astype(np.uint8)


def no_data(dtype: str) -> float:
    """Return the value of pixels without a score: NaN, or `NO_DATA`."""
    return float("nan") if dtype == "float32" else NO_DATA


def pieces(form: RasterForm, budget_bytes: int = BUDGET_BYTES) -> Iterator[tuple[slice, slice]]:
    """Cut a raster into layers and rows, so that no piece takes more than the budget; one row is the least.

    All layers come together where `ROWS_PX` rows of them fit, as a writer of bands needs them; else in groups.
    """
    row_bytes = form.width * np.dtype(form.dtype).itemsize
    strip = min(form.height, ROWS_PX)
    group = max(1, min(form.layers, budget_bytes // (strip * row_bytes)))
    rows = budget_bytes // (group * row_bytes)
    rows = rows // ROWS_PX * ROWS_PX or max(1, rows)
    for layer in range(0, form.layers, group):
        for top in range(0, form.height, rows):
            yield slice(layer, min(layer + group, form.layers)), slice(top, min(top + rows, form.height))
