"""The data dictionary of a run: every column of every table, made of the descriptions in `columns`."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from rankscape.products.outputs.columns import SEE_TITLE, TABLES, Column, Table, table_of
from rankscape.products.outputs.run import Run

FIELDS = ("file", "column", "type", "unit", "meaning", "missing")
"""Columns of the dictionary."""
_UNKNOWN = Column("", "text", "", "Not described by this version of Rankscape", "unknown")


def entries(run: Run, titles: Mapping[str, str]) -> list[tuple[str, Column]]:
    """Return file and column of every column of a run's tables.

    Tables that the catalogue shows are looked into, so that their columns are those that they have. Of the others,
    which may have been dropped, the dictionary says what their stage writes, with the wildcards of their names.

    Args:
        run: The finished run, its table of all patches written.
        titles: Titles of the references, with their units, by name.
    """
    found: list[tuple[str, Column]] = []
    shown = dict(_shown(run))
    for table in TABLES:
        paths = [path for path, its in shown.items() if its is table]
        for path in paths:
            own = [described(table, name) for name in column_names(run.root / path)]
            found += [(path, _with_title(column, path, titles)) for column in own]
        if not paths:
            found += [
                (pattern, column) for pattern in table.patterns for column in table.columns if _expected(run, pattern)
            ]
    return found


def _with_title(column: Column, path: str, titles: Mapping[str, str]) -> Column:
    """Put the reference's title, which holds its unit, where a value's unit stands."""
    for name, title in titles.items():
        if column.unit == SEE_TITLE and (
            column.name == f"reference_{name.replace('-', '_')}" or path == f"evaluation/{name}.parquet"
        ):
            return replace(column, unit=title)
    return column


def described(table: Table, name: str) -> Column:
    """Return the description of a column under its own name."""
    column = table.column(name) or _UNKNOWN
    return replace(column, name=name)


def column_names(path: Path) -> list[str]:
    """Return the columns of a table, Parquet or CSV, compressed or not."""
    if path.suffix == ".parquet":
        return list(pq.read_schema(path).names)
    return list(pd.read_csv(path, nrows=0).columns)


def as_csv(rows: list[tuple[str, Column]]) -> bytes:
    """Return the dictionary as CSV (UTF-8), one row a column."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows((file, one.name, one.type, one.unit, one.meaning, one.missing) for file, one in rows)
    return text.getvalue().encode()


def as_markdown(rows: list[tuple[str, Column]], title: str) -> bytes:
    """Return the dictionary as Markdown, one table a file."""
    lines = [f"# Data dictionary: {title}", "", "Every column of every table of this run, made by Rankscape."]
    for file in dict.fromkeys(file for file, _ in rows):
        table = table_of(file)
        lines += ["", f"## `{file}`", "", f"A row is {table.what}." if table else "", ""]
        lines += ["| column | type | unit | meaning | missing |", "|---|---|---|---|---|"]
        own = [one for name, one in rows if name == file]
        lines += [f"| `{one.name}` | {one.type} | {one.unit} | {one.meaning} | {one.missing} |" for one in own]
    return ("\n".join(lines) + "\n").encode()


def _shown(run: Run) -> Iterator[tuple[str, Table]]:
    for where in ("region", "districts", "change"):
        for _, _, path in run.shown(where):
            relative = path.relative_to(run.root).as_posix()
            if (table := table_of(relative)) and path.name != "data-dictionary.csv":
                yield relative, table


def _expected(run: Run, pattern: str) -> bool:
    """Whether this run makes tables of a pattern at all."""
    needs = {
        "{reference}": run.references, "{baseline}": run.rivals, "{districts}": run.districts, "{change}": run.changes,
        "{regression}": run.regressions, "invented/": run.region == "demo", "evaluation/baselines": run.references,
    }  # fmt: skip
    return all(bool(given) for part, given in needs.items() if part in pattern)
