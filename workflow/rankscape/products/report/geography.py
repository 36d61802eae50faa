"""Where granules and their patches lie on the page's map: one plane for all, in metres from its upper left corner."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
import pandas as pd
from pyproj import CRS, Geod, Transformer

from rankscape.samples.patches import Grid, Patches, is_located, numbers_of

_PATCHES_A_NODE = 4
"""A granule of another CRS bends: its edges are followed from node to node, every so many patches."""
_STRAIGHT = 1e-3
"""Share of a patch by which nodes may miss a straight grid."""
_READOUT_CELL_M = 20_000.0
"""Coordinates are interpolated between points that far apart: wrong by (20 km)² / 8 Earth's radii = 8 m at most."""
_READOUT_CELLS = 48


@dataclass(frozen=True)
class Placed:
    """One granule on the plane."""

    granule: str
    grid: Grid
    rows: np.ndarray
    """Row of each patch, shape (patches,)."""
    cols: np.ndarray
    """Column of each patch, shape (patches,)."""
    first: tuple[int, int]
    """Row and column by which ids call the patch in the grid's upper left corner; (0, 0) but of web-mercator tiles."""
    node_rows: np.ndarray
    """Rows, counted in patches from the upper edge, of the nodes; float64."""
    node_cols: np.ndarray
    """Columns of the nodes; float64."""
    x: np.ndarray
    """Nodes on the plane, rightwards, float64, shape (node rows, node columns)."""
    y: np.ndarray
    """Nodes on the plane, upwards, of the same shape."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, lower, right, upper end."""
        return float(self.x.min()), float(self.y.min()), float(self.x.max()), float(self.y.max())

    def places(self, patch_ids: "pd.Series[str]") -> tuple[np.ndarray, np.ndarray]:
        """Return row and column in the grid of patches by their ids."""
        rows, cols = (numbers_of(patch_ids) - self.first).T
        return rows, cols

    @property
    def straight(self) -> bool:
        """Whether the grid's rows and columns run along the plane's axes."""
        slack = _STRAIGHT * self.grid.patch_px * abs(self.grid.transform[0])
        return bool(np.ptp(self.x, axis=0).max() <= slack and np.ptp(self.y, axis=1).max() <= slack)


@dataclass(frozen=True)
class Plane:
    """The map's plane: a CRS, moved so that its zero is the lower left corner of all granules."""

    crs: str
    """CRS as `EPSG:n` or WKT."""
    origin: tuple[float, float]
    """Lower left corner in the CRS."""
    size: tuple[float, float]
    """Width and height in units of the CRS."""
    unit_m: float
    """Metres on the ground a unit, at the middle."""
    granules: tuple[Placed, ...]
    """Granules, sorted by id."""

    @property
    def name(self) -> str:
        """Name of the CRS."""
        return str(CRS(self.crs).name)

    @property
    def patch_side(self) -> float:
        """Side of a patch in units of the CRS; that of the smallest where granules differ."""
        return float(min((g.bounds[2] - g.bounds[0]) / g.grid.cols for g in self.granules))

    def readout(self) -> tuple[np.ndarray, np.ndarray]:
        """Return longitude and latitude in degrees on an even lattice over the plane, lowest row first, float64."""
        cells = [min(max(ceil(side * self.unit_m / _READOUT_CELL_M), 1), _READOUT_CELLS) for side in self.size]
        x, y = (np.linspace(0, side, n + 1) + zero for side, n, zero in zip(self.size, cells, self.origin, strict=True))
        there = Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True)
        longitude, latitude = there.transform(*np.meshgrid(x, y))
        return np.asarray(longitude), np.asarray(latitude)


def lay_out(patches: Mapping[str, Patches]) -> Plane | None:
    """Lay all granules on one plane: the CRS of most of them, of equals that of the first, as the region's map does.

    Args:
        patches: Patches by granule; granules without coordinates are left out.

    Returns:
        The plane; None where no granule has coordinates.
    """
    located = {name: store for name, store in sorted(patches.items()) if is_located(store.index) and len(store.index)}
    if not located:
        return None
    crs = _flat(Counter(store.grid.crs for store in located.values()).most_common(1)[0][0], located)
    placed = [_place(name, store, crs) for name, store in located.items()]
    ends = np.array([granule.bounds for granule in placed])
    left, low, right, high = ends[:, 0].min(), ends[:, 1].min(), ends[:, 2].max(), ends[:, 3].max()
    moved = tuple(_moved(granule, left, low) for granule in placed)
    size = (float(right - left), float(high - low))
    return Plane(crs, (float(left), float(low)), size, _unit_m(crs, left, low, size), moved)


def _flat(crs: str, located: Mapping[str, Patches]) -> str:
    """A CRS to draw in: degrees would press the land, so that the UTM zone of the first granule takes their place."""
    if CRS(crs).is_projected:
        return crs
    return str(next(iter(located.values())).index.estimate_utm_crs().to_string())


def _place(name: str, store: Patches, crs: str) -> Placed:
    grid = store.grid
    node_rows, node_cols = (_nodes(n) for n in (grid.rows, grid.cols))
    cols, rows = np.meshgrid(node_cols * grid.patch_px, node_rows * grid.patch_px)
    a, b, c, d, e, f = grid.transform
    x, y = a * cols + b * rows + c, d * cols + e * rows + f
    if crs != grid.crs:
        x, y = Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y)
    index = store.index
    at = (index["row"].to_numpy(np.int64), index["col"].to_numpy(np.int64))
    row, col = (int(numbers[0] - own[0]) for numbers, own in zip(numbers_of(index["patch_id"]).T, at, strict=True))
    return Placed(name, grid, *at, (row, col), node_rows, node_cols, np.asarray(x), np.asarray(y))


def _nodes(count: int) -> np.ndarray:
    """Edges of patches from 0 to `count`, every few of them and both ends."""
    return np.unique([*range(0, count, _PATCHES_A_NODE), count]).astype(np.float64)


def _moved(granule: Placed, left: float, low: float) -> Placed:
    return Placed(**{**granule.__dict__, "x": granule.x - left, "y": granule.y - low})


def _unit_m(crs: str, left: float, low: float, size: tuple[float, float]) -> float:
    """Metres on the ground that one unit is long, along the row through the middle."""
    there = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    middle = low + size[1] / 2
    longitude, latitude = there.transform([left + size[0] * s for s in (0.4, 0.6)], [middle, middle])
    length = Geod(ellps="WGS84").inv(longitude[0], latitude[0], longitude[1], latitude[1])[2]
    return float(length / (0.2 * size[0]))


def on_even_grid(plane: Plane, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Lay values of patches on one even grid over the plane, a cell about a patch wide.

    The patch under a cell's middle counts; where granules overlap, that of the last one that has a value there.

    Args:
        plane: The plane.
        values: For each granule, values of its grid, shape (rows, columns).

    Returns:
        float64, shape (rows, columns), the upper row first; NaN where no patch with a value lies.
    """
    side = plane.patch_side
    cols, rows = (max(1, round(length / side)) for length in plane.size)
    x = (np.arange(cols) + 0.5) * plane.size[0] / cols + plane.origin[0]
    y = plane.size[1] - (np.arange(rows) + 0.5) * plane.size[1] / rows + plane.origin[1]
    east, north = np.meshgrid(x, y)
    found = np.full((rows, cols), np.nan)
    for granule in plane.granules:
        if granule.granule in values:
            inside, row, col = _patch_at(granule, plane.crs, east, north)
            own = values[granule.granule][row, col]
            found[inside] = np.where(np.isfinite(own), own, found[inside])
    return found


def _patch_at(
    granule: Placed, crs: str, east: np.ndarray, north: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which points lie in a granule, and the row and column of the patch under each of these."""
    if crs != granule.grid.crs:
        east, north = Transformer.from_crs(crs, granule.grid.crs, always_xy=True).transform(east, north)
    a, b, c, d, e, f = granule.grid.transform
    determinant = (a * e - b * d) * granule.grid.patch_px
    col = np.floor((e * (east - c) - b * (north - f)) / determinant)
    row = np.floor((a * (north - f) - d * (east - c)) / determinant)
    inside = (row >= 0) & (row < granule.grid.rows) & (col >= 0) & (col < granule.grid.cols)
    return inside, row[inside].astype(np.int64), col[inside].astype(np.int64)
