"""Polygons of districts, read and checked; nothing is mended silently."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from rankscape.foundation.errors import TableError
from rankscape.foundation.settings.districts import DistrictSettings
from rankscape.foundation.tables import read_geotable

_SHOWN = 5
"""Offenders named in a message."""
_POLYGONS = ("Polygon", "MultiPolygon")


def read_polygons(settings: DistrictSettings) -> gpd.GeoDataFrame:
    """Read districts and check that they can be averaged over.

    Args:
        settings: File, columns, and how much two polygons may overlap.

    Returns:
        Columns `district` (str, unique), `name` (str), the census columns (float64) by their names in the settings, and
        `geometry` in the file's own CRS; one row a polygon, in the file's order.

    Raises:
        TableError: If the file cannot be read, has no CRS, lacks a column, holds an id twice or none, something that is
            no valid polygon, two polygons that overlap, or a census value that its use does not allow.
    """
    path = Path(settings.path)
    frame = _read(path)
    _check_columns(path, frame, settings)
    if frame.crs is None:
        raise TableError(
            f"{path} has no CRS, so that nobody knows where its polygons lie: assign one (ogr2ogr -a_srs, or a .prj "
            "beside a shapefile)."
        )
    ids = _ids(path, frame, settings.id)
    names = ids if settings.name is None else frame[settings.name].where(frame[settings.name].notna(), ids).astype(str)
    _check_shapes(path, frame.geometry.to_numpy(), ids)
    _check_overlaps(path, frame.geometry.to_numpy(), ids, settings.max_overlap_fraction)
    census = {name: _numbers(path, frame, ids, name, settings) for name in settings.census}
    columns = {"district": ids.to_numpy(), "name": names.to_numpy(), **census}
    return gpd.GeoDataFrame(columns, geometry=frame.geometry.to_numpy(), crs=frame.crs)


def _read(path: Path) -> gpd.GeoDataFrame:
    if path.suffix == ".parquet":
        return read_geotable(path)
    if not path.exists():
        raise TableError(f"{path} does not exist: make it first, or mend the path.")
    try:
        found = gpd.read_file(path, engine="pyogrio")
    except (RuntimeError, ValueError, OSError) as error:
        raise TableError(f"{path} cannot be read as polygons ({' '.join(str(error).split())}).") from None
    if not isinstance(found, gpd.GeoDataFrame):
        raise TableError(f"{path} holds a table without polygons: give a file of polygons.")
    return found


def _check_columns(path: Path, frame: gpd.GeoDataFrame, settings: DistrictSettings) -> None:
    wanted = {settings.id, *([settings.name] if settings.name else [])}
    wanted |= {census.column for census in settings.census.values()}
    missing = sorted(wanted - set(frame.columns))
    if missing:
        has = [name for name in frame.columns if name != frame.geometry.name]
        raise TableError(f"{path} lacks the columns {missing}; it has {has}.")
    if frame.empty:
        raise TableError(f"{path} has no polygons: give a file of districts.")


def _ids(path: Path, frame: gpd.GeoDataFrame, column: str) -> pd.Series:
    """Ids as text; whole numbers without a fraction, as some formats know floats only."""
    given = frame[column]
    if given.isna().any():
        row = int(np.flatnonzero(given.isna())[0])
        raise TableError(f"{path}: row {row} has no {column}: give every district its own id.")
    if pd.api.types.is_float_dtype(given) and (given % 1 == 0).all():
        given = given.astype("int64")
    ids: pd.Series = given.astype(str)
    twice = ids[ids.duplicated()].unique().tolist()
    if twice:
        raise TableError(f"{path}: {column} is {_listed(twice)} in two rows or more: an id names one district.")
    return ids


def _check_shapes(path: Path, shapes: np.ndarray, ids: pd.Series) -> None:
    missing = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    if missing.any():
        raise TableError(f"{path}: the districts {_listed(ids[missing])} have no geometry: take them out.")
    kinds = np.array([shape.geom_type for shape in shapes])
    strange = ~np.isin(kinds, _POLYGONS)
    if strange.any():
        raise TableError(f"{path}: district {ids[strange].iloc[0]} is a {kinds[strange][0]}: give polygons.")
    invalid = ~shapely.is_valid(shapes)
    if invalid.any():
        why = shapely.is_valid_reason(shapes[invalid][0])
        raise TableError(
            f"{path}: the polygons of {_listed(ids[invalid])} are invalid ({why}): mend them, for instance with "
            "shapely.make_valid or ogr2ogr -makevalid, and look at the result."
        )


def _check_overlaps(path: Path, shapes: np.ndarray, ids: pd.Series, most: float) -> None:
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = first < second
    first, second = first[pairs], second[pairs]
    shared = shapely.area(shapely.intersection(shapes[first], shapes[second]))
    part = shared / np.minimum(shapely.area(shapes[first]), shapely.area(shapes[second]))
    if (part > most).any():
        worst = int(np.argmax(part))
        raise TableError(
            f"{path}: the polygons of {ids.iloc[first[worst]]} and {ids.iloc[second[worst]]} overlap in "
            f"{100 * part[worst]:.3g} % of the smaller one, so that land would count twice: mend the borders, or raise "
            f"max_overlap_fraction = {most:g}."
        )


def _numbers(path: Path, frame: gpd.GeoDataFrame, ids: pd.Series, name: str, settings: DistrictSettings) -> np.ndarray:
    """Values of a census column, float64; NaN where there is none."""
    census = settings.census[name]
    values = pd.to_numeric(frame[census.column], errors="coerce").to_numpy(float, na_value=np.nan)
    words = frame[census.column].notna().to_numpy() & np.isnan(values)
    if words.any():
        given = frame[census.column][words].iloc[0]
        raise TableError(
            f"{path}: {census.column} of district {ids[words].iloc[0]} is {given!r}, which is no number: leave it "
            "empty where nothing is known."
        )
    low = values <= 0
    if census.positive and low.any():
        raise TableError(
            f"{path}: {census.column} of district {ids[low].iloc[0]} is {values[low][0]:g}, but census.{name} says "
            "positive: mend the value, or leave it empty where nothing is known."
        )
    return np.where(np.isfinite(values), values, np.nan)


def _listed(names: "pd.Series | list[str]") -> str:
    given = list(names)
    more = len(given) - _SHOWN
    return ", ".join(given[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
