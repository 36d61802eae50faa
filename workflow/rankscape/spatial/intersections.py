"""Exact intersections of footprints with polygons such as districts, and their areas on the ground.

Footprints are squares in the CRS of their granule, and are cut there. Areas are those on the ellipsoid, so that pieces
from granules of different zones add up.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import CRS, Transformer

from rankscape.spatial.geometry import densified, plane_around, small_areas_m2
from rankscape.spatial.seams import around, turn_of

_MOST_VERTICES = 256
"""A polygon of more is cut into parts: what a patch is cut with has few vertices then, whatever the coast."""
_CHUNK = 20_000
"""Pairs of patch and part that are cut at a time."""
_MARGIN = 0.02
"""Share of the patches' extent that is kept of the polygons around them."""
_SLIVER = 1e-9
"""Pieces of a smaller share of their patch are rounding."""

People = Callable[[gpd.GeoSeries, np.ndarray], np.ndarray]
"""People who live on pieces: shapes with a CRS and their areas in square metres, to float64, shape (pieces,)."""


@dataclass(frozen=True)
class Pieces:
    """Pieces of patches in districts, sorted by district, then patch; arrays of shape (pieces,)."""

    district: np.ndarray
    """Number of the district, int64."""
    patch: np.ndarray
    """Number of the patch, int64."""
    area_m2: np.ndarray
    """Area on the ground, float64."""
    people: np.ndarray | None
    """People who live there, float64; None where nobody counted."""


def cut(
    patches: Sequence[gpd.GeoSeries], polygons: gpd.GeoSeries, *, people: People | None = None, threads: int = 1
) -> Pieces:
    """Cut patches at the borders of districts.

    Polygons are densified in their own CRS and reprojected into that of the patches. Overlays there are exact (GEOS in
    double precision). Patches in degrees are brought to an equal-area plane first.

    Args:
        patches: Footprints of patches, one series or more, the index of each the numbers of its patches.
        polygons: Valid polygons with a CRS.
        people: Counts people on the pieces.
        threads: Threads that cut.

    Returns:
        The pieces with an area; none where patches and polygons do not meet.
    """
    parts = [_cut_in_plane(shapes, polygons, people, threads) for shapes in _by_plane(patches)]
    frame = pd.concat([part for part in parts if len(part)] or parts[:1])
    frame = frame.groupby(["district", "patch"], as_index=False, sort=True).sum()
    return Pieces(
        frame["district"].to_numpy(np.int64),
        frame["patch"].to_numpy(np.int64),
        frame["area_m2"].to_numpy(float),
        None if people is None else frame["people"].to_numpy(float),
    )


def _by_plane(patches: Sequence[gpd.GeoSeries]) -> Iterable[gpd.GeoSeries]:
    """Footprints joined by CRS; those in degrees on an equal-area plane around them (Lambert's azimuthal)."""
    groups: dict[str, list[gpd.GeoSeries]] = {}
    for shapes in patches:
        groups.setdefault(shapes.crs.to_wkt(), []).append(shapes)
    for group in groups.values():
        joined: gpd.GeoSeries = pd.concat(group)
        if not joined.crs.is_projected:
            joined = densified(joined).to_crs(plane_around("laea", joined))
        yield joined


def _cut_in_plane(shapes: gpd.GeoSeries, polygons: gpd.GeoSeries, people: People | None, threads: int) -> pd.DataFrame:
    """Columns district, patch, area_m2, and people where they are counted; a district's parts count one by one."""
    numbers, squares = shapes.index.to_numpy(np.int64), shapes.to_numpy()
    side = float(np.sqrt(np.median(shapely.area(squares))))
    districts, parts = _parts(_in_plane(polygons, shapes), side)
    shapely.prepare(parts)
    part, square = shapely.STRtree(squares).query(parts, predicate="intersects")
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(part), _CHUNK)]

    def work(chunk: slice) -> np.ndarray:
        return _intersections(parts[part[chunk]], squares[square[chunk]])

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(work, chunks))
    pieces = np.concatenate(found) if found else np.zeros(0, object)
    kept = shapely.area(pieces) > _SLIVER * side**2
    part, square, pieces = part[kept], square[kept], pieces[kept]
    area_m2 = small_areas_m2(gpd.GeoSeries(pieces, crs=shapes.crs))
    columns = {"district": districts[part], "patch": numbers[square], "area_m2": area_m2}
    if people is not None:
        columns["people"] = people(gpd.GeoSeries(pieces, crs=shapes.crs), area_m2)
    return pd.DataFrame(columns)


def _intersections(parts: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """What parts and squares share; a square that lies inside stays as it is, which is quick to see."""
    inside = shapely.covers(parts, squares)
    pieces = squares.copy()
    pieces[~inside] = shapely.intersection(parts[~inside], squares[~inside])
    return pieces


def _in_plane(polygons: gpd.GeoSeries, shapes: gpd.GeoSeries) -> np.ndarray:
    """Polygons in the CRS of the patches, cut off a little beyond them; empty where they lie elsewhere."""
    same = CRS(polygons.crs) == CRS(shapes.crs)
    beside = around(polygons, shapes)
    values = (beside if same else densified(_near(beside, shapes)).to_crs(shapes.crs)).to_numpy()
    finite = np.isfinite(shapely.bounds(values)).all(axis=1)
    return _sound(np.where(finite, values, shapely.Polygon()))


def _near(polygons: gpd.GeoSeries, shapes: gpd.GeoSeries) -> gpd.GeoSeries:
    """Polygons cut off around the patches, so that no projection is asked for places where it has none."""
    transformer = Transformer.from_crs(shapes.crs, polygons.crs, always_xy=True)
    west, south, east, north = map(float, shapes.total_bounds)
    left, bottom, right, top = transformer.transform_bounds(west, south, east, north, densify_pts=101)
    if not np.isfinite([left, bottom, right, top]).all():  # beyond the CRS
        return polygons
    turn = turn_of(polygons.crs)
    if left > right and turn is None:
        return polygons
    east = right + (turn or 0.0) * (left > right)
    wide, high = _MARGIN * (east - left), _MARGIN * (top - bottom)
    # Across the seam polygons lie at either side of it, or, around the Earth, at both.
    sides = [
        polygons.clip_by_rect(left + shift - wide, bottom - high, east + shift + wide, top + high)
        for shift in ((0.0, -turn) if turn and left > right else (0.0,))
    ]
    return sides[0] if len(sides) == 1 else sides[0].union(sides[1], align=False)


def _parts(shapes: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Polygons in parts of few vertices: number of the polygon, and the part."""
    halved = [(number, part) for number, shape in enumerate(shapes) for part in _halved(shape, side)]
    numbers = np.array([number for number, _ in halved], np.int64)
    parts = np.array([part for _, part in halved], object)
    return numbers, _sound(parts)


def _halved(shape: shapely.Geometry, side: float) -> list[shapely.Geometry]:
    """Halve a polygon across its longer side until it has few vertices or is as small as a patch."""
    if shape.is_empty:
        return []
    left, bottom, right, top = shape.bounds
    if shapely.get_num_coordinates(shape) <= _MOST_VERTICES or max(right - left, top - bottom) <= side:
        return [shape]
    middle_x, middle_y = (left + right) / 2, (bottom + top) / 2
    if right - left > top - bottom:
        halves = ((left, bottom, middle_x, top), (middle_x, bottom, right, top))
    else:
        halves = ((left, bottom, right, middle_y), (left, middle_y, right, top))
    return [part for half in halves for part in _halved(shapely.clip_by_rect(shape, *half), side)]


def _sound(shapes: np.ndarray) -> np.ndarray:
    """Make shapes valid whose rings cross by rounding, after reprojection or clipping; those given were valid."""
    broken = ~shapely.is_valid(shapes)
    if broken.any():
        shapes = shapes.copy()
        shapes[broken] = shapely.make_valid(shapes[broken])
    return shapes
