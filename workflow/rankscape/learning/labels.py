"""Soft labels: the share of annotators that named each category, as targets of samples."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError
from rankscape.learning.selection import Selection, select
from rankscape.learning.targets import TargetTable
from rankscape.samples.patches import Patches

_TOLERANCE = 1e-6


def select_labelled(
    stores: Sequence[Patches], labels: pd.DataFrame, categories: Sequence[str], origin: str
) -> Selection:
    """Select the patches that labels name, with the share of each category; those that are not usable are left out.

    Args:
        stores: Patch stores of the granules.
        labels: Column `patch_id`, and one column a category with its share.
        categories: Categories.
        origin: File of the labels, for messages.

    Raises:
        TableError: If a label names a patch that no granule has, a patch is labelled twice, a category has no column,
            or shares do not add up to 1; the message names some.
    """
    ids = labels["patch_id"].to_numpy() if "patch_id" in labels else np.empty(0)
    targets = TargetTable.joined(labels, "patch_id", ids, categories, origin)
    _check_shares(targets, ids, origin)
    found = select(stores, labels["patch_id"], origin).with_targets(targets)
    usable = [
        bool(stores[store].index["usable"].iloc[position])
        for store, position in zip(found.store, found.position, strict=True)
    ]
    return found.take(np.array(usable, bool))


def shares_of(samples: Selection) -> np.ndarray:
    """Return the share of each category, float32, shape (n, categories); rows sum to 1."""
    return samples.targets.values.astype(np.float32)


def _check_shares(targets: TargetTable, ids: np.ndarray, origin: str) -> None:
    shares = targets.values
    wrong = ~((shares >= 0).all(1) & (np.abs(shares.sum(1) - 1) <= _TOLERANCE))
    if wrong.any():
        raise TableError(
            f"{origin}: the shares of {ids[wrong][0]} are {shares[wrong][0].tolist()}; they must lie in [0, 1] and add"
            " up to 1."
        )
