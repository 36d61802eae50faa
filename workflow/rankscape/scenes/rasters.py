"""Opening rasters with care: known formats, sizes that can be, nothing beside the file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Interleaving, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rankscape.foundation.errors import RasterError

DRIVERS = {
    b"II*\0": "GTiff",
    b"MM\0*": "GTiff",
    b"II+\0": "GTiff",
    b"MM\0+": "GTiff",
    b"\0\0\0\x0c": "JP2OpenJPEG",
    b"\xffO\xffQ": "JP2OpenJPEG",
}
"""First bytes of the formats that satellite assets come in, and the GDAL driver that reads each.

A Cloud-Optimized GeoTIFF is read by the driver of GeoTIFF. GDAL is never left to guess among its two hundred.
"""
MAX_PIXELS = 1_000_000_000
"""A Sentinel-2 granule has 1.2e8 pixels, a scene of Sentinel-1 up to 7e8; a header that claims far more is an attack or
a mistake."""
MAX_BANDS = 256
"""An image of twelve months has up to 156 bands."""
NO_DATA, CLEAR, CLOUDY = 0, 1, 2
"""Values of a quality raster."""
SCENE_CLASSES, SCENE_CLOUDS = range(12), (3, 8, 9, 10)
"""Numbers of Sentinel-2's scene classification (SCL), and those of cloud shadow, cloud and cirrus."""
_MAX_BLOCK_BYTES = 1 << 30
"""A block is decoded whole: a small file whose one block claims more is a bomb."""
_ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
"""Nothing beside a raster (.aux.xml, .ovr, .msk, a world file) says anything about it: only the file itself counts."""
_BLOCK_PX = 512
_WINDOW_PIXELS = 1 << 24
_CACHE_BYTES = 64 << 20
"""GDAL's cache of blocks where every block is used once; by itself it takes a share of the machine's memory."""
_CHECK_PIXELS = 1 << 21
"""Checking reads every block once, so it needs little memory."""


@contextlib.contextmanager
def open_raster(path: Path, *, max_pixels: int = MAX_PIXELS, max_bands: int = MAX_BANDS) -> Iterator[Any]:
    """Open a local raster for reading.

    Args:
        path: GeoTIFF, Cloud-Optimized GeoTIFF or JPEG 2000.
        max_pixels: Larger rasters (rows x columns) are refused before anything is decoded.
        max_bands: Rasters with more bands are refused.

    Yields:
        The open rasterio dataset.

    Raises:
        RasterError: If the file is missing, of another format, too large, or cannot be decoded inside the block.
    """
    driver = _driver(Path(path))
    try:
        with rasterio.Env(**_ALONE), rasterio.open(path, driver=driver) as dataset:
            _check_size(path, dataset, max_pixels, max_bands)
            yield dataset
    except RasterioError as error:
        raise RasterError(f"{path} is no whole GeoTIFF or JPEG 2000 ({brief(error)}): get it again.") from None


def is_raster(path: Path) -> bool:
    """Whether a file begins as a GeoTIFF or JPEG 2000 does, whatever its suffix."""
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        return handle.read(4) in DRIVERS


def _driver(path: Path) -> str:
    if not path.is_file():
        raise RasterError(f"{path} does not exist: make it first, or mend the path.")
    with path.open("rb") as handle:
        start = handle.read(4)
    if start not in DRIVERS:
        raise RasterError(f"{path} is no GeoTIFF or JPEG 2000 (it starts with {start!r}): get it again.")
    return DRIVERS[start]


def _check_size(path: Path, dataset: Any, max_pixels: int, max_bands: int) -> None:
    if dataset.height * dataset.width > max_pixels or dataset.count > max_bands:
        raise RasterError(
            f"{path} claims {dataset.height} x {dataset.width} pixels in {dataset.count} bands; "
            f"at most {max_pixels} pixels in {max_bands} bands are read."
        )
    rows, cols = dataset.block_shapes[0]
    together = dataset.count if dataset.interleaving == Interleaving.pixel else 1
    block_bytes = rows * cols * together * np.dtype(dataset.dtypes[0]).itemsize
    if block_bytes > _MAX_BLOCK_BYTES:
        raise RasterError(
            f"{path} claims blocks of {rows} x {cols} pixels, {block_bytes} bytes each; at most {_MAX_BLOCK_BYTES} are "
            "decoded at once: write it with blocks of 512 pixels."
        )


def brief(error: BaseException) -> str:
    """Return what GDAL said in one line, from the deepest cause, since rasterio's own word is only to look there."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()).rstrip(".")


def row_windows(height_px: int, width_px: int, pixels: int = _WINDOW_PIXELS, step_px: int = _BLOCK_PX) -> list[Window]:
    """Cut an image into windows of whole rows.

    Args:
        height_px: Rows of the image.
        width_px: Columns of the image.
        pixels: Pixels a window at most, as far as `step_px` rows allow.
        step_px: Rows of a window are a multiple of this, so that no block is decoded twice.

    Returns:
        Windows from top to bottom that cover every row once.
    """
    rows = max(1, pixels // max(1, width_px) // step_px) * step_px
    return [Window(0, top, width_px, min(rows, height_px - top)) for top in range(0, height_px, rows)]


def windows(height_px: int, width_px: int, pixels: int = _WINDOW_PIXELS, step_px: int = 2 * _BLOCK_PX) -> list[Window]:
    """Cut an image into windows, row-major, so that memory stays bounded however wide it is.

    Args:
        height_px: Rows of the image.
        width_px: Columns of the image.
        pixels: Pixels a window at most, as far as a square of `step_px` allows.
        step_px: Sides of windows are multiples of this, so that few blocks are decoded twice.

    Returns:
        Windows that cover every pixel once; whole rows where `pixels` allows.
    """
    bands = row_windows(height_px, width_px, pixels, step_px)
    rows = int(bands[0].height)
    cols = width_px if rows * width_px <= pixels else max(1, pixels // rows // step_px) * step_px
    return [
        Window(left, band.row_off, min(cols, width_px - left), band.height)
        for band in bands
        for left in range(0, width_px, cols)
    ]


def check_whole(path: Path, *, max_pixels: int = MAX_PIXELS, threads: int = 1) -> float:
    """Decode every block of a raster: a truncated or damaged file fails here, not in the middle of a computation.

    Args:
        path: The raster, on a local disk.
        max_pixels: Larger rasters are refused.
        threads: Threads that decode.

    Returns:
        Share of the pixels that are 0 in all bands, 0 to 1.

    Raises:
        RasterError: If the raster cannot be opened or a block cannot be decoded.
    """
    empty = 0
    limits = {"GDAL_CACHEMAX": _CACHE_BYTES, "GDAL_NUM_THREADS": str(threads)}
    with rasterio.Env(**limits), open_raster(path, max_pixels=max_pixels) as dataset:
        step_px = min(max(_BLOCK_PX, *(rows for rows, _ in dataset.block_shapes)), 4 * _BLOCK_PX)
        masked = MaskFlags.per_dataset in dataset.mask_flag_enums[0]
        for window in windows(dataset.height, dataset.width, _CHECK_PIXELS // dataset.count, step_px):
            pixels = dataset.read(window=window)
            empty += pixels[0].size - int(np.count_nonzero(pixels.any(axis=0)))
            if masked:
                dataset.read_masks(1, window=window)
        return empty / float(dataset.height * dataset.width)
