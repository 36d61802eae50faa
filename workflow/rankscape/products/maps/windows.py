"""Windows over the patches of a granule, in steps of half a patch, read a strip at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rankscape.samples.patches import Patches


@dataclass(frozen=True)
class WindowStrip:
    """The windows of one step downwards."""

    down: int
    """Step of the windows from the top, in half patches."""
    across: np.ndarray
    """Step of each window from the left, in half patches, int64, shape (n,)."""
    pixels: np.ndarray
    """Pixels of the windows, of the store's type, shape (n, patch_px, patch_px, bands)."""


class Windows:
    """Windows as large as a patch; every second one, down and across, is a patch.

    A window is read where all the patches that it touches are usable: clouds and missing pixels in a neighbour
    would change how the rest of it appears. So every usable patch is seen in its own window at least.
    A patch is divided into `cells` a side, and windows begin at cells.
    """

    def __init__(self, patches: Patches, cells: int) -> None:
        self._patches, self._cells = patches, cells
        grid = patches.grid
        self._position = np.full((grid.rows, grid.cols), -1, np.int64)
        index = patches.index
        usable = np.flatnonzero(index["usable"].to_numpy(bool))
        self._position[index["row"].to_numpy()[usable], index["col"].to_numpy()[usable]] = usable

    @property
    def usable(self) -> np.ndarray:
        """Which places of the grid hold a usable patch, bool, shape (rows, cols)."""
        return np.asarray(self._position >= 0)

    def offset(self, step: int) -> int:
        """Return where the windows of a step begin, in cells; half a patch is rounded down to whole cells."""
        return step * self._cells // 2

    @property
    def steps(self) -> int:
        """Number of strips."""
        return 2 * self._patches.grid.rows - 1

    def strips(self, at_once: int) -> Iterator[WindowStrip]:
        """Yield the windows from top to bottom, at most so many at once; memory holds two rows of patches."""
        for down in range(self.steps):
            across = self._across(down)
            if not len(across):
                continue
            rows = self._pixel_rows(down)
            for start in range(0, len(across), at_once):
                chosen = across[start : start + at_once]
                yield WindowStrip(down, chosen, self._cut(rows, down, chosen))

    def _rows(self, down: int) -> slice:
        return slice(down // 2, (down + 1) // 2 + 1)

    def _across(self, down: int) -> np.ndarray:
        whole = np.asarray(self.usable[self._rows(down)].all(axis=0))
        found = np.zeros(2 * len(whole) - 1, bool)
        found[::2], found[1::2] = whole, whole[1:] & whole[:-1]
        return np.flatnonzero(found)

    def _pixel_rows(self, down: int) -> np.ndarray:
        """The patches of one row, or of two, side by side; pixels of patches that are not usable are 0."""
        array, positions = self._patches.array, self._position[self._rows(down)]
        side, bands = array.shape[1], array.shape[3]
        rows, cols = positions.shape
        pixels = np.zeros((rows, side, cols, side, bands), array.dtype)
        for row, col in zip(*np.nonzero(positions >= 0), strict=True):
            pixels[row, :, col] = array[positions[row, col]]
        return pixels.reshape(rows * side, cols * side, bands)

    def _cut(self, rows: np.ndarray, down: int, across: np.ndarray) -> np.ndarray:
        side = self._patches.grid.patch_px
        top, *lefts = (round(self.offset(step) * side / self._cells) for step in (down % 2, *across.tolist()))
        return np.stack([rows[top : top + side, left : left + side] for left in lefts])
