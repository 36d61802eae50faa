"""Polygons of districts with their ids, names and census columns."""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError, brief_list
from rankscape.foundation.text_tables import TableFormat
from rankscape.foundation.user_tables import keys
from rankscape.products.districts.settings import DistrictSettings
from rankscape.samples.vector_files import POLYGONS, check_kinds, check_polygons, missing, numbers, read_shapes

_SHOWN = 5
"""Offenders named in a message."""


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
    wanted = {settings.id, *([settings.name] if settings.name else [])}
    wanted |= {census.column for census in settings.census.values()}
    frame = read_shapes(path, wanted, settings.layer, TableFormat(encoding=settings.encoding))
    shapes, ids = frame.geometry.to_numpy(), _ids(path, frame, settings.id)
    names = ids if settings.name is None else frame[settings.name].where(frame[settings.name].notna(), ids).astype(str)
    if missing(shapes).any():
        none = brief_list(ids[missing(shapes)], _SHOWN)
        raise TableError(f"{path}: the districts {none} have no geometry: take them out.")
    called = [f"district {one}" for one in ids]
    check_kinds(path, shapes, called, POLYGONS)
    check_polygons(path, shapes, called, settings.max_overlap_fraction, "max_overlap_fraction")
    census = {name: _census(path, frame, called, name, settings) for name in settings.census}
    columns = {"district": ids.to_numpy(), "name": names.to_numpy(), **census}
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=frame.crs)


def _ids(path: Path, frame: gpd.GeoDataFrame, column: str) -> pd.Series:
    """Ids as text, as tables are joined by them."""
    given = frame[column]
    if given.isna().any():
        row = int(np.flatnonzero(given.isna())[0])
        raise TableError(f"{path}: row {row} has no {column}: give every district its own id.")
    ids = keys(given)
    twice = ids[ids.duplicated()].unique()
    if len(twice):
        raise TableError(
            f"{path}: {column} is {brief_list(twice, _SHOWN)} in two rows or more: an id names one district."
        )
    return ids


def _census(
    path: Path, frame: gpd.GeoDataFrame, called: Sequence[str], name: str, settings: DistrictSettings
) -> np.ndarray:
    """Values of a census column, float64; NaN where there is none."""
    census = settings.census[name]
    values = numbers(path, census.column, frame[census.column], called)
    low = np.flatnonzero(values <= 0)
    if census.positive and len(low):
        raise TableError(
            f"{path}: {census.column} of {called[low[0]]} is {values[low[0]]:g}, but census.{name} says positive: mend "
            "the value, or leave it empty where nothing is known."
        )
    return values
