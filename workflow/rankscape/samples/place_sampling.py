"""Places drawn by chance: uniformly over the area of a region, or in proportion to the people of a raster."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from pyproj import Transformer
from rasterio.features import geometry_mask
from rasterio.windows import Window, from_bounds

from rankscape.foundation.errors import RasterError, TableError
from rankscape.samples.settings import PopulationUnit
from rankscape.samples.validity import Validity
from rankscape.samples.zonal_statistics import check_raster
from rankscape.scenes.rasters import open_raster
from rankscape.spatial.geometry import EQUAL_AREA, WGS84, densified, on_sphere
from rankscape.spatial.seams import moved, within_turn

_EARTH_M = 6_371_008.8
_BATCH = 4096
_IN_VAIN = 3
"""Batches without a place, after which no more are thought to fit."""
_MAX_PIXELS, _MAX_CELLS = 1 << 36, 1 << 28
_PER_M2 = {"per_ha": 1e-4, "per_km2": 1e-6}


@dataclass(frozen=True)
class SampledPlaces:
    """Places in the order in which they were drawn."""

    longitude: np.ndarray
    """Degrees, shape (places,)."""
    latitude: np.ndarray
    """Degrees, shape (places,)."""


def sample_uniform(region: gpd.GeoSeries, count: int, min_distance_m: float, seed: int) -> SampledPlaces:
    """Draw places uniformly over the area of a region, on the ground.

    Args:
        region: Polygons with a CRS.
        count: Places to draw.
        min_distance_m: Places lie at least so far apart.
        seed: Seed.

    Raises:
        TableError: If so many places do not fit.
    """
    shapes = moved(densified(region), EQUAL_AREA)
    parts = shapely.get_parts(shapely.union_all(shapely.make_valid(shapes.to_numpy())))
    parts = parts[shapely.area(parts) > 0]
    if not len(parts):
        raise TableError("The region has no area: give polygons.")
    chance, to_degrees = np.random.default_rng(seed), Transformer.from_crs(EQUAL_AREA, WGS84, always_xy=True)
    share, bounds = shapely.area(parts) / shapely.area(parts).sum(), shapely.bounds(parts)
    shapely.prepare(parts)

    def batches() -> Iterator[np.ndarray]:
        while True:
            part = np.sort(chance.choice(len(parts), _BATCH, p=share))
            missing, found = np.arange(_BATCH), np.full((_BATCH, 2), np.nan)
            while len(missing):  # each point is drawn in the box of its part until it lies in the part
                low, high = bounds[part[missing], :2], bounds[part[missing], 2:]
                found[missing] = chance.uniform(low, high)
                inside = shapely.contains_xy(parts[part[missing]], *found[missing].T)
                missing = missing[~inside]
            order = chance.permutation(_BATCH)
            yield np.stack(to_degrees.transform(*found[order].T), 1)

    return _spread(batches(), count, min_distance_m)


def sample_by_people(
    raster: Path, unit: PopulationUnit, region: gpd.GeoSeries | None, count: int, min_distance_m: float, seed: int,
    nodata: float | None = None,
) -> SampledPlaces:  # fmt: skip
    """Draw places in proportion to people: a cell by its people, and any point of the cell alike.

    Args:
        raster: Raster of people.
        unit: What a cell says.
        region: Polygons with a CRS, within which places lie; None takes the whole raster.
        count: Places to draw.
        min_distance_m: Places lie at least so far apart.
        seed: Seed.
        nodata: Value that stands for unknown although the file does not say so.

    Raises:
        RasterError: If the raster cannot be read, is too large, holds negative values, or nobody lives in the region.
        TableError: If so many places do not fit.
    """
    with open_raster(raster, max_pixels=_MAX_PIXELS) as dataset:
        check_raster(raster, dataset, 1)
        window = Window(0, 0, dataset.width, dataset.height)
        shape = None
        if region is not None:
            shapes = within_turn(moved(densified(region), dataset.crs), dataset.bounds.left)
            shape = shapely.union_all(shapely.make_valid(shapes.to_numpy()))
            if shape.is_empty or not shape.intersects(shapely.box(*_extent(dataset.bounds))):
                raise RasterError(f"{raster} does not cover the region: compare the CRS of both.")
            window = _around(dataset, shape)
        if window.width * window.height > _MAX_CELLS:
            raise RasterError(
                f"{raster} has {window.width * window.height:,.0f} cells in the region: cut it, or coarsen it."
            )
        cells = dataset.read(1, window=window, masked=True)
        at, crs = dataset.window_transform(window), dataset.crs
    people = Validity(nodata).applied(np.ma.filled(cells.astype(float), np.nan))
    if (people < 0).any():
        raise RasterError(f"{raster} holds {np.nanmin(people):g} people in a cell: set nodata, or mark such cells.")
    people = np.nan_to_num(people) * (1.0 if unit == "count" else _cell_areas(at, cells.shape, crs) * _PER_M2[unit])
    if shape is not None:
        people = np.where(geometry_mask([shape], people.shape, at, all_touched=True), 0.0, people)
    total = np.cumsum(people.ravel())
    if not total.size or total[-1] <= 0:
        raise RasterError(f"{raster} holds nobody in the region: is it a raster of people?")
    chance, to_degrees = np.random.default_rng(seed), Transformer.from_crs(crs, WGS84, always_xy=True)
    if shape is not None:
        shapely.prepare(shape)

    def batches() -> Iterator[np.ndarray]:
        while True:
            drawn = np.searchsorted(total, chance.uniform(0, total[-1], _BATCH), side="right")
            row, col = np.divmod(drawn, cells.shape[1])
            inside_cell = chance.uniform(size=(2, _BATCH))
            x, y = at.c + (col + inside_cell[0]) * at.a, at.f + (row + inside_cell[1]) * at.e
            kept = np.ones(_BATCH, bool) if shape is None else shapely.contains_xy(shape, x, y)
            yield np.stack(to_degrees.transform(x[kept], y[kept]), 1)

    return _spread(batches(), count, min_distance_m)


def _extent(bounds: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, bottom, right, top = bounds
    return left, min(bottom, top), right, max(bottom, top)


def _around(dataset: Any, shape: shapely.Geometry) -> Window:
    """Window of whole cells around a shape, within the raster."""
    at = dataset.transform
    west, south, east, north = shape.bounds
    edges = (west, south, east, north) if at.e < 0 else (west, north, east, south)
    around = from_bounds(*edges, transform=at).round_offsets().round_lengths(op="ceil")
    wide = Window(around.col_off - 1, around.row_off - 1, around.width + 2, around.height + 2)
    return wide.intersection(Window(0, 0, dataset.width, dataset.height))


def _cell_areas(at: Affine, shape: tuple[int, int], crs: Any) -> np.ndarray:
    """Area of the cells of each row in square metres, shape (rows, 1)."""
    rows = np.arange(shape[0])
    a, e, f = at.a, at.e, at.f
    if not crs.is_geographic:
        return np.full((len(rows), 1), abs(a * e) * crs.linear_units_factor[1] ** 2)
    ends = np.sin(np.radians(f + np.stack([rows, rows + 1]) * e))
    return np.asarray(np.abs(ends[1] - ends[0]) * np.radians(abs(a)) * _EARTH_M**2)[:, None]


def _spread(batches: Iterator[np.ndarray], count: int, min_distance_m: float) -> SampledPlaces:
    """Take places one by one, but for those too near to an earlier one."""
    chord = 2 * np.sin(min(min_distance_m / _EARTH_M, np.pi) / 2)
    taken: list[np.ndarray] = []
    near: dict[tuple[int, int, int], list[np.ndarray]] = {}
    in_vain = 0
    while in_vain < _IN_VAIN:
        degrees, before = next(batches), len(taken)
        for place, point in zip(degrees, on_sphere(*degrees.T), strict=True):
            if chord > 0 and not _settles(point, near, chord):
                continue
            taken.append(place)
            if len(taken) == count:
                longitude, latitude = np.array(taken).T
                return SampledPlaces(longitude, latitude)
        in_vain = 0 if len(taken) > before else in_vain + bool(len(degrees))
    raise TableError(
        f"Only {len(taken):,} of {count:,} places at least {min_distance_m:,.0f} m apart were found: lower the count or"
        " the distance."
    )


def _settles(point: np.ndarray, near: dict[tuple[int, int, int], list[np.ndarray]], chord: float) -> bool:
    """Whether a point of the unit sphere is far enough from all others; it is one of them then."""
    x, y, z = (int(value) for value in np.floor(point / chord))
    for i in range(x - 1, x + 2):
        for j in range(y - 1, y + 2):
            for k in range(z - 1, z + 2):
                if any(((point - other) ** 2).sum() < chord**2 for other in near.get((i, j, k), ())):
                    return False
    near.setdefault((x, y, z), []).append(point)
    return True
