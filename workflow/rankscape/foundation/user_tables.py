"""Tables that people bring as data frames: CSV, TSV, xlsx and Parquet; their numbers, and the keys of joins."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError, brief_list
from rankscape.foundation.tables import read_table
from rankscape.foundation.text_tables import (
    TEXT_SUFFIXES,
    WORKBOOK,
    TableFormat,
    is_number,
    key_of,
    number_of,
    read_text_table,
    rewritten,
)

_DATES = ("datetime", "date", "timestamp", "start_datetime")
_SHOWN = 6
TABLE_SUFFIXES = (*TEXT_SUFFIXES, WORKBOOK, ".parquet")


class UserTable(NamedTuple):
    """A table of cells as they are written."""

    frame: pd.DataFrame
    """Columns of text, None where nothing is known; typed columns and cells of Parquet and xlsx stay as they are."""
    lines: list[int]
    """Line of the file that each row stands in, counted from 1."""


def read_user_table(
    path: Path, needed: Collection[str] = (), form: TableFormat | None = None, sheet: str | None = None
) -> UserTable:
    """Read a table that somebody brought; see `read_text_table`.

    Args:
        path: CSV, TSV, xlsx or Parquet file; capitals in the suffix do not matter.
        needed: Columns that it must have.
        form: How the file is written.
        sheet: Sheet of an xlsx file; default: the first.

    Raises:
        TableError: If the file cannot be read, lacks a needed column or has one twice, or rows are of unequal length.
    """
    form, suffix = form or TableFormat(), path.suffix.lower()
    if suffix == ".parquet":
        frame = read_table(path, needed)
        return UserTable(frame, list(range(1, len(frame) + 1)))
    if suffix not in TABLE_SUFFIXES:
        raise TableError(f"{path} is no table: {', '.join(TABLE_SUFFIXES)} can be read; save it as one of them.")
    table = read_text_table(path, needed, form, sheet)
    return UserTable(pd.DataFrame(table.rows, columns=table.names, dtype=object), table.lines)


def as_numbers(column: "pd.Series[Any]", where: str, names: Sequence[str]) -> np.ndarray:
    """Return a column as float64, NaN where nothing is known.

    Args:
        column: Its cells: text, or values with a type.
        where: File and column, for messages.
        names: Name of each row, for messages.

    Raises:
        TableError: If a cell is no finite number; the message names it and says what to do.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        raise TableError(f"{where} holds dates, such as {column.dropna().iloc[0]}: a column of numbers is needed.")
    if pd.api.types.is_numeric_dtype(column):
        found = column.to_numpy(float, na_value=np.nan)
        wrong = np.flatnonzero(np.isinf(found))
    else:
        typed = column.astype(object).where(column.notna(), None)
        cells = [number_of(cell) for cell in rewritten(typed.tolist(), TableFormat(), None)]
        wrong = np.array([place for place, value in enumerate(cells) if value is None], int)
        found = np.array([np.nan if value is None else value for value in cells], float)
    if len(wrong):
        words = [place for place in wrong if not is_number(str(column.iloc[place]))]
        place = int((words or [place for place in wrong if re.search("[,.]", str(column.iloc[place]))] or wrong)[0])
        cell = column.iloc[place]
        raise TableError(f"{where} of {names[place]} is {cell!r}, {_advice(str(cell).strip())}.")
    return found


def _advice(text: str) -> str:
    if is_number(text):
        return "whose mark may group thousands or begin decimals: set `decimal`, or write numbers without groups"
    if text.endswith("%"):
        return "which is no number: write shares or percentages without the sign"
    if re.fullmatch(r"[A-Za-z#/. ]{1,12}", text):
        return f"which is no number: leave the cell empty where nothing is known, or list {text!r} in `missing`"
    return "which is no number: mend it, or leave the cell empty where nothing is known"


def keys(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Write the keys of a join as text, on both sides by this rule.

    24, 24.0, '24.0' and ' 24' name the same row; 01 and 1 do not, and NA is a key like any other. Missing keys stay
    None.
    """
    return column.map(key_of).astype(object).where(column.notna(), None)


def years_of(frame: pd.DataFrame) -> "pd.Series[Any] | None":
    """Return the year of every row as text: its column `year`, or that of a date; None where none is known."""
    if "year" in frame.columns:
        return keys(frame["year"])
    name = next((name for name in _DATES if name in frame.columns), None)
    if name is None:
        return None
    dates = pd.to_datetime(frame[name], errors="coerce", utc=True)
    return dates.dt.year.map(lambda year: None if pd.isna(year) else str(int(year)))


def rows_where(path: Path | str, frame: pd.DataFrame, where: Mapping[str, str | int | float]) -> np.ndarray:
    """Say which rows have given values, bool, shape (rows,).

    Args:
        path: The file, for messages.
        frame: Its rows.
        where: Value by column, such as `year: 2020`, which a column of dates has too.

    Raises:
        TableError: If a column is missing, or no row has a value.
    """
    found = np.ones(len(frame), bool)
    for name, value in where.items():
        column = years_of(frame) if name == "year" else keys(frame[name]) if name in frame.columns else None
        if column is None:
            raise TableError(f"{path} has no column {name!r}, which `where` names; it has {brief_list(frame.columns)}.")
        there = (column == key_of(value)).to_numpy(bool)
        if not there.any():
            values = brief_list(sorted(column.dropna().unique()), _SHOWN)
            raise TableError(f"{path}: no row has {name} = {value} (`where`); there are {values}.")
        found &= there
    if not found.any():
        raise TableError(f"{path}: no row has all of `where` = {dict(where)}: choose others.")
    return found


def difference(wanted: Collection[str], there: Collection[str]) -> str:
    """Say by what two sets of keys differ that should match: leading zeros, capitals; empty if nothing is known."""
    for what, same in (
        ("leading zeros", lambda key: key.lstrip("0") or "0"),
        ("capitals", str.casefold),
        ("blanks and hyphens", lambda key: re.sub(r"[\W_]+", "", key).casefold()),
    ):
        other = {same(key): key for key in there}
        pair = next(((key, other[same(key)]) for key in wanted if same(key) in other), None)
        if pair is not None:
            return f"; {pair[0]!r} and {pair[1]!r} differ by {what}"
    return ""
