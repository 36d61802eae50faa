"""Tables joined to samples: a granule's by patch id, and users' (CSV, Parquet, xlsx) by a key."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import geopandas as gpd
import pandas as pd

from rankscape.foundation.errors import TableError, brief_list
from rankscape.foundation.tables import read_table
from rankscape.foundation.user_tables import difference, keys, read_user_table, rows_where
from rankscape.samples.patches import read_index, row_col
from rankscape.samples.settings import JoinedTable

_SHOWN = 3
_PATCH_ID = re.compile(r".+_\d+_\d+")


def read_indices(paths: Sequence[Path]) -> list[gpd.GeoDataFrame]:
    """Read patch indices, sorted by granule.

    Raises:
        TableError: If an index is none, is empty, or a granule is given twice.
    """
    found: dict[str, gpd.GeoDataFrame] = {}
    for path in paths:
        index = read_index(path)
        if index.empty:
            raise TableError(f"{path} has no patches: cut them again.")
        granule = str(index["granule"].iloc[0])
        if granule in found:
            raise TableError(f"{path}: granule {granule} is given twice; give each index once.")
        found[granule] = index
    return [found[granule] for granule in sorted(found)]


def rows_of(paths: Sequence[Path], columns: Sequence[str], wanted: pd.Series, what: str) -> pd.DataFrame:
    """Read the rows of some patches from tables, a granule each.

    Args:
        paths: Tables with the column `patch_id`.
        columns: Columns to take.
        wanted: Ids of the patches.
        what: Option by which the tables were given, for messages.

    Returns:
        The columns, a row a patch in the order wanted, numbered from 0.

    Raises:
        TableError: If a table lacks a patch, or a patch stands in two rows.
    """
    table = pd.concat([read_table(path, ("patch_id", *columns)) for path in paths]).set_index("patch_id")
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()][0]
        raise TableError(f"--{what}: patch {twice} stands in two rows; give the table of each granule once.")
    missing = wanted[~wanted.isin(table.index)]
    if len(missing):
        raise TableError(
            f"--{what}: {len(missing)} patches are in no table, {missing.iloc[0]} for one; make them again."
        )
    found: pd.DataFrame = table.reindex(index=wanted, columns=list(columns)).reset_index(drop=True)
    return found


def read_joined(table: JoinedTable, where: Mapping[str, str | int | float] | None = None) -> pd.DataFrame:
    """Read a table that has a row for each key.

    Rows without a key, such as empty ones below a sheet, are passed over.

    Args:
        table: File, sheet, key and columns.
        where: Value by column that rows must have; default: all rows.

    Returns:
        The key as text (see `keys`) and the columns asked for.

    Raises:
        TableError: If the file cannot be read, lacks a column, or holds a key twice.
    """
    path = Path(table.path)
    frame = read_user_table(path, (table.key, *table.columns), table, table.sheet).frame
    frame = frame[rows_where(path, frame, where or {})]
    wanted = [table.key, *(table.columns or [name for name in frame.columns if name != table.key])]
    frame = frame.loc[frame[table.key].notna(), list(dict.fromkeys(wanted))].reset_index(drop=True)
    frame[table.key] = keys(frame[table.key])
    twice = frame[table.key][frame[table.key].duplicated()]
    if len(twice):
        raise TableError(
            f"{path}: {table.key} {twice.iloc[0]!r} stands in two rows ({len(twice)} such); keep one each, or choose "
            "with `where`."
        )
    return frame


def keys_of_patches(patches: pd.DataFrame, named: "pd.Series[str]", path: Path | str, key: str) -> "pd.Series[str]":
    """Return by which names a table calls patches: by their id, or by row and column.

    Args:
        patches: Index of one granule's patches.
        named: The table's keys (`keys`).
        path: The table, for messages.
        key: Its column.

    Returns:
        A name for each patch, in the order of the index.

    Raises:
        TableError: If no key could be that of a patch.
    """
    places = row_col(patches["patch_id"])
    by_id = named.isin(patches["patch_id"]).any()
    others = named.str.fullmatch(_PATCH_ID.pattern).any()
    if len(named) and not by_id and not others and not named.isin(places).any():
        raise TableError(
            f"{path}: {key} holds {named.iloc[0]!r} for one, and patches are called "
            f"{patches['patch_id'].iloc[0]!r} or {places.iloc[0]!r}: give a column with such keys."
        )
    return keys(patches["patch_id"] if by_id or others else places)


def join(places: pd.DataFrame, table: JoinedTable) -> tuple[pd.DataFrame, str | None]:
    """Add a table's columns to places; several places may belong to one row.

    Args:
        places: One row a place.
        table: The table, and the places' column that its key is found in.

    Returns:
        The places with the table's columns, in their order, and what there is to say of places without a row.

    Raises:
        TableError: If the places lack the column, no key matches, or a column would be there twice.
    """
    on, frame = str(table.match), read_joined(table)
    if on not in places.columns:
        raise TableError(
            f"{table.path}: places have no column {on!r} (`match`); they have {brief_list(places.columns)}."
        )
    if on == "row_col" and places[on].duplicated().any():
        twice = places[on][places[on].duplicated()].iloc[0]
        raise TableError(f"{table.path}: row_col {twice!r} is a patch in several granules: key the table by patch_id.")
    wanted = keys(places[on])
    found = wanted.isin(frame[table.key])
    if not found.any():
        raise TableError(
            f"{table.path}: no {table.key} is the {on} of any place: the table holds {_examples(frame[table.key])}, "
            f"the places hold {_examples(wanted)}{difference(set(wanted.dropna()), set(frame[table.key]))}."
        )
    clash = sorted(set(frame.columns) & set(places.columns) - {table.key})
    if clash:
        raise TableError(f"{table.path}: the columns {clash} are there already: name the ones to take in `columns`.")
    added = frame.set_index(table.key).reindex(wanted).reset_index(drop=True)
    if table.key not in places.columns:
        added[table.key] = wanted.where(found).to_numpy()
    return pd.concat([places.reset_index(drop=True), added], axis=1), _left(table, wanted, found, frame[table.key])


def _left(
    table: JoinedTable, wanted: "pd.Series[str]", found: "pd.Series[bool]", there: "pd.Series[str]"
) -> str | None:
    """Which places the table does not have."""
    without = wanted[~found]
    if without.empty:
        return None
    name, named = Path(table.path).name, without.dropna()
    empty = len(without) - len(named)
    parts = (
        [f"{len(named):,} of {len(wanted):,} places are not in {name}, such as {_examples(named)}"]
        if len(named)
        else []
    )
    parts += [f"{empty:,} of {len(wanted):,} places have no {table.match}, and no row of {name}"] if empty else []
    return "; ".join(parts) + difference(set(named), set(there) - set(wanted)) + "."


def _examples(column: "pd.Series[str]") -> str:
    return ", ".join(repr(value) for value in column.dropna().unique()[:_SHOWN])
