"""What patches are cut from, step by step: an image, or a folder of tiles or images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import geopandas as gpd
import numpy as np
import shapely
from pyproj import Transformer

from rankscape.foundation.errors import RasterError
from rankscape.samples.patches import IMAGE, NOWHERE, Grid
from rankscape.samples.settings import TileSettings


@dataclass(frozen=True)
class Piece:
    """The same pixel rows of patches that follow one another."""

    first: int
    """Place of the first of the patches."""
    top_px: int
    """Row of the patches at which the pixels begin; 0 where the patches are whole."""
    pixels: np.ndarray
    """uint8 or float32, contiguous, shape (patches, rows, patch_px, bands)."""
    counts: np.ndarray
    """Of each patch, the pixels with data and those of them that are clouded, integers, shape (patches, 2)."""


@dataclass(frozen=True)
class Layout:
    """Which patches a source holds, in the array's order."""

    granule: str
    """Granule id."""
    ids: tuple[str, ...]
    """Id of each patch."""
    row: np.ndarray
    """Row of each patch in the grid, int32, shape (patches,)."""
    col: np.ndarray
    """Column of each patch in the grid, int32, shape (patches,)."""
    grid: Grid
    """Where the patches lie."""
    dtype: np.dtype
    """Type of the pixels."""
    steps: int
    """Number of steps in which it is read; each reads other pixels, and all together read every pixel once."""
    images: tuple[str, ...] = ()
    """Path of each patch's image below its folder; empty where patches have coordinates."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the array of all patches."""
        return len(self.ids), self.grid.patch_px, self.grid.patch_px, len(self.grid.bands)


class PatchSource(Protocol):
    """Reads patches a step at a time, so that memory stays bounded and ranks can share the steps."""

    @property
    def layout(self) -> Layout:
        """Which patches there are."""

    def read(self, step: int) -> Iterator[Piece]:
        """Read the pixels of a step: whole patches, or parts of them, in the array's order.

        Raises:
            RasterError: If the pixels cannot be read.
        """


def shares_of(counts: np.ndarray, patch_px: int) -> np.ndarray:
    """Turn counts into shares.

    Args:
        counts: Pixels with data and clouded ones among them of every patch, integers, shape (patches, 2).
        patch_px: Side of a patch.

    Returns:
        Valid pixels among all, and clouded ones among the valid, float32, shape (patches, 2).
    """
    seen, clouded = counts.T
    return np.stack([seen / patch_px**2, clouded / np.maximum(seen, 1)], axis=1).astype(np.float32)


def make_index(layout: Layout, shares: np.ndarray, settings: TileSettings) -> gpd.GeoDataFrame:
    """Make the index of a granule's patches.

    Args:
        layout: Which patches there are.
        shares: Valid and cloud fraction of every patch, float32, shape (patches, 2).
        settings: Limits that make a patch usable.

    Returns:
        Columns `INDEX_COLUMNS`, one row a patch, footprints in the grid's CRS; of images without
        coordinates also `IMAGE`.
    """
    usable = (shares[:, 0] >= settings.min_valid_fraction) & (shares[:, 1] <= settings.max_cloud_fraction)
    index = gpd.GeoDataFrame(
        {
            "patch_id": list(layout.ids),
            "granule": layout.granule,
            "row": layout.row,
            "col": layout.col,
            "valid_fraction": shares[:, 0],
            "cloud_fraction": shares[:, 1],
            "usable": usable & (shares[:, 0] > 0),
        },
        geometry=_footprints(layout),
        crs=layout.grid.crs,
    )
    return index.assign(**{IMAGE: list(layout.images)}) if layout.images else index


def _footprints(layout: Layout) -> np.ndarray:
    width, _, left, _, height, top = layout.grid.transform
    side = layout.grid.patch_px
    west, north = left + layout.col * side * width, top + layout.row * side * height
    footprints: np.ndarray = shapely.box(west, north + side * height, west + side * width, north)
    return footprints


def bounds_deg(grid: Grid) -> tuple[float, float, float, float] | None:
    """Return west, south, east, north of a grid in degrees (WGS 84); None where nobody knows where it lies."""
    if grid.crs == NOWHERE:
        return None
    width, _, left, _, height, top = grid.transform
    side = grid.patch_px
    edges = (left, top + grid.rows * side * height, left + grid.cols * side * width, top)
    west, south, east, north = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform_bounds(*edges)
    return west, south, east, north


def check_any_data(shares: np.ndarray, granule: str) -> None:
    """Refuse a source in which no pixel holds data.

    Raises:
        RasterError: If every patch is empty.
    """
    if not shares[:, 0].any():
        raise RasterError(
            f"Granule {granule}: the image holds no data at all: choose other dates, or mend the folder of tiles."
        )
