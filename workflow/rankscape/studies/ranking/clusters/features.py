"""Features beside the indices of their patches, a granule each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError
from rankscape.foundation.files import read_array
from rankscape.samples.patches import read_index


@dataclass(frozen=True)
class GranuleFeatures:
    """Features of one granule's patches; the array is mapped, not read."""

    features: np.ndarray
    """float32, shape (patches, dims), in the index's order; NaN in rows of patches that are not usable."""
    index: gpd.GeoDataFrame
    """One row a patch; columns of the patch store."""

    def taken(self, kept: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
        """Return the features and ids of some patches.

        Args:
            kept: bool, shape (patches,).

        Returns:
            float32 of shape (kept, dims), and a table with the columns patch_id and granule.
        """
        return np.asarray(self.features[kept], np.float32), pd.DataFrame(self.index.loc[kept, ["patch_id", "granule"]])


def open_features(features: Sequence[Path], indices: Sequence[Path]) -> list[GranuleFeatures]:
    """Open features and indices, matched by file name and sorted by it, so that the order of the files does not matter.

    Args:
        features: `.npy` files, a granule each.
        indices: Patch indices (`.parquet`) with the same names.

    Raises:
        TableError: If a file has no partner, or a pair differs in its number of patches, or a usable patch has no
            features.
        InputError: If a file is missing or broken.
    """
    arrays, tables = {path.stem: path for path in features}, {path.stem: path for path in indices}
    alone = sorted(arrays.keys() ^ tables.keys())
    if alone:
        raise TableError(f"Features and indices must come in pairs of the same name; {alone} stand alone.")
    granules = [_open(arrays[name], tables[name]) for name in sorted(arrays)]
    widths = {name: one.features.shape[1] for name, one in zip(sorted(arrays), granules, strict=True)}
    if len(set(widths.values())) > 1:
        raise TableError(f"Features differ in width: {widths}; run embed again for all of them with one backbone.")
    return granules


def _open(array: Path, table: Path) -> GranuleFeatures:
    one = GranuleFeatures(read_array(array), read_index(table))
    if one.features.ndim != 2 or len(one.features) != len(one.index):
        raise TableError(
            f"{array} has shape {one.features.shape}, but {table} lists {len(one.index)} patches: run embed again."
        )
    usable = one.index["usable"].to_numpy(bool)
    empty = usable & ~np.isfinite(one.features).all(axis=1)
    if empty.any():
        first = one.index["patch_id"].to_numpy()[empty][0]
        raise TableError(
            f"{array} has no features for {int(empty.sum())} usable patches, such as {first}: embed again."
        )
    return one
