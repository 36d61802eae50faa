"""Maps of one granule: the 10 m raster and the native grid, with the same information."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from rankscape.foundation.progress import bar
from rankscape.mapping.backends import Fill
from rankscape.mapping.surface import BANDS, Surface
from rankscape.scenes.rasters import cog_writer, row_windows

_BAND_PIXELS = 1 << 22
"""Pixels of a band of rows: its buffer takes 34 MB for both bands, whatever the raster's size."""
_CACHE_MB = 256
"""Blocks that GDAL keeps in memory; left to itself it takes a twentieth of the machine."""


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


def write_patches(path: Path, surface: Surface, tags: dict[str, str], level: int) -> None:
    """Write the native grid of a granule as a COG, one pixel a patch.

    Args:
        path: Raster to write.
        surface: Scores on the native grid.
        tags: Metadata of the raster.
        level: ZSTD level.
    """
    with cog_writer(
        path, shape=surface.values.shape, dtype="float32", crs=surface.grid.crs, transform=surface.transform,
        names=BANDS, nodata=np.nan, tags=tags, level=level,
    ) as dataset:  # fmt: skip
        dataset.write(surface.values)
        tag_statistics(dataset, surface.values)


def write_mosaic(path: Path, surface: Surface, fill: Fill, tags: dict[str, str], level: int, threads: int) -> None:
    """Write the raster of a granule at the pixels of its image as a COG; every patch's score fills its square.

    Args:
        path: Raster to write.
        surface: Scores on the native grid.
        fill: Kernel that fills rows of the raster.
        tags: Metadata of the raster.
        level: ZSTD level.
        threads: Threads that compress.
    """
    grid = surface.grid
    shape = (len(BANDS), grid.height_px, grid.width_px)
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB), cog_writer(
        path, shape=shape, dtype="float32", crs=grid.crs, transform=Affine(*grid.transform), names=BANDS,
        nodata=np.nan, tags=tags, level=level, threads=threads,
    ) as dataset, bar(f"mosaic {surface.granule}", unit="row", total=grid.height_px) as progress:  # fmt: skip
        tag_statistics(dataset, surface.values)
        for window, rows in _filled(surface, fill):
            dataset.write(rows, window=window)
            progress.update(window.height)


def _filled(surface: Surface, fill: Fill) -> Iterator[tuple[Window, np.ndarray]]:
    """Yield the raster's rows in bands, float32, shape (2, height, width), in a buffer that is used again."""
    windows = row_windows(surface.grid.height_px, surface.grid.width_px, _BAND_PIXELS)
    buffer = np.empty((len(BANDS), windows[0].height, surface.grid.width_px), np.float32)
    for window in windows:
        rows = buffer[:, : window.height]
        for values, out in zip(surface.values, rows, strict=True):
            fill(values, surface.grid.patch_px, window.row_off, out)
        yield window, rows
