"""Targets from values: every patch learns the rank of its own value of a reference; no cluster is ranked."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from rankscape.foundation.errors import TableError
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.scoring.pool import Pool, open_pool
from rankscape.studies.ranking.scoring.targets import Targets


def value_pool(
    tiles: Sequence[Path], patches: Sequence[str], values: pd.DataFrame, strata: int
) -> tuple[Pool, Targets]:
    """Open the patches that a reference covers, each with the rank of its value as its target.

    Wherever training counts clusters (what an epoch shows equally often, how many patches are drawn, what is held
    out), strata of the targets stand for them, so that the settings mean the same amounts.

    Args:
        tiles: Patch arrays, a granule each.
        patches: Ids of the patches that may be learned from, each once.
        values: Columns `patch_id`, `value`; patches without a row are left out.
        strata: Most strata.

    Returns:
        The patches, `cluster` and `level` their stratum, 0 the highest values; and the strata as targets, each with
        the mean target of its patches.

    Raises:
        RasterError: If granules differ in bands, pixel type or patch size.
        TableError: If no patch has a value, all have the same, a patch has two, or no granule has it.
    """
    known = values[values["patch_id"].isin(set(patches))]
    _check(known, len(patches))
    target = rank_targets(known["value"].to_numpy(np.float64))
    stratum = strata_of(target, strata)
    means = {int(s): float(target[stratum == s].mean()) for s in np.unique(stratum)}
    levels = tuple((s,) for s in means)
    targets = Targets(levels, means, PartialOrder.from_levels(levels), "values")
    pool = open_pool(tiles, pd.DataFrame({"patch_id": known["patch_id"].to_numpy(), "cluster": stratum}), targets)
    own = pd.Series(target, known["patch_id"]).loc[pool.ids()]
    return replace(pool, target=own.to_numpy(np.float32)), targets


def rank_targets(values: np.ndarray) -> np.ndarray:
    """Return average ranks scaled to [0, 1]: 0 the lowest value, 1 the highest; equal values share a target.

    Ranks are the same for every monotone transform of the values, and a score that is fitted to them by squares is the
    expected rank of a patch given its look, which is what Spearman's correlation rewards.

    Args:
        values: Two different ones at least, shape (n,).

    Returns:
        float64, shape (n,).
    """
    ranks = rankdata(values)
    scaled: np.ndarray = (ranks - ranks.min()) / (ranks.max() - ranks.min())
    return scaled


def strata_of(targets: np.ndarray, count: int) -> np.ndarray:
    """Cut [0, 1] into equal parts and return the part of every target, counted from 0, the highest, without gaps.

    Args:
        targets: 0 and 1 among them, shape (n,).
        count: Parts; two are made at least. Parts without a target are not counted.

    Returns:
        int64, shape (n,).
    """
    parts = max(count, 2)
    place = np.minimum(np.floor((1 - targets) * parts), parts - 1).astype(np.int64)
    _, stratum = np.unique(place, return_inverse=True)
    return stratum.astype(np.int64)


def _check(known: pd.DataFrame, patches: int) -> None:
    doubled = known["patch_id"][known["patch_id"].duplicated()]
    if len(doubled):
        raise TableError(f"--values has two values of the patch {doubled.iloc[0]}: give each granule's table once.")
    if not len(known):
        raise TableError(
            f"--values has no value of any of the {patches} patches to learn from: does the reference cover the region?"
        )
    if known["value"].nunique() == 1:
        raise TableError(
            f"--values gives all {len(known)} patches the value {known['value'].iloc[0]:g}: there is nothing to learn."
        )
