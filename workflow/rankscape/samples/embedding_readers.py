"""Embeddings of others as tables: a column of lists, or numbered columns; and back from published bytes to numbers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa

from rankscape.foundation.errors import TableError, brief_list
from rankscape.foundation.tables import has_metadata, is_parquet, read_arrow, read_geotable
from rankscape.foundation.user_tables import TABLE_SUFFIXES, as_numbers, keys, read_user_table, rows_where
from rankscape.samples.settings import SuppliedSettings
from rankscape.samples.vector_files import has_points, points_of, read_shapes

ALPHAEARTH_NONE = -128
"""Byte of AlphaEarth where there is no embedding."""
_ALPHAEARTH_SCALE = 127.5
_LISTS = ("embedding", "embeddings")
_SCALES = ("scale", "scales")
_VERSIONS = ("model", "model_version", "version", "year")
"""Columns of which all rows that are used have one value."""
_MARKS = (-9999.0, -32768.0, -99999.0, -3.4028234663852886e38, 3.4028234663852886e38, 1e20)
"""Numbers that files hold where nothing is known, without saying so."""
_SHOWN = 6


class EmbeddingTable(NamedTuple):
    """A table of embeddings, of the rows that were asked for."""

    frame: pd.DataFrame
    """All other columns; with geometry where rows say where they lie."""
    vectors: np.ndarray
    """float32, shape (rows, dims); NaN in rows without an embedding."""
    model: str | None
    """Model that the file names."""


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


def check_quantised(values: np.ndarray, chosen: str | None, where: str, *, is_bytes: bool) -> None:
    """Refuse bytes that nobody said how to read, and numbers that are no bytes any more.

    Raises:
        TableError: In one line with the setting.
    """
    if is_bytes and chosen is None:
        raise TableError(f"{where} holds published bytes (int8): set `dequantise` to alphaearth or tessera.")
    if chosen is not None and not is_bytes:
        known = values[np.isfinite(values)]
        if (known % 1 != 0).any() or (np.abs(known) > -ALPHAEARTH_NONE).any():
            raise TableError(f"{where} holds numbers that are no bytes: take `dequantise` = {chosen} away.")


def marked(vectors: np.ndarray, nodata: float | None, where: str) -> np.ndarray:
    """Return vectors with NaN where all numbers are a mark for unknown.

    Args:
        vectors: float32, shape (..., dims).
        nodata: The mark; None where the file says all.
        where: The file, for messages.

    Raises:
        TableError: If whole vectors hold a known mark, and nobody said that it is one.
    """
    if nodata is not None:
        return np.where((vectors == np.float32(nodata)).all(-1)[..., None], np.float32(np.nan), vectors)
    for mark in map(np.float32, _MARKS):
        if (vectors == mark).all(-1).any():
            raise TableError(f"{where}: whole embeddings are {mark:g}: if nothing is known there, set nodata: {mark:g}")
    return vectors


def read_embeddings(path: Path, settings: SuppliedSettings) -> EmbeddingTable:
    """Read a table of embeddings: Parquet, GeoParquet, CSV, xlsx, or a vector file.

    Args:
        path: The file.
        settings: Which column or columns, which rows, and how bytes become numbers.

    Raises:
        TableError: If the file cannot be read, has no rows or none that was asked for, mixes versions, or its vectors
            are unequally long or finite in part.
    """
    frame, vectors, model = _parquet(path, settings) if is_parquet(path) else _other(path, settings)
    if frame.empty:
        raise TableError(f"{path} has no rows: give another file.")
    chosen = rows_where(path, frame, settings.where)
    _check_one_version(path, frame[chosen])
    kept = frame[chosen].reset_index(drop=True)
    return EmbeddingTable(kept, marked(vectors[chosen], settings.nodata, str(path)), model)


def _checked(vectors: np.ndarray, path: Path) -> np.ndarray:
    """Vectors that are finite, or NaN throughout."""
    known = np.isfinite(vectors)
    wrong = (known.any(1) & ~known.all(1)) | np.isinf(vectors).any(1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise TableError(
            f"{path}: the embedding of row {row} holds values that are not finite: mend it, or leave it null."
        )
    return vectors


def read_vectors(table: pa.Table, path: Path, columns: str | None = None) -> np.ndarray:
    """Take the vectors of a table of embeddings: a column of lists, or numbered columns.

    Lists may be of fixed or of variable length, as pandas writes them. Numbered columns are one letter or word and a
    number, such as `A00` ... `A63` of Earth Engine or `X_0` ... of the MOSAIKS API, from the smallest number on.

    Args:
        table: The table.
        path: Its file, for messages.
        columns: The column of lists, or what numbered columns begin with; default: the only one.

    Returns:
        float32, shape (rows, dims); NaN in rows without a vector.

    Raises:
        TableError: If there is no such column, or several; if rows differ in length, or are finite in part only.
    """
    lists = [name for name in table.column_names if _is_list(table.schema.field(name).type)]
    numbers = [name for name in table.column_names if _is_number(table.schema.field(name).type)]
    chosen = _choose(path, lists, numbers, columns)
    if isinstance(chosen, str):
        return _checked(_from_lists(table[chosen], chosen, path), path)
    parts = [table[name].to_numpy(zero_copy_only=False) for name in chosen]
    return _checked(np.stack([part.astype(np.float32) for part in parts], 1), path)


def _choose(path: Path, lists: Sequence[str], numbers: Sequence[str], wanted: str | None) -> str | list[str]:
    """The column of lists, or the numbered columns in their order."""
    series: dict[str, dict[int, str]] = {}
    for name in numbers:
        word = name.rstrip("0123456789")
        if word != name:
            series.setdefault(word, {})[int(name[len(word) :])] = name
    whole = {word: own for word, own in series.items() if len(own) > 1 and max(own) - min(own) == len(own) - 1}
    named = [name for name in lists if name in _LISTS]
    if wanted is not None:
        lists, whole = [name for name in lists if name == wanted], {w: own for w, own in whole.items() if w == wanted}
    elif len(named) == 1:
        lists, whole = named, {}
    elif lists:
        whole = {}
    if len(lists) + len(whole) == 1:
        return lists[0] if lists else [own[number] for own in whole.values() for number in sorted(own)]
    found = [*lists, *sorted(whole)]
    what = f"several: set `columns` to one of {found}" if found else "none"
    raise TableError(
        f"{path}: one column of lists, such as `embedding`, or one series of numbered columns without gaps, such as"
        f" A00 to A63, is needed{'' if wanted is None else f' (columns = {wanted!r})'}; there are {what}."
    )


def _is_list(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists and _is_number(kind.value_type))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _from_lists(column: pa.ChunkedArray, name: str, path: Path) -> np.ndarray:
    whole = column.combine_chunks()
    known = ~whole.is_null().to_numpy(zero_copy_only=False)
    lengths = np.unique(whole.drop_null().value_lengths().to_numpy(zero_copy_only=False))
    if len(lengths) > 1:
        raise TableError(f"{path}: rows of {name!r} have {lengths[0]} to {lengths[-1]} numbers: all need one length.")
    width = int(lengths[0]) if len(lengths) else getattr(whole.type, "list_size", 0)
    flat = whole.drop_null().flatten().to_numpy(zero_copy_only=False)
    found = np.full((len(whole), width), np.nan, np.float32)
    found[known] = flat.reshape(-1, width) if width else 0
    return found


def _parquet(path: Path, settings: SuppliedSettings) -> tuple[pd.DataFrame, np.ndarray, str | None]:
    table = read_arrow(path)
    raw = read_vectors(table, path, settings.columns)
    long = [name for name in table.column_names if _is_list(table.schema.field(name).type)]
    if has_metadata(path, "geo"):
        frame: pd.DataFrame = read_geotable(path, without=long)
        if gpd.GeoDataFrame(frame).crs is None:
            raise TableError(f"{path} has no CRS, so that nobody knows where it lies: assign one.")
    else:
        frame = table.drop_columns(long).to_pandas()
        frame = points_of(path, frame) if settings.key is None and has_points(frame) else frame
    about = json.loads((table.schema.metadata or {}).get(b"emb", b"{}"))
    kinds = [kind.value_type if _is_list(kind) else kind for kind in table.schema.types]
    is_bytes = pa.int8() in kinds
    return frame, _numbers(path, frame, raw, settings, is_bytes=is_bytes), _model(about)


def _model(about: Mapping[str, Any]) -> str | None:
    model = about.get("model")
    if isinstance(model, Mapping):
        return " ".join(str(model[key]) for key in ("id", "version") if key in model) or None
    return None if model is None else str(model)


def _other(path: Path, settings: SuppliedSettings) -> tuple[pd.DataFrame, np.ndarray, str | None]:
    """A text table, a workbook or a vector file."""
    if path.suffix.lower() in TABLE_SUFFIXES:
        frame = read_user_table(path, () if settings.key is None else (settings.key,), settings).frame
        frame = points_of(path, frame) if settings.key is None and has_points(frame) else frame
    else:
        frame = read_shapes(path, (), None, settings)
    names = [str(name) for name in frame.columns if name != getattr(frame, "_geometry_column_name", None)]
    texts = [name for name in names if not pd.api.types.is_numeric_dtype(frame[name])]
    lists = [name for name in texts if frame[name].map(lambda cell: str(cell).strip().startswith("[")).any()]
    chosen = _choose(path, lists, [name for name in names if name not in lists], settings.columns)
    rows = [f"row {row}" for row in range(len(frame))]
    if isinstance(chosen, str):
        lists_of = [_list(path, cell, row) for cell, row in zip(frame[chosen], rows, strict=True)]
        raw = _from_lists(pa.chunked_array([lists_of], pa.list_(pa.float32())), chosen, path)
    else:
        raw = np.stack([as_numbers(frame[name], f"{path}: {name}", rows) for name in chosen], 1).astype(np.float32)
    return frame, _numbers(path, frame, _checked(raw, path), settings, is_bytes=False), None


def _list(path: Path, cell: object, row: str) -> list[float] | None:
    """Numbers of a cell such as `[0.1, 0.2]`; None where it is empty."""
    if cell is None or not str(cell).strip():
        return None
    try:
        return [float(value) for value in json.loads(str(cell))]
    except (ValueError, TypeError):
        raise TableError(f"{path}: the embedding of {row} is no list such as [0.1, 0.2]: mend it.") from None


def _numbers(
    path: Path, frame: pd.DataFrame, raw: np.ndarray, settings: SuppliedSettings, *, is_bytes: bool
) -> np.ndarray:
    """Numbers of what a table holds."""
    check_quantised(raw, settings.dequantise, str(path), is_bytes=is_bytes)
    if settings.dequantise == "alphaearth":
        return dequantise_alphaearth(raw)
    if settings.dequantise == "tessera":
        name = next((name for name in _SCALES if name in frame.columns), None)
        if name is None:
            raise TableError(f"{path}: bytes of TESSERA need the column `scale`; there is none.")
        rows = [f"row {row}" for row in range(len(frame))]
        return dequantise_tessera(raw, _scales(frame[name], f"{path}: {name}", rows))
    return raw


def _scales(column: "pd.Series[Any]", where: str, rows: Sequence[str]) -> np.ndarray:
    """Scales of bytes; infinite ones say that there is no embedding."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float32, na_value=np.nan)
    return as_numbers(column, where, rows).astype(np.float32)


def _check_one_version(path: Path, frame: pd.DataFrame) -> None:
    for name in (name for name in frame.columns if str(name).casefold() in _VERSIONS):
        values = sorted(keys(frame[name]).dropna().unique())
        if len(values) > 1:
            raise TableError(
                f"{path} mixes embeddings of {name} {brief_list(values, _SHOWN)}, whose numbers mean different things:"
                f" choose one with where: {{{name}: {values[-1]}}}"
            )
