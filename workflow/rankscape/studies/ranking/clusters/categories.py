"""Land category of every patch, from the head that was fitted to the labels (docs/clusters.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rankscape.foundation.errors import WeightsError
from rankscape.studies.ranking.clusters.features import GranuleFeatures

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
