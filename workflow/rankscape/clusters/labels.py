"""Soft land-category labels from a table that people filled in."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError

TOLERANCE = 1e-6
"""Largest distance of a row's sum from 1."""
PATCH_ID = "patch_id"
_BEYOND = "(beyond the last column)"


def labels_table(shares: Mapping[str, Sequence[float]], categories: Sequence[str]) -> pd.DataFrame:
    """Make the label table.

    Args:
        shares: Shares by patch id, in the order of the table; each in the order of `categories`.
        categories: Land categories.

    Returns:
        Column patch_id and one float64 column a category; every row sums to 1.
    """
    values = np.array(list(shares.values()), np.float64).reshape(len(shares), len(categories))
    table = pd.DataFrame(values / values.sum(axis=1, keepdims=True), columns=list(categories))
    table.insert(0, PATCH_ID, pd.Series(list(shares), dtype="str"))
    return table


def read_labels(path: Path, categories: Sequence[str], known: Sequence[str]) -> pd.DataFrame:
    """Read soft labels: the share of annotators that chose each category.

    Args:
        path: CSV or TSV with the column patch_id and one column a category, in any order.
        categories: Land categories of the settings.
        known: Ids of all patches of the granules that are learned from, in the order of the result.

    Returns:
        Column patch_id and one float64 column a category, in the order of `categories`; rows in the order of `known`.

    Raises:
        TableError: If the file is missing, or a column, patch or share is wrong; the message names file, line, patch
            and value.
    """
    found: dict[str, list[float]] = {}
    patches = frozenset(known)
    for line, cells in _rows(path, categories):
        patch, where = cells[PATCH_ID].strip(), f"{path}, line {line}"
        if patch not in patches:
            raise TableError(
                f"{where}: patch {patch!r} is none of the {len(patches)} patches that are learned from "
                f"(such as {next(iter(known), 'none')}): delete the row, or give its granule the role `fit`."
            )
        if patch in found:
            raise TableError(f"{where}: patch {patch!r} is labelled twice; keep one row.")
        found[patch] = _shares(cells, categories, f"{where}: patch {patch!r}")
    if not found:
        raise TableError(f"{path} has no rows: label some patches, or set label.source to `none`.")
    return labels_table({patch: found[patch] for patch in known if patch in found}, categories)


def _rows(path: Path, categories: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as handle:
            delimiter = "\t" if "\t" in handle.readline() else ","
            handle.seek(0)
            reader = csv.DictReader(handle, delimiter=delimiter, restkey=_BEYOND, restval="")
            _check_columns(path, [name.strip() for name in reader.fieldnames or []], categories)
            reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
            return [(reader.line_num, row) for row in reader]
    except (FileNotFoundError, IsADirectoryError):
        raise TableError(f"{path} is no file: label.file must name a CSV or TSV of soft labels.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path} is no UTF-8 table ({error}): save it as CSV or TSV in UTF-8.") from None


def _check_columns(path: Path, names: Sequence[str], categories: Sequence[str]) -> None:
    allowed = [PATCH_ID, *categories]
    if sorted(names) != sorted(allowed):
        unknown, missing = [n for n in names if n not in allowed], [n for n in allowed if n not in names]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise TableError(
            f"{path}, line 1: unknown columns {unknown}, missing columns {missing}, repeated columns {twice}; "
            f"needed are {allowed}: the categories of the settings, each once."
        )


def _shares(cells: Mapping[str, str], categories: Sequence[str], where: str) -> list[float]:
    if _BEYOND in cells:
        raise TableError(f"{where}: more cells than columns: {cells[_BEYOND]}.")
    shares = [_share(cells[category], f"{where}: {category}") for category in categories]
    if abs(math.fsum(shares) - 1) > TOLERANCE:
        listed = ", ".join(f"{name} {share:g}" for name, share in zip(categories, shares, strict=True))
        raise TableError(f"{where}: the shares add up to {math.fsum(shares):.7g}, not to 1 ({listed}).")
    return shares


def _share(cell: str, where: str) -> float:
    try:
        share = float(cell)
    except ValueError:
        raise TableError(f"{where} = {cell!r} is no number; give a share from 0 to 1.") from None
    if not 0 <= share <= 1:
        raise TableError(f"{where} = {cell!r} is no share; give a number from 0 to 1.")
    return share
