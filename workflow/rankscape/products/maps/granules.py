"""Maps of one granule: the 10 m raster and the native grid, with the same information."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.windows import Window

from rankscape.foundation.progress import bar
from rankscape.products.maps.backends import Fill
from rankscape.products.maps.pieces import LEVELS, RasterForm, encoded, no_data, pieces
from rankscape.products.maps.surface import BANDS, Surface
from rankscape.scenes.cogs import cog_writer


def statistics(values: np.ndarray) -> dict[str, float]:
    """Return minimum, maximum, mean and standard deviation; nothing where no value is given.

    Args:
        values: NaN where there is none; any shape.
    """
    given = values[np.isfinite(values)].astype(np.float64)
    if given.size == 0:
        return {}
    return {
        "minimum": float(given.min()), "maximum": float(given.max()), "mean": float(given.mean()),
        "stddev": float(given.std()),
    }  # fmt: skip


def tag_statistics(dataset: Any, values: np.ndarray) -> None:
    """Write each band's statistics where GDAL and QGIS look for them, so that nobody reads the raster to stretch it.

    Args:
        dataset: Raster open for writing.
        values: What its pixels show, shape (bands, ...).
    """
    for place, band in enumerate(values, start=1):
        found = statistics(band)
        dataset.update_tags(place, **{f"STATISTICS_{name.upper()}": f"{value:.9g}" for name, value in found.items()})


def write_patches(path: Path, surface: Surface, tags: dict[str, str], names: Sequence[str] = BANDS) -> None:
    """Write the native grid of a granule as a COG, one pixel a patch.

    Args:
        path: Raster to write.
        surface: Values on the native grid.
        tags: Metadata of the raster.
        names: What the bands are called.
    """
    with cog_writer(
        path, shape=surface.values.shape, dtype="float32", crs=surface.grid.crs, transform=surface.transform,
        names=names, nodata=np.nan, tags=tags,
    ) as dataset:  # fmt: skip
        dataset.write(surface.values)
        tag_statistics(dataset, surface.values)


def write_pixels(path: Path, surface: Surface, fill: Fill, dtype: str, tags: dict[str, str], threads: int) -> None:
    """Write the raster of a granule at the pixels of its image as a COG; every patch's score fills its square.

    Args:
        path: Raster to write.
        surface: Scores on the native grid.
        fill: Kernel that fills the raster.
        dtype: `float32`, or `uint8`, whose bands say what a level is worth (GDAL's scale).
        tags: Metadata of the raster.
        threads: Threads that compress.
    """
    grid, values = surface.grid, surface.values
    form = RasterForm(len(BANDS), grid.height_px, grid.width_px, dtype)
    with cog_writer(
        path, shape=(form.layers, form.height, form.width), dtype=dtype, crs=grid.crs,
        transform=Affine(*grid.transform), names=BANDS, nodata=no_data(dtype), tags=tags, threads=threads,
        overview=BlockOverviews(values, grid.patch_px, form),
    ) as dataset, bar(f"rasterize {surface.granule}", unit="row", total=form.height) as progress:  # fmt: skip
        if dtype == "uint8":
            dataset.scales = (1 / LEVELS,) * form.layers
        tag_statistics(dataset, np.where(np.isnan(values), np.nan, encoded(values, dtype)))
        for piece in fill(values, grid.patch_px, form):
            height = piece.rows.stop - piece.rows.start
            dataset.write(piece.pixels, window=Window(0, piece.rows.start, form.width, height))
            progress.update(height)


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
    form: RasterForm
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
        smaller = RasterForm(self.form.layers, len(row_kind), len(col_kind), self.form.dtype)
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
