"""Features of patches beside their labels."""

from pathlib import Path

import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError
from rankscape.foundation.files import read_array
from rankscape.samples.joins import read_indices
from rankscape.studies.embeddings.artifacts import FEATURE_RECORD
from rankscape.studies.embeddings.regressing import FeatureSet
from rankscape.studies.embeddings.tasks import DownstreamSettings


def join_features(
    rows: pd.DataFrame, names: list[str], files: list[Path], indices: list[Path], settings: DownstreamSettings
) -> tuple[FeatureSet, int]:
    """Join features to labels by patch.

    Args:
        rows: Labels, columns of `LABELS`.
        names: Embeddings, in the order in which they stand side by side.
        files: Features (.npy), a granule each, in a folder named as their embedding.
        indices: Patch indices of the same granules.
        settings: How they are predicted from.

    Returns:
        Labels that have features, and how many have none.

    Raises:
        TableError: If no label has features, or features do not fit the indices or are of different networks.
    """
    blocks = [
        _features(rows["patch_id"], [path for path in files if path.parent.name == name], indices) for name in names
    ]
    joined = np.hstack(blocks)
    has = np.isfinite(joined).all(1)
    if not has.any():
        raise TableError(f"No labelled patch has features of {', '.join(names)}: embed the granules that have labels.")
    widths = tuple(block.shape[1] for block in blocks)
    return FeatureSet(rows[has].reset_index(drop=True), joined[has], widths, settings), int((~has).sum())


def _features(wanted: "pd.Series[str]", files: list[Path], indices: list[Path]) -> np.ndarray:
    """Features of patches by their ids, NaN where there are none, float64, shape (patches, dims)."""
    arrays = {path.stem: read_array(path) for path in files}
    kinds = {
        (FEATURE_RECORD.read(path.with_suffix(".json")).architecture, arrays[path.stem].shape[1]) for path in files
    }
    if len(kinds) > 1:
        raise TableError(f"{files[0].parent} mixes embeddings of {sorted(kinds)}: embed all granules with one.")
    width = next(iter(arrays.values())).shape[1]
    found, place = np.full((len(wanted), width), np.nan), pd.Index(wanted)
    for index in read_indices(indices):
        granule = str(index["granule"].iloc[0])
        if granule not in arrays:
            continue
        if len(arrays[granule]) != len(index):
            raise TableError(
                f"Features of {granule} have {len(arrays[granule])} rows, its index has {len(index)}: embed it again."
            )
        rows = place.get_indexer(pd.Index(index["patch_id"]))
        found[rows[rows >= 0]] = arrays[granule][rows >= 0]
    return found
