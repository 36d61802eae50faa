"""Any images to score: a folder of images, or one GeoTIFF that is cut into patches."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.warp import transform as reproject
from rasterio.windows import Window

from rankscape.foundation.errors import InputError, RasterError
from rankscape.foundation.visible_files import visible_below
from rankscape.samples.image_pixels import (
    FORMATS,
    band_count,
    check_colour_order,
    check_image,
    check_upright,
    data_bands,
    read_window,
    shown_colours,
)
from rankscape.samples.listing import SUFFIXES, check_readable
from rankscape.samples.rendering import MAX_PIXELS, open_image
from rankscape.scenes.rasters import is_raster, open_raster

RASTERS = frozenset({".tif", ".tiff", ".jp2", ".j2k"})
IMAGES = frozenset(SUFFIXES) | RASTERS
MIN_VALID_FRACTION = 0.5
"""Images with a smaller share of pixels with data get no score, as in `tile.min_valid_fraction`'s default."""


@dataclass(frozen=True)
class ScoredRaster:
    """What must be known of a raster before it is cut."""

    path: Path
    """The file."""
    dtype: np.dtype[Any]
    """Type of its pixels."""
    bands: int
    """Number of bands."""
    names: tuple[str, ...] | None
    """Descriptions of the bands, where every band has one."""
    rows: int
    """Rows of patches."""
    cols: int
    """Columns of patches."""
    patch_px: int
    """Side of a patch."""


def find_images(source: Path) -> list[Path]:
    """Return the images of a folder and the folders in it, sorted by path; hidden files are left out.

    Raises:
        InputError: If there is no image.
        RasterError: If one is of a kind that is not read.
    """
    files = [source] if source.is_file() else [path for path in sorted(visible_below(source)) if path.is_file()]
    for path in files:
        check_readable(path.relative_to(source.parent).as_posix(), sorted(IMAGES))
    found = [path for path in files if path.suffix.lower() in IMAGES]
    if not found:
        raise InputError(f"{source} holds no image: files ending in {', '.join(sorted(IMAGES))} are read.")
    return found


def read_image(path: Path) -> np.ndarray:
    """Read one image.

    Returns:
        uint8 of shape (height, width, 3); of a TIFF the type and bands that it has, pixels without data 0 or NaN.

    Raises:
        RasterError: If it is broken, too large, or no 8-bit image; the message names it.
    """
    if is_raster(path):
        check_upright(path)
        with open_raster(path, max_pixels=MAX_PIXELS) as dataset:
            check_colour_order(dataset)
            return read_window(dataset, Window(0, 0, dataset.width, dataset.height))
    with open_image(path, FORMATS) as image:
        check_image(image, path)
        return np.array(shown_colours(image))[..., :3]


def look_at_raster(path: Path, patch_px: int) -> ScoredRaster:
    """Read a raster's description.

    Raises:
        RasterError: If it cannot be read, or is smaller than one patch.
    """
    check_upright(path)
    with open_raster(path) as dataset:
        rows, cols = dataset.height // patch_px, dataset.width // patch_px
        if rows == 0 or cols == 0:
            raise RasterError(
                f"{path} has {dataset.height} x {dataset.width} pixels, less than one patch of {patch_px} px: give a "
                "smaller --patch-px."
            )
        check_colour_order(dataset)
        given = [dataset.descriptions[number - 1] for number in data_bands(dataset)]
        names = tuple(map(str, given)) if all(given) and len(given) == band_count(dataset) else None
        return ScoredRaster(path, np.dtype(dataset.dtypes[0]), band_count(dataset), names, rows, cols, patch_px)


def cut_raster(raster: ScoredRaster) -> Iterator[np.ndarray]:
    """Yield the patches of a raster, one row of patches at a time, from the upper left; the rest is left out.

    Yields:
        Pixels of the raster's type, shape (cols, patch_px, patch_px, bands), pixels without data 0 or NaN.
    """
    side = raster.patch_px
    with open_raster(raster.path) as dataset:
        for row in range(raster.rows):
            strip = read_window(dataset, Window(0, row * side, raster.cols * side, side))
            yield np.ascontiguousarray(strip.reshape(side, raster.cols, side, raster.bands).swapaxes(0, 1))


def patch_centres(raster: ScoredRaster) -> tuple[np.ndarray, np.ndarray] | None:
    """Return longitude and latitude of every patch's centre in degrees (WGS 84), row-major; None without a CRS."""
    with open_raster(raster.path) as dataset:
        if dataset.crs is None:
            return None
        rows, cols = np.divmod(np.arange(raster.rows * raster.cols), raster.cols)
        right, down = (cols + 0.5) * raster.patch_px, (rows + 0.5) * raster.patch_px
        a, b, c, d, e, f = tuple(dataset.transform)[:6]
        x, y = a * right + b * down + c, d * right + e * down + f
        longitude, latitude = reproject(dataset.crs, "EPSG:4326", x, y)
    return np.asarray(longitude), np.asarray(latitude)


def valid_fraction(patches: np.ndarray) -> np.ndarray:
    """Return the share of pixels with data: not 0 in every band of bytes, not NaN in any band of numbers.

    Args:
        patches: uint8 or float32, shape (n, height, width, bands).

    Returns:
        float64 in [0, 1], shape (n,).
    """
    seen = (patches != 0).any(axis=3) if patches.dtype == np.uint8 else np.isfinite(patches).all(axis=3)
    return np.asarray(seen.mean(axis=(1, 2)))
