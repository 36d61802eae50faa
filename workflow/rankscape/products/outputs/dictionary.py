"""The data dictionary of a run: every column of every table and every key of every document, from the declarations."""

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pandas as pd
from pydantic import BaseModel

from rankscape.artifacts import Column, Document, OpenKeys, Table
from rankscape.products.artifacts import DICTIONARY
from rankscape.products.outputs.run import FinishedRun
from rankscape.samples.artifacts import SEE_TITLE

_UNKNOWN = Column("", "text", "", "Not described by this version of Rankscape", "unknown")
_UNITS = {"_m": "m", "_px": "pixels", "_dn": "digital numbers", "_points": "points", "_tokens": "tokens"}
"""Units that names of keys end with."""

Entry = tuple[str, Column]
"""File, and what one of its columns or keys is."""


def entries(run: FinishedRun, titles: Mapping[str, str]) -> list[Entry]:
    """Return file and column of every column of a run's tables, then the keys of its documents.

    Tables that the catalogue shows are looked into, so that their columns are those that they have. Of the others,
    which may have been dropped, the dictionary says what their stage writes, with the wildcards of their names.

    Args:
        run: The finished run, its tables written.
        titles: Titles of the references, with their units, by name.
    """
    found: list[Entry] = []
    for table in (one for one in run.artifacts if isinstance(one, Table) and one is not DICTIONARY):
        files = list(run.files(table)) if table.shown else []
        for names, path in files:
            own = [described(table, name) for name in table.names(path)]
            title = titles.get(names.get("reference", ""))
            file = path.relative_to(run.root).as_posix()
            found += [(file, _with_title(column, titles, title)) for column in own]
        if not files and _expected(run, table):
            found += [(table.path, column) for column in table.columns]
    for document in (one for one in run.artifacts if isinstance(one, Document) and _expected(run, one)):
        if not issubclass(document.model, OpenKeys):
            found += [(document.path, key) for key in keys_of(document.model)]
    return found


def described(table: Table, name: str) -> Column:
    """Return the description of a column under its own name."""
    return replace(table.column(name) or _UNKNOWN, name=name)


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[Column]:
    """Yield a document's keys with their parts: `judges.model`."""
    for name, about in model.model_fields.items():
        unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "")
        missing = "never" if about.is_required() else "left out, or null"
        meaning = (about.description or "").rstrip(".")
        yield Column(f"{prefix}{name}", _type_of(about.annotation), unit, meaning, missing)
        for part in _parts(about.annotation):
            yield from keys_of(part, f"{prefix}{name}.")


def _parts(annotation: object) -> Iterator[type[BaseModel]]:
    """Models within a type: `list[Judge]`, `dict[str, Agreement | None]`."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for inner in typing.get_args(annotation):
        yield from _parts(inner)


def _type_of(annotation: object) -> typing.Any:
    """The type of a key in the words of columns; parts and collections of them are `object`, `list` or `table`."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        known = [one for one in inner if one is not type(None)]
        return _type_of(known[0]) if len(known) == 1 else "any"
    if origin in (list, tuple):
        return "list"
    if origin is dict:
        return "object"
    plain = {str: "text", int: "integer", float: "number", bool: "true/false"}
    return plain.get(annotation, "object" if isinstance(annotation, type) else "any")  # type: ignore[call-overload]


def _with_title(column: Column, titles: Mapping[str, str], own: str | None) -> Column:
    """Put the reference's title, which holds its unit, where a value's unit is said to be that."""
    if column.unit != SEE_TITLE:
        return column
    by_column = {f"reference_{name.replace('-', '_')}": title for name, title in titles.items()}
    title = by_column.get(column.name, own)
    return column if title is None else replace(column, unit=title)


def as_table(rows: list[Entry]) -> pd.DataFrame:
    """Return the dictionary as a table, one row a column or key."""
    values = [(file, one.name, one.type, one.unit, one.words, one.missing) for file, one in rows]
    return pd.DataFrame(values, columns=list(DICTIONARY.needed), dtype=str)


def as_markdown(run: FinishedRun, rows: list[Entry], title: str) -> bytes:
    """Return the dictionary as Markdown, one table a file."""
    lines = [f"# Data dictionary: {title}", "", "Every column of every table and every key of every document."]
    for file in dict.fromkeys(file for file, _ in rows):
        kind = next(one for one in run.artifacts if one.path == file or one.match(file) is not None)
        what = f"A row is {kind.row}." if isinstance(kind, Table) else f"{kind.title}."
        lines += ["", f"## `{file}`", "", what, ""]
        lines += ["| name | type | unit | meaning | missing |", "|---|---|---|---|---|"]
        own = [one for name, one in rows if name == file]
        lines += [f"| `{one.name}` | {one.type} | {one.unit} | {one.words} | {one.missing} |" for one in own]
    return ("\n".join(lines) + "\n").encode()


def _expected(run: FinishedRun, kind: Table | Document[typing.Any]) -> bool:
    """Whether this run has files of a kind."""
    return any(path.is_file() for _, path in run.files(kind))
