"""Tables that people fill in, CSV or TSV, row by row."""

import csv
from collections.abc import Sequence
from pathlib import Path

from rankscape.foundation.errors import TableError

_BEYOND = "(beyond the last column)"


def read_rows(path: Path, columns: Sequence[str], purpose: str) -> list[tuple[int, dict[str, str]]]:
    """Read a table of text.

    Args:
        path: CSV or TSV in UTF-8; the first line names the columns.
        columns: Columns that it must have, in any order, and no others.
        purpose: What the file must be, for the message.

    Returns:
        Line number and cells by column of every row.

    Raises:
        TableError: If the file is missing or no such table; the message names file, line and column.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as handle:
            delimiter = "\t" if "\t" in handle.readline() else ","
            handle.seek(0)
            reader = csv.DictReader(handle, delimiter=delimiter, restkey=_BEYOND, restval="")
            reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
            _check_columns(path, reader.fieldnames, columns)
            rows = [(reader.line_num, row) for row in reader]
    except (FileNotFoundError, IsADirectoryError):
        raise TableError(f"{path} is no file: {purpose}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path} is no UTF-8 table ({error}): save it as CSV or TSV in UTF-8.") from None
    for line, row in rows:
        if _BEYOND in row:
            raise TableError(f"{path}, line {line}: {row[columns[0]]!r}: more cells than columns: {row[_BEYOND]}.")
    return rows


def _check_columns(path: Path, names: Sequence[str], allowed: Sequence[str]) -> None:
    if sorted(names) != sorted(allowed):
        unknown, missing = [n for n in names if n not in allowed], [n for n in allowed if n not in names]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise TableError(
            f"{path}, line 1: unknown columns {unknown}, missing columns {missing}, repeated columns {twice}; "
            f"needed are {list(allowed)}, each once."
        )
