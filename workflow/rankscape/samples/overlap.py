"""Places that two granules share: MGRS granules overlap by about 9.8 km, and a place counts once."""

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
from pyproj import CRS
from shapely import STRtree, points

from rankscape.samples.patches import is_located
from rankscape.spatial.geometry import centres


def distinct_places(indices: Sequence[gpd.GeoDataFrame], *, every_date: bool = False) -> list[np.ndarray]:
    """Say which patches lie where no earlier granule has one already.

    Granules are taken in the order of their ids, whatever the order given, so that the choice does not depend on how
    files are listed. A patch is dropped when its centre lies inside, or on the edge of, a usable patch of an earlier
    granule; what is dropped and what is usable stay two different questions. Images without coordinates cover
    nothing, and none is dropped.

    Args:
        indices: Patch indices (columns of `INDEX_COLUMNS`), a granule each, each in its own CRS.
        every_date: Whether granules on one grid, which show one place at two dates, both count: a place counts
            once where it is measured, but what learns from images has an image of it for each date.

    Returns:
        One mask for each index in the order given, bool, shape (patches,): False for places that were counted before.
    """
    order = sorted(range(len(indices)), key=lambda place: _granule(indices[place]))
    masks = [np.ones(len(index), bool) for index in indices]
    earlier: list[gpd.GeoDataFrame] = []
    for place in order:
        for other in earlier:
            if not (every_date and _on_one_grid(indices[place], other)):
                masks[place] &= ~_covered(indices[place], other)
        earlier.append(indices[place][indices[place]["usable"].to_numpy(bool)])
    return masks


def _granule(index: gpd.GeoDataFrame) -> str:
    return str(index["granule"].iloc[0]) if len(index) else ""


def _covered(index: gpd.GeoDataFrame, other: gpd.GeoDataFrame) -> np.ndarray:
    """Whether the centre of each patch lies in a patch of `other`, bool, shape (patches,)."""
    covered = np.zeros(len(index), bool)
    if index.empty or other.empty or not (is_located(index) and is_located(other)):
        return covered
    east, north = centres(index, other.crs)
    left, bottom, right, top = other.total_bounds
    near = np.flatnonzero((east >= left) & (east <= right) & (north >= bottom) & (north <= top))
    if near.size:
        hits, _ = STRtree(other.geometry.to_numpy()).query(points(east[near], north[near]), predicate="intersects")
        covered[near[hits]] = True
    return covered


def _on_one_grid(index: gpd.GeoDataFrame, other: gpd.GeoDataFrame) -> bool:
    """Whether the patches of two granules are the same squares.

    Neighbours may have patches at the very same place, but not at the same row and column.
    """
    if not (is_located(index) and is_located(other)) or CRS(index.crs) != CRS(other.crs):
        return False
    cells = [one["row"].to_numpy(np.int64) << 32 | one["col"].to_numpy(np.int64) for one in (index, other)]
    _, here, there = np.intersect1d(*cells, return_indices=True)
    return bool(len(here)) and bool(index.geometry.iloc[here[0]].equals(other.geometry.iloc[there[0]]))
