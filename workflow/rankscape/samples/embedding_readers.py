"""Embeddings of others: a column of lists, or numbered columns; and back from published bytes to numbers."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from rankscape.foundation.errors import TableError

ALPHAEARTH_NONE = -128
"""Byte of AlphaEarth where there is no embedding."""
_ALPHAEARTH_SCALE = 127.5


def dequantise_alphaearth(values: np.ndarray) -> np.ndarray:
    """Turn bytes of AlphaEarth into numbers: sign(v) (v / 127.5)², NaN for -128.

    Source: the data's own description (Google DeepMind, "Satellite Embedding"). Whole vectors have the length 1,
    but for rounding.

    Args:
        values: int8, any shape.

    Returns:
        float32, the same shape.
    """
    ratio = values.astype(np.float32) / np.float32(_ALPHAEARTH_SCALE)
    return np.where(values == ALPHAEARTH_NONE, np.float32(np.nan), np.sign(ratio) * ratio**2)


def dequantise_tessera(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Turn bytes of TESSERA into numbers: byte times the scale of its pixel, NaN where the scale is not finite or 0.

    Args:
        values: int8, shape (..., dims).
        scales: float32, shape (...).

    Returns:
        float32, shape (..., dims).
    """
    usable = np.where(np.isfinite(scales) & (scales != 0), scales, np.nan).astype(np.float32)
    return np.asarray(values.astype(np.float32) * usable[..., None])


def read_vectors(table: pa.Table, path: Path) -> np.ndarray:
    """Take the vectors of a table of embeddings: a column of lists, or numbered columns.

    Lists may be of fixed or of variable length, as pandas writes them. Numbered columns are one letter or word and a
    number, such as `A00` ... `A63` of Earth Engine or `X_0` ... of the MOSAIKS API, from the smallest number on.

    Args:
        table: The table.
        path: Its file, for messages.

    Returns:
        float32, shape (rows, dims); NaN in rows without a vector.

    Raises:
        TableError: If there is no such column, or several; if rows differ in length, or are finite in part only.
    """
    lists = [name for name in ("embedding", "embeddings") if name in table.column_names]
    lists = lists or [name for name in table.column_names if _is_list(table.schema.field(name).type)]
    found = _from_lists(table[lists[0]], lists[0], path) if len(lists) == 1 else _from_numbers(table, lists, path)
    known = np.isfinite(found)
    partly = known.any(1) & ~known.all(1)
    if partly.any() or np.isinf(found).any():
        row = int(np.flatnonzero(partly | np.isinf(found).any(1))[0])
        raise TableError(
            f"{path}: the embedding of row {row} holds values that are not finite: mend it, or leave it null."
        )
    return found


def _is_list(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)))


def _from_lists(column: pa.ChunkedArray, name: str, path: Path) -> np.ndarray:
    whole = column.combine_chunks()
    known = ~whole.is_null().to_numpy(zero_copy_only=False)
    lengths = np.unique(whole.drop_null().value_lengths().to_numpy(zero_copy_only=False))
    if len(lengths) > 1:
        raise TableError(f"{path}: rows of {name!r} have {lengths[0]} to {lengths[-1]} numbers: all need one length.")
    width = int(lengths[0]) if len(lengths) else getattr(whole.type, "list_size", 0)
    found = np.full((len(whole), width), np.nan, np.float32)
    flat = whole.drop_null().flatten().to_numpy(zero_copy_only=False)
    found[known] = flat.reshape(-1, width) if width else 0
    return found


def _from_numbers(table: pa.Table, lists: list[str], path: Path) -> np.ndarray:
    series: dict[str, dict[int, str]] = {}
    for name in table.column_names:
        word = name.rstrip("0123456789")
        if word != name and pa.types.is_floating(table.schema.field(name).type):
            series.setdefault(word, {})[int(name[len(word) :])] = name
    whole = {word: own for word, own in series.items() if len(own) > 1 and max(own) - min(own) == len(own) - 1}
    if lists or len(whole) != 1:
        what = f"several: {lists or sorted(whole)}" if lists or whole else "none"
        raise TableError(
            f"{path}: one column of lists, such as `embedding`, or one series of numbered columns without gaps, such as"
            f" A00 to A63, is needed; there are {what}."
        )
    ((_, own),) = whole.items()
    columns = [table[own[number]].to_numpy(zero_copy_only=False).astype(np.float32) for number in sorted(own)]
    return np.stack(columns, 1)
