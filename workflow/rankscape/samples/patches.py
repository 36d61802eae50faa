"""The patch store: one mapped array and one index table a granule."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError
from rankscape.foundation.files import read_array
from rankscape.foundation.tables import read_metadata
from rankscape.samples.artifacts import INDEX

GRID = "grid"
IMAGE = "image"
"""Column that only indices of images without coordinates have: path below their folder, with `/`."""
NOWHERE = (
    'ENGCRS["Images without coordinates",EDATUM["No place on the Earth"],CS[Cartesian,2],'
    'AXIS["east",east],AXIS["north",north],LENGTHUNIT["metre",1]]'
)
"""CRS of patches of which nobody knows where they lie: their places are invented, one below another."""
INDEX_COLUMNS = ("patch_id", "granule", "row", "col", "valid_fraction", "cloud_fraction", "usable", "geometry")


@dataclass(frozen=True)
class Grid:
    """Where the patches of one granule lie."""

    crs: str
    """CRS as `EPSG:n` or WKT."""
    transform: tuple[float, float, float, float, float, float]
    """Affine transform of the image's pixels (a, b, c, d, e, f), as rasterio orders it; units of the CRS."""
    height_px: int
    """Rows of the image."""
    width_px: int
    """Columns of the image."""
    patch_px: int
    """Side of a patch."""
    rows: int
    """Rows of patches."""
    cols: int
    """Columns of patches."""
    bands: tuple[str, ...]
    """Band names in the order of the array's last axis, red, green, blue first."""


@dataclass(frozen=True)
class Patches:
    """Patches of one granule; the array is mapped, not read."""

    array: np.ndarray
    """uint8 or float32, shape (patches, patch_px, patch_px, bands)."""
    index: gpd.GeoDataFrame
    """One row a patch, in the array's order; columns `INDEX_COLUMNS`."""
    grid: Grid


def is_located(index: gpd.GeoDataFrame) -> bool:
    """Say whether the places of an index are on the Earth, or invented (`NOWHERE`)."""
    return index.crs is None or not index.crs.is_engineering


def patch_id(granule: str, row: int, col: int) -> str:
    """Return the id of a patch; rows and columns count from 0 at the upper left."""
    return f"{granule}_{row}_{col}"


def numbers_of(patch_ids: "pd.Series[str]") -> np.ndarray:
    """Return row and column as ids of patches end with them, int64, shape (patches, 2).

    Of an image they are those of the grid; web-mercator tiles keep numbers of their own, where the grid counts from 0.
    """
    return patch_ids.str.rsplit("_", n=2, expand=True).iloc[:, 1:].to_numpy(np.int64)


def row_col(patch_ids: "pd.Series[str]") -> "pd.Series[str]":
    """Return the names of places within their granule, `row_col`, as the ids of patches end with them."""
    return patch_ids.str.rsplit("_", n=2).str[-2:].str.join("_")


def write_index(path: Path, index: gpd.GeoDataFrame, grid: Grid, record: dict[str, Any]) -> None:
    """Write the index of a granule's patches with its grid and provenance."""
    columns = [*INDEX_COLUMNS, *([IMAGE] if IMAGE in index else [])]
    INDEX.write(path, index[columns], record, grid=asdict(grid))


def read_index(path: Path) -> gpd.GeoDataFrame:
    """Read the index of a granule's patches, in the array's order.

    Raises:
        TableError: If the file is no patch index.
    """
    return INDEX.read_geo(path)


def read_grid(path: Path) -> Grid:
    """Read the grid from an index file.

    Raises:
        TableError: If the file is no patch index.
    """
    document = read_metadata(path, GRID)
    return Grid(**{**document, "transform": tuple(document["transform"]), "bands": tuple(document["bands"])})


def index_of(array: Path) -> Path:
    """Return the index file of a patch array: the same name, ending in `.parquet`."""
    return array.with_suffix(".parquet")


def open_patches(array: Path) -> Patches:
    """Open the patches of one granule: the array and the index of the same name beside it.

    Raises:
        InputError: If one of the files is missing or broken.
        TableError: If array and index do not belong together.
    """
    index = index_of(array)
    patches = Patches(read_array(array), read_index(index), read_grid(index))
    expected = (len(patches.index), patches.grid.patch_px, patches.grid.patch_px, len(patches.grid.bands))
    if patches.array.shape != expected:
        raise TableError(f"{array} has shape {patches.array.shape}, but {index} describes {expected}: make both again.")
    return patches
