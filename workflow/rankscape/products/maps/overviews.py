"""Overviews of a raster of squares, from the values of the patches instead of its pixels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rankscape.products.maps.pieces import Form, encoded, pieces


@dataclass(frozen=True)
class BlockOverviews:
    """Averages of the pixels of a raster in which every patch's value fills its square.

    A pixel of an overview with factor f is the mean over the f x f pixels that it covers and that have a score: the sum
    of the values of the patches below, each times its number of such pixels, over their number. Rows of an overview are
    of few kinds, by the patches that they touch, and so are columns: each pair is computed once.
    """

    values: np.ndarray
    """Score of every patch, float32, shape (bands, rows, cols); NaN where there is none."""
    patch_px: int
    """Side of a patch in pixels of the raster."""
    form: Form
    """Bands, size and type of the raster."""

    def __call__(self, factor: int) -> Iterator[np.ndarray]:
        """Yield the overview with a factor from top to bottom, shape (bands, rows, width over factor, rounded up)."""
        rows, row_kind = _kinds(self.values.shape[1], self.patch_px, self.form.height, factor)
        cols, col_kind = _kinds(self.values.shape[2], self.patch_px, self.form.width, factor)
        total = rows @ np.nan_to_num(self.values.astype(np.float64)) @ cols.T
        count = rows @ np.isfinite(self.values).astype(np.float64) @ cols.T
        with np.errstate(invalid="ignore"):
            means = np.where(count > 0, total / count, np.nan).astype(np.float32)
        lines = encoded(means, self.form.dtype)[:, :, col_kind]
        smaller = Form(self.form.layers, len(row_kind), len(col_kind), self.form.dtype)
        for layers, part in pieces(smaller):
            yield lines[layers, row_kind[part]]


def _kinds(patches: int, patch_px: int, size_px: int, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Kinds of rows of an overview.

    Returns:
        Pixels that each kind shares with each patch, float64, shape (kinds, patches), and the kind of each row.
    """
    top = np.arange(0, size_px, factor)[:, None]
    start = np.arange(patches) * patch_px
    last = np.minimum(np.minimum(top + factor, start + patch_px), size_px)
    shared = np.maximum(last - np.maximum(top, start), 0)
    kinds, kind = np.unique(shared, axis=0, return_inverse=True)
    return kinds.astype(np.float64), kind.reshape(-1)
