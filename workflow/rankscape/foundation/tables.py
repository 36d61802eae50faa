"""Parquet tables with metadata: written atomically, read with a check of their columns."""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rankscape.foundation.errors import TableError
from rankscape.foundation.files import atomic_path

_MAX_ROWS = 100_000_000
_MAX_BYTES = 16 << 30
"""All the land there is has 2e7 patches; a small file that claims far more rows or bytes is a bomb or a mistake."""

_GROUP_ROWS = 16_384


def write_table(
    path: Path,
    frame: pd.DataFrame,
    metadata: dict[str, Any],
    *,
    covering: bool = False,
    columns: Mapping[str, pa.Array] | None = None,
) -> None:
    """Write a table as Parquet, or GeoParquet where `frame` has geometry.

    Args:
        path: Final name.
        frame: Columns; the index is dropped.
        metadata: JSON documents by name, kept in the file's own metadata; provenance stands under `rankscape`.
        covering: Whether a column `bbox` holds the bounds of every geometry (GeoParquet 1.1), in small groups of rows,
            so that a reader of one place skips the others; `frame` has geometry then.
        columns: Further columns of types that pandas does not know, such as lists of one length; they come last.
    """
    flat = frame.reset_index(drop=True)
    if isinstance(flat, gpd.GeoDataFrame):
        table = _geo_table(flat, covering)
    else:
        table = pa.Table.from_pandas(flat, preserve_index=False)
    for name, values in (columns or {}).items():
        table = table.append_column(name, values)
    own = {name.encode(): json.dumps(document, sort_keys=True).encode() for name, document in metadata.items()}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **own})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=_GROUP_ROWS if covering else None)


def _geo_table(frame: gpd.GeoDataFrame, covering: bool) -> pa.Table:
    """The table as GeoPandas writes it, with the metadata of GeoParquet in its schema."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, schema_version="1.1.0", write_covering_bbox=covering)
    return pq.read_table(buffer)


def read_table(path: Path, columns: Iterable[str] = ()) -> pd.DataFrame:
    """Read a Parquet table without geometry.

    Raises:
        TableError: If the file is missing, no Parquet, too large, or lacks one of `columns`.
    """
    return _read(path, columns, geometry=False)


def read_geotable(path: Path, columns: Iterable[str] = (), *, without: Iterable[str] = ()) -> gpd.GeoDataFrame:
    """Read a GeoParquet table.

    Args:
        path: The file.
        columns: Columns that it must have.
        without: Columns that are not read, such as long lists.

    Raises:
        TableError: If the file is missing, no GeoParquet, or lacks one of `columns`.
    """
    left_out = set(without)
    if left_out:
        kept = [name for name in _loaded(path, pq.read_schema).names if name not in left_out]
        return gpd.GeoDataFrame(_loaded(path, lambda one: gpd.read_parquet(one, columns=kept)))
    return gpd.GeoDataFrame(_read(path, columns, geometry=True))


def read_arrow(path: Path) -> pa.Table:
    """Read a Parquet table as Arrow has it: lists keep their type.

    Raises:
        TableError: If the file is missing, no Parquet, or too large.
    """
    found: pa.Table = _loaded(path, pq.read_table)
    return found


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does, whatever its suffix."""
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        return handle.read(4) == b"PAR1"


def _check_size(path: Path) -> None:
    about = pq.read_metadata(path)
    size_bytes = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
    if about.num_rows > _MAX_ROWS or size_bytes > _MAX_BYTES:
        raise TableError(
            f"{path} claims {about.num_rows} rows and {size_bytes} bytes; at most {_MAX_ROWS} rows and {_MAX_BYTES} "
            "bytes are read."
        )


def _loaded(path: Path, load: Callable[[Path], Any]) -> Any:
    try:
        _check_size(path)
        return load(path)
    except FileNotFoundError:
        raise TableError(f"{path} does not exist: make it first, or mend the path.") from None
    except (pa.ArrowException, ValueError, OSError) as error:
        raise TableError(f"{path} is no readable Parquet table ({error}): delete it and make it again.") from None


def _read(path: Path, columns: Iterable[str], *, geometry: bool) -> pd.DataFrame:
    frame: pd.DataFrame = _loaded(path, gpd.read_parquet if geometry else lambda one: pq.read_table(one).to_pandas())
    missing = sorted(set(columns) - set(frame.columns))
    if missing:
        raise TableError(f"{path} lacks the columns {missing}; it has {list(frame.columns)}.")
    return frame


def has_metadata(path: Path, name: str) -> bool:
    """Whether a Parquet file has a JSON document of that name; False also where it is no Parquet file."""
    try:
        return name.encode() in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False


def read_metadata(path: Path, name: str) -> dict[str, Any]:
    """Read one JSON document from a Parquet file's metadata.

    Raises:
        TableError: If the file is no Parquet or has no such document.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (FileNotFoundError, pa.ArrowException, OSError) as error:
        raise TableError(f"{path} is no readable Parquet table ({error}).") from None
    if name.encode() not in metadata:
        raise TableError(f"{path} has no metadata `{name}`: it was not written by this version; make it again.")
    document: dict[str, Any] = json.loads(metadata[name.encode()])
    return document
