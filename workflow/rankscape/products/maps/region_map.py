"""One map of all granules in one CRS; where granules overlap, scores are averaged by valid weight."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path

import geopandas as gpd
import numpy as np
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.warp import Resampling, reproject
from shapely.geometry import Polygon, box

from rankscape.foundation.errors import SettingsError
from rankscape.foundation.progress import track
from rankscape.products.maps.granules import tag_statistics
from rankscape.products.maps.pieces import LEVELS, NO_DATA, encoded
from rankscape.products.maps.ramp import Ramp, round_up
from rankscape.products.maps.surface import BANDS, Surface
from rankscape.scenes.cogs import cog_writer

MAX_PIXELS = 50_000_000
"""Largest region map: its sums take 40 bytes a pixel, 2 GB at most."""
_POINTS_PER_PATCH = 8
"""A patch is looked at through so many points a side: 1/64 of its area is the grain of the weights."""
_UNCERTAINTY_STEP = 0.05
"""The colours of the uncertainty end at a multiple of this, so that the legend ends at a round number."""
_OUTLINE_PIECES = 64
_SLACK = 1e-6
"""Share of a pixel by which rounding may miss a pixel's edge."""


@dataclass(frozen=True)
class RegionMap:
    """A region map and the granules in it."""

    crs: str
    """CRS as `EPSG:n` or WKT."""
    transform: Affine
    """Affine transform of the pixels; north up."""
    values: np.ndarray
    """Score and score_std, float32, shape (2, rows, columns); NaN outside."""
    outlines: gpd.GeoSeries
    """Outline of every granule's grid in the region's CRS, its id as the index."""


def mosaic_surfaces(surfaces: Sequence[Surface], crs: str | None, resolution_m: float | None) -> RegionMap:
    """Reproject the native grids of granules into one grid, and average them where they overlap.

    Every pixel's value is the mean over the patches that lie in it, each weighted by the area that it shares with the
    pixel times its share of valid pixels; a pixel has a value where granules with a score cover at least half of it.
    The uncertainty is averaged in the same way, as if the networks erred together: averaging does not make it smaller.
    Areas are found by looking at points, 8 x 8 a patch. The grid continues that of the first granule in the region's
    CRS, so that granules on one grid are not resampled at all. Memory is bounded by the region's pixels (40 bytes each)
    and one granule's points (under 4 MB for 32 x 32 patches), whatever the number of granules.

    Args:
        surfaces: Native grids, a granule each.
        crs: CRS of the map; None takes the one that holds most granules.
        resolution_m: Pixel side in metres; None takes the side of that granule's patches.

    Raises:
        SettingsError: If the CRS is unknown or not in metres, or the map would have more than `MAX_PIXELS` pixels.
    """
    ordered = sorted(surfaces, key=lambda surface: surface.granule)
    target = _region_crs(ordered, crs)
    outlines = _outlines(ordered, target)
    anchor = next((surface for surface in ordered if surface.grid.crs == target), ordered[0])
    transform, shape = _region_grid(outlines, outlines[anchor.granule], resolution_m or _patch_side_m(anchor, outlines))
    sums = np.zeros((4, *shape))
    for surface in track(ordered, "mosaic", unit="granule"):
        _add(sums, surface, target, transform, outlines[surface.granule].bounds)
    return RegionMap(target, transform, _means(sums), outlines)


def write_region(path: Path, region: RegionMap, tags: dict[str, str], names: Sequence[str] = BANDS) -> None:
    """Write a region map as a COG.

    Args:
        path: Raster to write.
        region: The map.
        tags: Metadata of the raster.
        names: What the bands are called.
    """
    with cog_writer(
        path, shape=region.values.shape, dtype="float32", crs=region.crs, transform=region.transform, names=names,
        nodata=np.nan, tags=tags,
    ) as dataset:  # fmt: skip
        dataset.write(region.values)
        tag_statistics(dataset, region.values)


def write_colours(path: Path, region: RegionMap, ramp: Ramp, tags: dict[str, str]) -> None:
    """Write the score of a region as a COG of bytes with a colour table: any program shows it in colour.

    A byte is round(250 s), 255 is no data and transparent; overviews take the nearest pixel, since the mean of two
    entries of a colour table means nothing to GDAL.

    Args:
        path: Raster to write.
        region: The map.
        ramp: Colours of the score.
        tags: Metadata of the raster.
    """
    pixels = encoded(region.values[:1], "uint8")
    with cog_writer(
        path, shape=pixels.shape, dtype="uint8", crs=region.crs, transform=region.transform, names=BANDS[:1],
        nodata=NO_DATA, tags=tags, resampling="nearest",
    ) as dataset:  # fmt: skip
        dataset.write_colormap(1, colour_table(ramp))
        dataset.scales = (1 / LEVELS,)
        dataset.write(pixels)


def colour_table(ramp: Ramp) -> dict[int, tuple[int, int, int, int]]:
    """Return red, green, blue and alpha of every byte; bytes that are no score are transparent."""
    values = np.arange(256) / LEVELS
    rgba = ramp.rgba(np.where(values <= 1, values, np.nan))
    return {
        level: (int(red), int(green), int(blue), int(alpha)) for level, (red, green, blue, alpha) in enumerate(rgba)
    }


def write_uncertainty(path: Path, region: RegionMap, tags: dict[str, str]) -> None:
    """Write the uncertainty of a region's score as a COG of its own, so that it is a layer with a style of its own.

    Args:
        path: Raster to write.
        region: The map; its second band is taken.
        tags: Metadata of the raster.
    """
    values = region.values[1:]
    with cog_writer(
        path, shape=values.shape, dtype="float32", crs=region.crs, transform=region.transform, names=BANDS[1:],
        nodata=np.nan, tags=tags,
    ) as dataset:  # fmt: skip
        dataset.write(values)
        tag_statistics(dataset, values)


def largest_uncertainty(region: RegionMap) -> float:
    """Return where the colours of the uncertainty end: the largest on the map, rounded up to 0.05."""
    given = region.values[1][np.isfinite(region.values[1])]
    return round_up(float(given.max()), _UNCERTAINTY_STEP) if given.size else _UNCERTAINTY_STEP


def _region_crs(surfaces: Sequence[Surface], crs: str | None) -> str:
    """The CRS asked for, or that of most granules; of equals, the one of the first granule."""
    if crs is None:
        return Counter(surface.grid.crs for surface in surfaces).most_common(1)[0][0]
    try:
        known = CRS.from_user_input(crs)
    except CRSError:
        raise SettingsError(f"mosaic.crs = {crs!r} is no known CRS: give one such as EPSG:32648.") from None
    if not known.is_projected or {axis.unit_name for axis in known.axis_info} != {"metre"}:
        raise SettingsError(f"mosaic.crs = {crs!r} is not in metres: give a projected CRS such as EPSG:32648.")
    return crs


def _outlines(surfaces: Sequence[Surface], crs: str) -> gpd.GeoSeries:
    shapes = [gpd.GeoSeries([outline(surface)], crs=surface.grid.crs).to_crs(crs).iloc[0] for surface in surfaces]
    return gpd.GeoSeries(shapes, index=[surface.granule for surface in surfaces], crs=crs)


def outline(surface: Surface) -> Polygon:
    """Return the outline of a granule's grid in its own CRS, densified for reprojection."""
    rows, cols = surface.weight.shape
    left, top = surface.transform @ (0, 0)
    right, bottom = surface.transform @ (cols, rows)
    return box(left, bottom, right, top).segmentize(max(right - left, top - bottom) / _OUTLINE_PIECES)


def _patch_side_m(surface: Surface, outlines: gpd.GeoSeries) -> float:
    """Side of a patch as the region's CRS sees it, in whole metres."""
    return max(1.0, float(round((outlines[surface.granule].area / surface.weight.size) ** 0.5)))


def _region_grid(outlines: gpd.GeoSeries, anchor: Polygon, side: float) -> tuple[Affine, tuple[int, int]]:
    """Grid of pixels that has a corner at the upper left of `anchor` and holds all granules."""
    west, north = anchor.bounds[0], anchor.bounds[3]
    left, bottom, right, top = outlines.total_bounds
    first_col, last_col = floor((left - west) / side + _SLACK), ceil((right - west) / side - _SLACK)
    first_row, last_row = floor((north - top) / side + _SLACK), ceil((north - bottom) / side - _SLACK)
    shape = (last_row - first_row, last_col - first_col)
    if shape[0] * shape[1] > MAX_PIXELS:
        raise SettingsError(
            f"mosaic.resolution_m = {side:g} makes a region map of {shape[0]} x {shape[1]} pixels, more than "
            f"{MAX_PIXELS}: take larger pixels."
        )
    return Affine(side, 0, west + first_col * side, 0, -side, north - first_row * side), shape


def _add(
    sums: np.ndarray, surface: Surface, crs: str, transform: Affine, bounds: tuple[float, float, float, float]
) -> None:
    """Add a granule to the sums of score x weight, score_std x weight, weight, and area with a score."""
    top, left, rows, cols = _window(transform, bounds, sums.shape[1:])
    side_m = ((bounds[2] - bounds[0]) * (bounds[3] - bounds[1]) / surface.weight.size) ** 0.5
    points = max(1, round(_POINTS_PER_PATCH * transform.a / side_m))
    fine = transform @ Affine.translation(left, top) @ Affine.scale(1 / points)
    seen = np.zeros((3, rows * points, cols * points), np.float32)
    reproject(
        np.stack([*surface.values, surface.weight]), seen, src_crs=surface.grid.crs, src_transform=surface.transform,
        src_nodata=np.nan, dst_crs=crs, dst_transform=fine, dst_nodata=np.nan, resampling=Resampling.nearest,
    )  # fmt: skip
    given = np.isfinite(seen[0])
    score, deviation, weight = np.where(given, seen, 0.0)
    parts = np.stack([score * weight, np.nan_to_num(deviation) * weight, weight, given])
    blocks = parts.reshape(4, rows, points, cols, points).sum(axis=(2, 4), dtype=np.float64) / points**2
    sums[:, top : top + rows, left : left + cols] += blocks


def _window(
    transform: Affine, bounds: tuple[float, float, float, float], shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Rows and columns of the region that a granule touches: first row, first column, rows, columns."""
    left, top = (floor(v + _SLACK) for v in ~transform @ (bounds[0], bounds[3]))
    right, bottom = (ceil(v - _SLACK) for v in ~transform @ (bounds[2], bounds[1]))
    top, left = max(top, 0), max(left, 0)
    return top, left, min(bottom, shape[0]) - top, min(right, shape[1]) - left


def _means(sums: np.ndarray) -> np.ndarray:
    """Weighted means where granules with a score cover half of a pixel, float32, shape (2, rows, columns)."""
    weight, area = sums[2], sums[3]
    valid = (area >= 0.5) & (weight > 0)
    means = np.divide(sums[:2], weight, out=np.full_like(sums[:2], np.nan), where=valid)
    return np.asarray(means, np.float32)
