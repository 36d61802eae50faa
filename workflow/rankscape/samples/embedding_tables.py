"""Embeddings as tables that other programs read: a row a place, its vector in one column of lists of one length.

Located places make a GeoParquet 1.1 file with their footprint, in Hilbert order and with the bounds of every footprint
(`bbox`), so that a reader of one region skips the others. The metadata `emb` says what the vectors are, as the proposal
for embeddings in GeoParquet does (cloudnativegeo/geo-embeddings-survey).
"""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa

from rankscape.foundation.errors import TableError
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import write_table
from rankscape.samples.patches import IMAGE, is_located
from rankscape.spatial.geometry import WGS84, densified
from rankscape.spatial.seams import in_degrees

EMBEDDING = "embedding"
"""Column of the vectors."""


def write_embeddings(
    path: Path, index: gpd.GeoDataFrame, features: np.ndarray, about: dict[str, Any], record: dict[str, Any]
) -> None:
    """Write embeddings atomically: GeoParquet, or plain Parquet for images without coordinates.

    Args:
        path: Final name, ending in `.parquet`.
        index: Patches; columns of the patch store.
        features: float32, shape (patches, dims); NaN in rows of patches without an embedding.
        about: What the vectors are: `model`, and what else is known.
        record: Provenance.

    Raises:
        TableError: If rows and patches differ, or a row is finite in part.
    """
    known = np.isfinite(features)
    if len(features) != len(index) or (known.any(1) != known.all(1)).any():
        raise TableError(
            f"{path}: {features.shape} features for {len(index)} patches, or rows that are finite in part."
        )
    frame = index[["patch_id", "valid_fraction", "cloud_fraction"]].rename(columns={"patch_id": "id"})
    if is_located(index):
        shapes = in_degrees(densified(index.geometry))
        frame = gpd.GeoDataFrame(pd.DataFrame(frame), geometry=shapes.to_numpy(), crs=WGS84)
        order = np.argsort(frame.geometry.hilbert_distance().to_numpy(), kind="stable")
    else:
        frame, order = pd.DataFrame(frame).assign(image=index[IMAGE].to_numpy()), np.arange(len(index))
    vectors = _lists(features[order], known.all(1)[order])
    document = {**about, "dim": int(features.shape[1]), "quantization": None}
    write_table(
        path,
        frame.iloc[order],
        {KEY: record, "emb": document},
        covering=is_located(index),
        columns={EMBEDDING: vectors},
    )


def _lists(rows: np.ndarray, known: np.ndarray) -> pa.Array:
    """Rows as lists of one length, null where unknown."""
    values = pa.array(np.ascontiguousarray(rows, np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(values, rows.shape[1], mask=pa.array(~known))
