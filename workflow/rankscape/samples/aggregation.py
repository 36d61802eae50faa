"""A reference of any kind brought to the patches of a granule."""

import re
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pandas as pd

from rankscape.foundation.errors import TableError
from rankscape.samples.keyed_tables import keys, read_keyed
from rankscape.samples.patches import row_col
from rankscape.samples.references import area_means
from rankscape.samples.settings import KeyedTable, ReferenceSettings
from rankscape.samples.vector_files import numbers
from rankscape.samples.vectors import of_points, of_polygons

_PATCH_ID = re.compile(r".+_\d+_\d+")


def reference_values(reference: ReferenceSettings, patches: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return what the reference says of every patch.

    Args:
        reference: The reference.
        patches: Index of one granule's patches: `patch_id`, `granule`, `row`, `col` and footprints with a CRS.

    Returns:
        One row a patch: `value` (float64, not transformed; NaN where nothing is known) and `coverage` (float64, the
        share of the footprint that the value speaks of, in [0, 1]).

    Raises:
        RasterError: If a raster cannot be used; see `area_means`.
        TableError: If points, polygons or a table cannot be used, or hold negative values although the transform is
            `log1p`.
    """
    of_kind: dict[str, Callable[[], pd.DataFrame]] = {
        "raster": lambda: area_means(reference, patches.geometry),
        "points": lambda: of_points(reference, patches.geometry),
        "polygons": lambda: of_polygons(reference, patches.geometry),
        "table": lambda: of_table(reference, patches),
    }
    found = of_kind[reference.kind]()
    if reference.transform == "log1p" and (found["value"] < 0).any():
        raise TableError(
            f"{reference.path} gives {found['value'].min():g} at a patch, and transform = log1p takes no negative "
            "values: mend them, or set the transform to none."
        )
    return found


def of_table(reference: ReferenceSettings, patches: gpd.GeoDataFrame) -> pd.DataFrame:
    """Look up every patch in a table by its id or its row and column.

    Args:
        reference: The table, its key and its column.
        patches: Index of one granule's patches.

    Returns:
        As `reference_values`; coverage is 1 where the table has a number.

    Raises:
        TableError: If the table cannot be read, holds a key twice, or no key could be that of a patch.
    """
    path, key, column = Path(reference.path), str(reference.key), str(reference.column)
    table = read_keyed(KeyedTable(path=reference.path, sheet=reference.sheet, key=key, columns=(column,)))
    places = row_col(patches["patch_id"])
    by_id = table[key].isin(patches["patch_id"]).any()
    wanted = patches["patch_id"] if by_id else places
    others = table[key].str.fullmatch(_PATCH_ID.pattern).any()
    if len(table) and not by_id and not others and not table[key].isin(places).any():
        raise TableError(
            f"{path}: {key} holds {table[key].iloc[0]!r} for one, and patches are called "
            f"{patches['patch_id'].iloc[0]!r} or {places.iloc[0]!r}: give a column with such keys."
        )
    known = pd.Series(numbers(path, column, table[column], table[key].tolist()), table[key])
    value = known.reindex(keys(wanted)).to_numpy(float)
    return pd.DataFrame({"value": value, "coverage": (~pd.isna(value)).astype(float)})
