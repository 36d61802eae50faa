"""Features beside the indices of their patches, and the land categories that a fitted head gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError, WeightsError
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


PROBABILITY = "p_"
"""Prefix of the columns that hold a category's probability."""
WEIGHT, BIAS = "head.weight", "head.bias"


@dataclass(frozen=True)
class Head:
    """A linear classifier on features."""

    weight: np.ndarray
    """float64, shape (categories, dims)."""
    bias: np.ndarray
    """float64, shape (categories,)."""

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the softmax of the linear scores.

        Args:
            features: float32, shape (patches, dims).

        Returns:
            float64, shape (patches, categories); rows sum to 1.

        Raises:
            WeightsError: If the features have another width than the head.
        """
        if features.shape[1] != self.weight.shape[1]:
            raise WeightsError(
                f"The head reads {self.weight.shape[1]} features and is given {features.shape[1]}: "
                "the features come from another backbone; run embed again."
            )
        scores = features.astype(np.float64) @ self.weight.T + self.bias
        scores -= scores.max(axis=1, keepdims=True)
        exponentials = np.exp(scores)
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def head_of(
    tensors: Mapping[str, Any], document: Mapping[str, Any], categories: Sequence[str], origin: str
) -> Head | None:
    """Take the head out of a fitted backbone.

    Args:
        tensors: The backbone's weights by name; the head's are `head.weight` and `head.bias`.
        document: The backbone's description; `categories` are those that it was fitted to, in the head's order.
        categories: Land categories asked for.
        origin: File of the backbone, for messages.

    Returns:
        The head; None where there is none and one category needs none.

    Raises:
        WeightsError: If the backbone was fitted to other categories, or to none.
    """
    if WEIGHT not in tensors:
        if len(categories) == 1:
            return None
        raise WeightsError(
            f"{origin} has no land-category head, but {len(categories)} categories are asked for "
            f"({', '.join(categories)}): give labels and adapt.epochs above 0, or one category."
        )
    fitted = list(document.get("categories", []))
    if fitted != list(categories):
        raise WeightsError(
            f"{origin} was fitted to the categories {fitted}, the settings name {list(categories)}: run adapt again."
        )
    return Head(np.asarray(tensors[WEIGHT], np.float64), np.asarray(tensors[BIAS], np.float64))


def categorize_patches(
    granules: Sequence[GranuleFeatures], head: Head | None, categories: Sequence[str]
) -> pd.DataFrame:
    """Give every usable patch its probabilities and its most probable category.

    Of equally probable categories the first of the settings is taken.

    Args:
        granules: Features of the granules, sorted by granule.
        head: The fitted head; None where there is one category.
        categories: Land categories in the head's order.

    Returns:
        Columns patch_id, granule, `p_<category>` (float64) for every category, and category; sorted by granule, row
        and column.
    """
    parts = [_categorized(one, head, categories) for one in granules]
    return pd.concat(parts, ignore_index=True)


def _categorized(one: GranuleFeatures, head: Head | None, categories: Sequence[str]) -> pd.DataFrame:
    features, table = one.taken(one.index["usable"].to_numpy(bool))
    shares = np.ones((len(features), 1)) if head is None else head.probabilities(features)
    for place, category in enumerate(categories):
        table[PROBABILITY + category] = shares[:, place]
    # argmax takes the first of equals: the order of the settings decides.
    names = np.array(list(categories), dtype=object)
    return table.assign(category=pd.Series(names[shares.argmax(axis=1)], index=table.index, dtype="str"))
