"""Text tables that people bring: every cell is text until a number is needed.

Separator, encoding and decimal mark are found out or set. No word stands for a missing value unless the settings say
so: NA is Namibia, and 01 is not 1. Exports of statistical offices are read as they are: lines above the column names,
notes below the last row, `sep=` of Excel, `..` and `:` for unknown numbers, and flags of Eurostat behind a number.
"""

import csv
import io
import math
import re
import unicodedata
import warnings
import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rankscape.foundation.errors import SettingsError, TableError, brief_list
from rankscape.foundation.progress import say
from rankscape.foundation.settings import Section

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
WORKBOOK = ".xlsx"
_SEPARATORS = "\t;|,"
"""Of separators that divide lines equally well the first counts: cells may well hold commas."""
_SEARCHED_LINES = 25
"""Lines among which the column names and the separator are looked for."""
BLANKS = "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}\N{ZERO WIDTH NO-BREAK SPACE}"
_UNKNOWN = {"", ".", "..", "...", ":", "-", "\N{EN DASH}", "\N{EM DASH}"}
UNKNOWN_NUMBERS = {*_UNKNOWN, "#N/A", "#NUM!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NULL!"}
"""What stands for an unknown number in exports of statistical offices and of Excel; none of them is a word."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_FLAGGED = re.compile(r"(.*\S)\s+[a-z]{1,3}")
"""A number or a colon of Eurostat with its flags, such as `12.3 e` or `: c`."""
_GROUPED = {mark: re.compile(rf"[+-]?\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+") for mark in ",."}
_LAKHS = re.compile(r"[+-]?\d{1,2}(?:,\d{2})*,\d{3}")
"""Groups of India: 12,34,567."""
_AMBIGUOUS = {mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}{re.escape(mark)}\d{{3}}") for mark in ",."}


class TableFormat(Section):
    """How a table is written; everything is found out where it is not given."""

    encoding: str | None = None
    """Text encoding, such as latin-1, cp1251 or gbk. Default: UTF-8 or UTF-16, else Windows-1252 where that gives
    words; of a shapefile what its .cpg says."""
    separator: Literal[",", ";", "\t", "|"] | None = None
    """What separates the cells of a text file. Default: what divides its lines alike."""
    decimal: Literal[".", ","] | None = None
    """Decimal mark; the other mark groups thousands. Default: found out for each column."""
    missing: tuple[str, ...] = ()
    """Words that stand for an unknown number, such as NA or n/a; an empty cell does so without being named."""


class TextTable(NamedTuple):
    """A table as it is written."""

    names: list[str]
    """Names of the columns."""
    rows: list[list[Any]]
    """Cells of every row with at least one: text, None where it is empty, and typed cells of a workbook."""
    lines: list[int]
    """Line of the file that each row stands in, counted from 1."""


Rows = list[tuple[int, list[Any]]]
"""Line of the file and cells of each row."""


def read_text_table(
    path: Path, needed: Collection[str] = (), form: TableFormat | None = None, sheet: str | None = None
) -> TextTable:
    """Read a text file or a sheet of a workbook as a table.

    Args:
        path: CSV, TSV or xlsx file; capitals in the suffix do not matter.
        needed: Columns that it must have: the column names stand in the first line that has them all.
        form: How a text file is written.
        sheet: Sheet of a workbook; default: the first.

    Returns:
        Its rows. Numbers with grouped thousands or a decimal comma are rewritten with a point, where a whole column
        shows which it is.

    Raises:
        TableError: If it cannot be read, lacks a needed column or has one twice, or rows are of unequal length.
    """
    form = form or TableFormat()
    if not path.is_file():
        raise TableError(f"{path} {'is no file' if path.exists() else 'does not exist'}: mend the path.")
    rows, separator = (_sheet_rows(path, sheet), "\t") if path.suffix.lower() == WORKBOOK else _text_rows(path, form)
    return _as_table(path, rows, needed, form, separator)


def _sheet_rows(path: Path, sheet: str | None) -> Rows:
    import openpyxl  # a second that only workbooks take

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # styles that openpyxl does not know
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        if sheet is not None and sheet not in book.sheetnames:
            raise TableError(f"{path} has no sheet {sheet!r}; it has {brief_list(book.sheetnames)}: mend `sheet`.")
        page = book[sheet or book.sheetnames[0]]
        return [(line, list(row)) for line, row in enumerate(page.iter_rows(values_only=True), 1)]
    except (ValueError, KeyError, zipfile.BadZipFile, openpyxl.utils.exceptions.InvalidFileException, OSError) as error:
        raise TableError(f"{path} cannot be read as a workbook ({' '.join(str(error).split())}).") from None


def _text_rows(path: Path, form: TableFormat) -> tuple[Rows, str]:
    text = decoded(path, form.encoding)
    first, _, rest = text.partition("\n")
    stated = re.fullmatch(r"\s*\"?sep=(.)\"?\s*", first)
    skipped = 0 if stated is None else 1
    separator = form.separator or (stated[1] if stated else _separator(path, text))
    reader = csv.reader(io.StringIO(rest if stated else text, newline=""), delimiter=separator, strict=True)
    rows: Rows = []
    try:
        for row in reader:
            rows.append((reader.line_num + skipped, row))
    except csv.Error as error:
        line = (rows[-1][0] if rows else skipped) + 1  # where the row begins that cannot be read
        raise TableError(
            f"{path}, line {line}: a quote that is never closed, or stands within a quoted cell ({error}): write it "
            "twice, or take it away."
        ) from None
    return rows, separator


def decoded(path: Path, encoding: str | None) -> str:
    """Read a text file.

    Raises:
        TableError: If it is no text, or text in an encoding that must be named.
        SettingsError: If nobody knows the encoding that was named.
    """
    raw = path.read_bytes()
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise TableError(f"{path} is a workbook and no text: call it .xlsx, or save it as CSV.")
    if encoding is None:
        encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            text = raw.decode("cp1252", errors="replace")
            if (strange := strange_text([text])) is not None:
                raise TableError(
                    f"{path} is no UTF-8, and as Windows-1252 it holds {strange!r}: set `encoding`, such as gbk, "
                    "cp1251 or latin-1, or save it as UTF-8."
                ) from None
            say(f"{path.name} is no UTF-8: read as Windows-1252; set `encoding` if words look wrong")
    else:
        try:
            text = raw.decode("utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding)
        except LookupError:
            raise SettingsError(
                f"encoding = {encoding!r} is not known: give one such as utf-8, latin-1 or gbk."
            ) from None
        except UnicodeDecodeError as error:
            raise TableError(f"{path} is no text in the encoding {encoding} ({error}): mend `encoding`.") from None
    if "\0" in text:
        raise TableError(f"{path} holds bytes that are no text: save it as CSV in UTF-8.")
    return text


def strange_text(texts: Iterable[object]) -> str | None:
    """Return a piece of text that was decoded wrongly, if there is one.

    Letters of another script, read as Western European, come in long runs, or beside signs such as ¶ and ¼; what could
    not be decoded at all is the sign U+FFFD or a control character.
    """
    for text in texts:
        for run in re.finditer(r"[^\x00-\x7f]+", text if isinstance(text, str) else ""):
            found = run[0].strip(BLANKS)
            if "\N{REPLACEMENT CHARACTER}" in found or any("\x80" <= one <= "\x9f" for one in found):
                return _around(run)
            western = [one for one in found if one < "\u0180" or unicodedata.category(one)[0] != "L"]
            signs = [one for one in western if unicodedata.category(one) in ("So", "No", "Sc", "Sk", "Po", "Sm")]
            if len(western) == len(found) and (len(found) > 3 or (len(found) > 1 and signs)):
                return _around(run)
    return None


def _around(run: re.Match[str]) -> str:
    start = max(0, run.start() - 8)
    return " ".join(run.string[start : run.end() + 8].split())


def _separator(path: Path, text: str) -> str:
    """The separator that divides most of the first lines into as many cells; of equals, the one with more cells."""
    lines = text.splitlines()[:_SEARCHED_LINES]
    if path.suffix.lower() in (".tsv", ".tab") and any("\t" in line for line in lines):
        return "\t"
    best, found = (0, 0), ","
    for separator in _SEPARATORS:
        counts = Counter(len(row) for row in csv.reader(lines, delimiter=separator) if len(row) > 1)
        if counts:
            cells, agreeing = max(counts.items(), key=lambda one: (one[1], one[0]))
            if (agreeing, cells) > best:
                best, found = (agreeing, cells), separator
    return found


def _as_table(path: Path, rows: Rows, needed: Collection[str], form: TableFormat, separator: str) -> TextTable:
    """Take column names and rows from lines of cells; see `read_text_table`."""
    rows = [(line, [_plain(cell) for cell in row]) for line, row in rows]
    rows = [(line, row) for line, row in rows if any(cell is not None for cell in row)]
    if not rows:
        raise TableError(f"{path} has no rows: give another file.")
    start = _header(path, rows, needed)
    rows = rows[:start] + _without_composite(rows[start:])
    line, names = rows[start][0], [cell and key_of(cell) for cell in _trimmed(rows[start][1])]
    _check_names(path, line, names)
    body, notes = [], 0
    for number, row in rows[start + 1 :]:
        cells = _trimmed(row)
        if len(cells) > len(names):
            raise TableError(
                f"{path}, line {number}: more cells than columns: {cells[len(names) :]}: mend the row, or put "
                "cells that hold the separator into quotes."
            )
        if len(row) < len(names) and len(row) == 1:
            notes += 1  # a note below the table
            continue
        if len(row) < len(names) and separator != "\t":  # editors take away blanks at the end of a line
            raise TableError(
                f"{path}, line {number}: {len(row)} cells, and {len(names)} columns: mend the row, or get the file "
                "again if it is cut off."
            )
        body.append((number, [*cells, *[None] * (len(names) - len(cells))]))
    if notes:
        say(f"{path.name}: {notes} lines of a single cell are no rows, and passed over")
    written = list(zip(*(row for _, row in body), strict=True))
    default = _default_decimal(written, form, separator)
    columns = [rewritten(cells, form, default) for cells in written]
    kept = [place for place, name in enumerate(names) if name]
    found = zip(*(columns[place] for place in kept), strict=True) if body else ()
    return TextTable([names[place] for place in kept], [list(row) for row in found], [line for line, _ in body])


def _plain(cell: Any) -> Any:
    """A cell without blanks around it, in composed letters; None where it is empty."""
    if isinstance(cell, str):
        return _text(cell) or None
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _text(cell: str) -> str:
    """Text without blanks around it, in composed letters."""
    text = cell.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text.strip(BLANKS).strip())


def _trimmed(row: Sequence[Any]) -> list[Any]:
    """The row without empty cells at its end."""
    end = len(row)
    while end and row[end - 1] is None:
        end -= 1
    return list(row[:end])


def _header(path: Path, rows: Rows, needed: Collection[str]) -> int:
    first = rows[:_SEARCHED_LINES]
    if not needed:  # lines above the column names have fewer cells than most
        cells = [len(_trimmed(row)) for _, row in first]
        usual = max(Counter(cells).items(), key=lambda one: (one[1], one[0] == cells[0]))[0]
        return 0 if cells[0] >= usual else cells.index(usual)
    for place, (_, row) in enumerate(first):
        if set(needed) <= {key_of(cell) for cell in [*row, *_parts(row[0])]}:
            return place
    has = [cell for cell in rows[0][1] if cell is not None]
    missing = [name for name in needed if name not in has]
    raise TableError(f"{path} lacks the columns {missing}; it has {brief_list(has)}.")


def _parts(cell: Any) -> list[str]:
    r"""Columns that Eurostat writes into one: `freq,unit,geo\TIME_PERIOD` names three, and the years beside it."""
    return cell.partition("\\")[0].split(",") if isinstance(cell, str) and "\\" in cell else []


def _without_composite(rows: Rows) -> Rows:
    """Rows, the first of which has the names, with the columns apart that Eurostat writes into one."""
    names = _parts(rows[0][1][0])
    if len(names) < 2:
        return [(rows[0][0], [*names, *rows[0][1][1:]]), *rows[1:]] if names else rows
    apart = [(line, [*str(row[0]).split(","), *row[1:]]) for line, row in rows[1:]]
    return [(rows[0][0], [*names, *rows[0][1][1:]]), *apart]


def _check_names(path: Path, line: int, names: Sequence[Any]) -> None:
    twice = sorted({str(name) for name in names if name is not None and names.count(name) > 1})
    if twice:
        raise TableError(f"{path}, line {line}: repeated columns {twice}: rename or delete one of each.")


class WrittenNumber(str):
    """Text of a number with a decimal point and no groups, in a column that shows which mark is which."""

    __slots__ = ()


def rewritten(column: Sequence[Any], form: TableFormat, decimal: str | None) -> list[Any]:
    """Write the text of a column of numbers with a point and without groups; leave any other column as it is.

    Args:
        column: Cells.
        form: How the table is written.
        decimal: Decimal mark of columns that do not show theirs; None leaves such columns as they are.
    """
    bare = _bare(column, form)
    decimal = form.decimal or _decimal(bare) or (decimal if _is_open(bare) else None)
    if not bare or decimal is None or any(_with_point(text, decimal) is None for text in bare):
        return list(column)

    def plain(cell: Any) -> Any:
        if not isinstance(cell, str) or isinstance(cell, WrittenNumber):
            return cell
        found = _with_point(_unflagged(cell), decimal)
        return None if cell in form.missing else cell if found is None else WrittenNumber(found)

    return [plain(cell) for cell in column]


def _bare(column: Iterable[Any], form: TableFormat) -> list[str]:
    """Text of numbers that are known, without flags."""
    texts = (_unflagged(one) for one in column if isinstance(one, str) and not isinstance(one, WrittenNumber))
    return [text for text in texts if text not in UNKNOWN_NUMBERS and text not in form.missing]


def _unflagged(text: str) -> str:
    if not text[-1:].islower():
        return text
    found = _FLAGGED.fullmatch(text)
    return found[1] if found and (found[1] in _UNKNOWN or found[1][-1].isdigit()) else text


def _decimal(texts: Sequence[str]) -> str | None:
    """The decimal mark of a column of numbers; None if its cells do not say which, or contradict one another.

    A mark that stands twice in a number groups thousands, and so does the first of two different marks. A mark that
    does not stand before exactly three digits is a decimal mark. Without any mark it does not matter.
    """
    said = set()
    for text in texts:
        marks = re.findall("[,.]", text)
        if len(set(marks)) == 2:
            said.add(marks[-1])
        elif len(marks) > 1:
            said.add("." if marks[0] == "," else ",")
        elif marks and not _AMBIGUOUS[marks[0]].fullmatch(text):
            said.add(marks[0])
    if not said and not any("," in text or "." in text for text in texts):
        return "."
    return said.pop() if len(said) == 1 else None


def _is_open(texts: Sequence[str]) -> bool:
    """Whether every mark of a column could be either: 1,000 and 2.500 alike."""
    marked = [text for text in texts if "," in text or "." in text]
    return all(any(one.fullmatch(text) for one in _AMBIGUOUS.values()) for text in marked)


def _default_decimal(columns: Iterable[Sequence[Any]], form: TableFormat, separator: str) -> str | None:
    """The decimal mark of columns that do not show theirs: that of the others, or what the separator tells."""
    said = set()
    for column in columns:
        bare = _bare(column, form)
        mark = _decimal(bare) if any("," in text or "." in text for text in bare) else None
        if mark is not None and all(_with_point(text, mark) is not None for text in bare):
            said.add(mark)
    if said:
        return said.pop() if len(said) == 1 else None
    return "." if separator == "," else None  # who writes decimal commas does not separate cells by commas


def _with_point(text: str, decimal: str) -> str | None:
    """A number with a decimal point and no grouping; None if the text is no such number."""
    if text.isdecimal() or (decimal == "." and NUMBER.fullmatch(text)):
        return text
    group = "," if decimal == "." else "."
    text = text.replace("\N{MINUS SIGN}", "-")
    spaced = re.sub(rf"(?<=\d)[ {BLANKS}'\N{{RIGHT SINGLE QUOTATION MARK}}](?=\d{{3}}(?!\d))", "", text)
    whole, mark, rest = spaced.partition(decimal)
    if group in whole:
        if not _GROUPED[group].fullmatch(whole) and not (group == "," and _LAKHS.fullmatch(whole)):
            return None
        whole = whole.replace(group, "")
    found = whole + ("." + rest if mark else "")
    return found if NUMBER.fullmatch(found) else None


def number_of(cell: Any) -> float | None:
    """A cell of a rewritten column as a number: NaN if it says that nothing is known, None if it is no number."""
    if isinstance(cell, str) and not isinstance(cell, WrittenNumber):
        return float("nan") if _unflagged(cell) in UNKNOWN_NUMBERS else None
    try:
        value = float("nan") if cell is None else float(cell)
    except (TypeError, ValueError):
        return None
    return None if math.isinf(value) else value


def is_number(text: str) -> bool:
    """Whether a text is a number by one decimal mark or the other."""
    return any(_with_point(_unflagged(text), mark) is not None for mark in ",.")


def key_of(value: Any) -> str:
    """Write the key of a join as text; see `user_tables.keys`."""
    if isinstance(value, float):
        value = str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
    text = _text(str(value))
    return text.partition(".")[0] if re.fullmatch(r"-?(0|[1-9]\d*)\.0+", text) else text
