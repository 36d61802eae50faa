"""Soft labels of land categories, and the text tables that people fill in (docs/methods/clusters.md)."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError
from rankscape.foundation.text_tables import read_text_table
from rankscape.samples.listing import is_image
from rankscape.samples.patches import IMAGE


def read_rows(path: Path, columns: Sequence[str], purpose: str) -> list[tuple[int, dict[str, str]]]:
    """Read a table of text.

    Args:
        path: CSV or TSV; the first line names the columns.
        columns: Columns that it must have, in any order, and no others.
        purpose: What the file must be, for the message.

    Returns:
        Line number and cells by column of every row.

    Raises:
        TableError: If the file is missing or no such table; the message names file, line and column.
    """
    if not Path(path).is_file():
        raise TableError(f"{path} is no file: {purpose}.")
    table = read_text_table(Path(path))
    _check_columns(path, table.names, columns)
    rows = [dict(zip(table.names, ("" if cell is None else cell for cell in row), strict=True)) for row in table.rows]
    return list(zip(table.lines, rows, strict=True))


def _check_columns(path: Path, names: Sequence[str], allowed: Sequence[str]) -> None:
    if sorted(names) != sorted(allowed):
        unknown, missing = [n for n in names if n not in allowed], [n for n in allowed if n not in names]
        raise TableError(
            f"{path}: unknown columns {unknown}, missing columns {missing}; needed are {list(allowed)}, each once."
        )


TOLERANCE = 1e-6
"""Largest distance of a row's sum from 1 where its shares are not rounded."""
PATCH_ID = "patch_id"


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


def read_labels(
    path: Path,
    categories: Sequence[str],
    known: Sequence[str],
    column: str = PATCH_ID,
    images: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Read soft labels: the share of annotators that chose each category.

    Args:
        path: CSV or TSV with the column that names the patch and one column a category, in any order.
        categories: Land categories of the settings.
        known: Ids of all patches of the granules that are learned from, in the order of the result.
        column: Column that names the patch.
        images: Patch ids by the name of their image (`image_names`), where the column holds such names; None
            where it holds patch ids.

    Returns:
        Column patch_id and one float64 column a category, in the order of `categories`; rows in the order of `known`.

    Raises:
        TableError: If the file is missing, or a column, patch or share is wrong; the message names file, line, patch
            and value.
    """
    found: dict[str, list[float]] = {}
    patches = frozenset(known)
    for line, cells in read_rows(path, (column, *categories), "label.file must name a CSV or TSV of soft labels"):
        name, where = cells[column].strip(), f"{path}, line {line}"
        patch = name if images is None else _patch_of(name, images, f"{where}: {column}")
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


def image_names(index: pd.DataFrame) -> dict[str, list[str]]:
    """Return patch ids by the name of their image: its path below its folder, without the ending.

    Leading zeros of a name that is a whole number do not count, so that 7 names `0007.webp`.

    Args:
        index: Patch indices; column patch_id, and `IMAGE` where there are images.

    Raises:
        TableError: If no patch is an image of a folder.
    """
    if IMAGE not in index or index[IMAGE].isna().all():
        raise TableError(
            "label.column names images, but no granule with the role `fit` is a folder of images: set it to "
            "patch_id, or give `images` in the sheet."
        )
    names: dict[str, list[str]] = {}
    own = index[index[IMAGE].notna()]
    for patch, image in zip(own[PATCH_ID], own[IMAGE], strict=True):
        names.setdefault(_plain(str(image)), []).append(str(patch))
    return names


def _plain(image: str) -> str:
    name = image.rpartition(".")[0] if is_image(image) else image
    return str(int(name)) if name.isdecimal() else name


def _patch_of(name: str, images: Mapping[str, Sequence[str]], where: str) -> str:
    patches = images.get(_plain(name), [])
    if not patches:
        raise TableError(
            f"{where} {name!r} is none of the {len(images)} images that are learned from (such as "
            f"{next(iter(images))!r}): mend the name, delete the row, or give its granule the role `fit`."
        )
    if len(patches) > 1:
        raise TableError(f"{where} {name!r} names {len(patches)} images, {' and '.join(patches[:2])}: rename one.")
    return patches[0]


def _shares(cells: Mapping[str, str], categories: Sequence[str], where: str) -> list[float]:
    shares = [_share(cells[category], f"{where}: {category}") for category in categories]
    rounded = math.fsum(_rounding(cells[category]) for category in categories) - TOLERANCE
    if abs(math.fsum(shares) - 1) > max(rounded, TOLERANCE):
        listed = ", ".join(f"{name} {share:g}" for name, share in zip(categories, shares, strict=True))
        raise TableError(f"{where}: the shares add up to {math.fsum(shares):.7g}, not to 1 ({listed}).")
    return shares


def _rounding(cell: str) -> float:
    """Half of the last digit that is written: .33 stands for .325 to .335. Whole shares, 0 and 1, are exact."""
    digits = re.search(r"\.(\d+)$", cell)
    return 0.5 * 10.0 ** -len(digits[1]) if digits else 0.0


def _share(cell: str, where: str) -> float:
    try:
        share = float(cell)
    except ValueError:
        raise TableError(f"{where} = {cell!r} is no number; give a share from 0 to 1.") from None
    if not 0 <= share <= 1:
        raise TableError(f"{where} = {cell!r} is no share; give a number from 0 to 1.")
    return share
