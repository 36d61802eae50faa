"""Scenes of a swath on a granule's grid: bilinear, and of physical values, never of decibels."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.warp import reproject, transform_bounds
from rasterio.windows import Window

from rankscape.foundation.errors import RasterError
from rankscape.scenes.mgrs import GranuleGrid
from rankscape.scenes.plausibility import PAD_PX
from rankscape.scenes.rasters import brief, open_raster
from rankscape.scenes.sensors.protocol import Decoder

GSD_M = 10
"""Pixel size of the grid that all sensors share."""
_PAD_PX = PAD_PX + 2
"""What zero areas and the neighbours of a bilinear mean need."""
_EDGES = 21
_SAME = 1e-6
"""Share of a pixel by which rounding may move a corner."""


def covering_grid(paths: Sequence[Path], grid: GranuleGrid) -> tuple[Affine, int, int]:
    """Return the grid on which scenes of a swath are composed: that of the granule's optical scenes.

    It is the whole granule where scenes reach beyond it, as those of archives do. Cut-outs that lie within the granule
    give the rectangle that they fill together, on the same lattice.

    Args:
        paths: Files of all scenes.
        grid: The granule.

    Returns:
        Transform, rows, columns.

    Raises:
        RasterError: If a file has no place on a map, or none touches the granule.
    """
    left, bottom, right, top = grid.bounds_m
    boxes = np.array([_bounds_m(path, grid.epsg) for path in paths])
    west, south = (float(value) for value in boxes[:, :2].min(axis=0))
    east, north = (float(value) for value in boxes[:, 2:].max(axis=0))
    if west >= right or east <= left or south >= top or north <= bottom:
        raise RasterError(f"{grid.id}: its {len(paths)} files lie beside the granule: search again.")
    if west >= left and south >= bottom and east <= right and north <= top:
        left, right = left + _down(west - left), left + _up(east - left)
        top, bottom = top - _down(top - north), top - _up(top - south)
    return Affine(GSD_M, 0, left, 0, -GSD_M, top), (top - bottom) // GSD_M, (right - left) // GSD_M


def _down(distance_m: float) -> int:
    return math.floor(distance_m / GSD_M + _SAME) * GSD_M


def _up(distance_m: float) -> int:
    return math.ceil(distance_m / GSD_M - _SAME) * GSD_M


def _bounds_m(path: Path, epsg: int) -> tuple[float, float, float, float]:
    with open_raster(path) as dataset:
        if dataset.crs is None:
            raise RasterError(
                f"{path} has no CRS: amplitudes in radar geometry are no backscatter on a map; take sentinel-1-rtc."
            )
        turned = dataset.transform.b or dataset.transform.d or dataset.transform.e >= 0
        if turned:
            raise RasterError(f"{path} is turned or mirrored: get it north up.")
        if dataset.crs.to_epsg() == epsg:
            left, bottom, right, top = dataset.bounds
        else:
            left, bottom, right, top = transform_bounds(dataset.crs, epsg, *dataset.bounds, densify_pts=_EDGES)
        return left, bottom, right, top


def read_resampled(
    files: Sequence[Any], decoder: Decoder, crs: Any, transform: Affine, window: Window
) -> tuple[np.ndarray, np.ndarray]:
    """Read a window of the grid from files of one scene: decoded as they are, then resampled bilinearly.

    A pixel whose nearest neighbour holds no data holds none; of its other neighbours those with data count.

    Args:
        files: Open datasets of one band each, on one grid of any CRS.
        decoder: Decodes their numbers.
        crs: CRS of the grid.
        transform: Transform of the grid.
        window: Window of the grid.

    Returns:
        Physical values, float32, NaN where there is no data, shape (bands, rows, columns), and bool of (rows, columns).

    Raises:
        RasterError: If the files lie on different grids, or cannot be read.
    """
    first, *others = files
    for other in others:
        if (other.shape, other.crs, other.transform) != (first.shape, first.crs, first.transform):
            raise RasterError(f"{other.name} and {first.name} lie on different grids: get the scene again.")
    shape = (len(files), int(window.height), int(window.width))
    ours = transform @ Affine.translation(window.col_off, window.row_off)
    pixels = np.full(shape, np.nan, np.float32)
    part = _source_window(first, crs, ours, shape[1:])
    if part is None:
        return pixels, np.zeros(shape[1:], bool)
    values, _ = decoder.decode([file.read(window=part) for file in files], [file.nodata for file in files])
    theirs = first.transform @ Affine.translation(part.col_off, part.row_off)
    if first.crs == crs and (offset := _whole_offset(theirs, ours)) is not None:
        _copy(values, pixels, *offset)
    else:
        _warp(values, first, theirs, pixels, crs, ours)
    return pixels, np.all(np.isfinite(pixels), axis=0)


def _whole_offset(theirs: Affine, ours: Affine) -> tuple[int, int] | None:
    """Return the row and column of a file at which our grid begins, where both share one lattice; else None."""
    col, row = ~theirs @ (ours.c, ours.f)
    same = abs(theirs.a - ours.a) <= _SAME and abs(theirs.e - ours.e) <= _SAME
    near = abs(col - round(col)) <= _SAME and abs(row - round(row)) <= _SAME
    return (round(row), round(col)) if same and near else None


def _copy(values: np.ndarray, pixels: np.ndarray, row: int, col: int) -> None:
    """Copy what both share, without any resampling."""
    (height, width), (rows, cols) = values.shape[1:], pixels.shape[1:]
    top, left = max(0, -row), max(0, -col)
    bottom, right = min(rows, height - row), min(cols, width - col)
    if top < bottom and left < right:
        pixels[:, top:bottom, left:right] = values[:, top + row : bottom + row, left + col : right + col]


def _warp(values: np.ndarray, dataset: Any, theirs: Affine, pixels: np.ndarray, crs: Any, ours: Affine) -> None:
    """Resample all bands into `pixels`."""
    places = {"src_transform": theirs, "src_crs": dataset.crs, "dst_transform": ours, "dst_crs": crs}
    try:
        reproject(
            values, pixels, **places, src_nodata=np.nan, dst_nodata=np.nan, resampling=Resampling.bilinear,
            tolerance=_TOLERANCE_PX,
        )  # fmt: skip
    except RasterioError as error:
        raise RasterError(f"{dataset.name} cannot be brought to the granule's grid ({brief(error)}).") from None


_TOLERANCE_PX = 0.01
"""By so much the place of a pixel may be approximated."""


def _source_window(dataset: Any, crs: Any, transform: Affine, shape: tuple[int, ...]) -> Window | None:
    """Return the part of a file that a window of the grid needs; None where it lies elsewhere."""
    rows, cols = shape
    (left, top), (right, bottom) = transform @ (0, 0), transform @ (cols, rows)
    if dataset.crs != crs:
        left, bottom, right, top = transform_bounds(crs, dataset.crs, left, bottom, right, top, densify_pts=_EDGES)
    inverse = ~dataset.transform
    (west, north), (east, south) = inverse @ (left, top), inverse @ (right, bottom)
    first_col, first_row = max(0, math.floor(west) - _PAD_PX), max(0, math.floor(north) - _PAD_PX)
    last_col, last_row = min(dataset.width, math.ceil(east) + _PAD_PX), min(dataset.height, math.ceil(south) + _PAD_PX)
    if first_col >= last_col or first_row >= last_row:
        return None
    return Window(first_col, first_row, last_col - first_col, last_row - first_row)
