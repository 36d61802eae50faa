"""Vector files, read and checked: of districts and of references. Nothing is mended silently."""

from collections.abc import Collection, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from rankscape.foundation.errors import TableError, brief_list
from rankscape.foundation.tables import read_geotable

POLYGONS = ("Polygon", "MultiPolygon")
LINES = ("LineString", "MultiLineString")
_SHOWN = 5
"""Offenders named in a message."""


def read_shapes(path: Path, columns: Collection[str]) -> gpd.GeoDataFrame:
    """Read a vector file.

    Args:
        path: GeoPackage, shapefile, GeoJSON or any other format of GDAL, or GeoParquet.
        columns: Columns that it must have.

    Raises:
        TableError: If it cannot be read, is empty, has no geometry, no CRS or not all columns.
    """
    frame = read_geotable(path) if path.suffix == ".parquet" else _read(path)
    missing = sorted(set(columns) - set(frame.columns))
    if missing:
        has = [name for name in frame.columns if name != frame.geometry.name]
        raise TableError(f"{path} lacks the columns {missing}; it has {has}.")
    if frame.empty:
        raise TableError(f"{path} has no rows: give another file.")
    if frame.crs is None:
        raise TableError(
            f"{path} has no CRS, so that nobody knows where it lies: assign one (ogr2ogr -a_srs, or a .prj beside a "
            "shapefile)."
        )
    return frame


def _read(path: Path) -> gpd.GeoDataFrame:
    if not path.exists():
        raise TableError(f"{path} does not exist: make it first, or mend the path.")
    try:
        found = gpd.read_file(path, engine="pyogrio")
    except (RuntimeError, ValueError, OSError) as error:
        raise TableError(f"{path} cannot be read as a vector file ({' '.join(str(error).split())}).") from None
    if not isinstance(found, gpd.GeoDataFrame):
        raise TableError(f"{path} holds a table without geometry: give a file of points or polygons.")
    return found


def numbers(path: Path, column: str, given: "pd.Series[float]", names: Sequence[str]) -> np.ndarray:
    """Return a column as float64, NaN where it is empty.

    Args:
        path: The file, for messages.
        column: Name of the column, for messages.
        given: Its values.
        names: Name of each row.

    Raises:
        TableError: If it holds something that is no finite number; the message names it.
    """
    found = pd.to_numeric(given, errors="coerce").to_numpy(float, na_value=np.nan)
    words = np.flatnonzero(given.notna().to_numpy() & ~np.isfinite(found))
    if len(words):
        raise TableError(
            f"{path}: {column} of {names[int(words[0])]} is {given.iloc[words[0]]!r}, which is no number: leave it "
            "empty where nothing is known."
        )
    return found


def check_kinds(path: Path, shapes: np.ndarray, names: Sequence[str], kinds: Collection[str]) -> None:
    """Check that shapes, none of which is missing, are of some types.

    Raises:
        TableError: If one is not; the message names it.
    """
    for name, shape in zip(names, shapes, strict=True):
        if shape.geom_type not in kinds:
            raise TableError(
                f"{path}: {name} is a {shape.geom_type}, and {' or '.join(kinds)} is needed: give another file."
            )


def check_polygons(
    path: Path, shapes: np.ndarray, names: Sequence[str], most: float, setting: str | None = None
) -> None:
    """Check that polygons are valid and do not overlap.

    Args:
        path: The file, for messages.
        shapes: Polygons, shape (n,).
        names: Name of each.
        most: Two may share this part of the smaller one: borders are digitized twice, and not equally.
        setting: Name of the setting that says so.

    Raises:
        TableError: If some are not, or do; the message names them.
    """
    invalid = np.flatnonzero(~shapely.is_valid(shapes))
    if len(invalid):
        why = shapely.is_valid_reason(shapes[invalid[0]])
        which = brief_list((names[int(one)] for one in invalid), _SHOWN)
        raise TableError(
            f"{path}: the polygons of {which} are invalid ({why}): mend them, for instance with "
            "shapely.make_valid or ogr2ogr -makevalid, and look at the result."
        )
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    one, other = one[one < other], other[one < other]
    shared = shapely.area(shapely.intersection(shapes[one], shapes[other]))
    part = shared / np.minimum(shapely.area(shapes[one]), shapely.area(shapes[other]))
    if (part > most).any():
        worst = int(np.argmax(part))
        raise TableError(
            f"{path}: the polygons of {names[one[worst]]} and {names[other[worst]]} overlap in "
            f"{100 * part[worst]:.3g} % of the smaller one, so that the area would count twice: mend the borders"
            f"{'' if setting is None else f', or raise {setting} = {most:g}'}."
        )


def missing(shapes: np.ndarray) -> np.ndarray:
    """Say which shapes are none or empty, bool, shape (n,)."""
    return np.asarray(shapely.is_missing(shapes) | shapely.is_empty(shapes))
