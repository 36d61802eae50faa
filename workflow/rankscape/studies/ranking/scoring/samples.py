"""The samples that a score model learns from, what an order or a reference's values make of them, and metrics.

Their targets are the columns `cluster`, `level` (0 the best) and `target` (the score that the sample should get).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, rankdata

from rankscape.foundation.errors import OrderError, TableError
from rankscape.learning.selection import Selection, open_stores, select
from rankscape.learning.targets import TargetTable
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.scoring.score_targets import Targets

TOLERANCE = 0.07
"""A score this near to its target counts as right (the Sichuan report, 2024)."""


def clusters_of(samples: Selection) -> np.ndarray:
    """Return the cluster of every sample, int64, shape (n,)."""
    return samples.targets["cluster"].astype(np.int64)


def levels_of(samples: Selection) -> np.ndarray:
    """Return the level of every sample's cluster, 0 the best, int64, shape (n,)."""
    return samples.targets["level"].astype(np.int64)


def targets_of(samples: Selection) -> np.ndarray:
    """Return the score that every sample should get, float32 in [0, 1], shape (n,)."""
    return samples.targets["target"].astype(np.float32)


def label(samples: Selection, clusters: np.ndarray, targets: Targets, scores: np.ndarray | None = None) -> Selection:
    """Give samples the targets of their clusters, or scores of their own.

    Args:
        samples: The samples.
        clusters: Cluster of every sample, int64, shape (n,).
        targets: Level and target of every cluster.
        scores: Score that every sample should get, shape (n,); None gives each that of its cluster.
    """
    if scores is None:
        scores = np.array([targets.target[c] for c in clusters.tolist()])
    level = np.array([targets.level[c] for c in clusters.tolist()])
    return samples.with_targets(TargetTable.of({"cluster": clusters, "level": level, "target": scores}))


def open_ranked(tiles: Sequence[Path], clusters: pd.DataFrame, targets: Targets) -> Selection:
    """Open the clustered patches of all granules; the order of `tiles` does not matter.

    Args:
        tiles: Patch arrays, a granule each.
        clusters: Columns `patch_id`, `cluster`; patches that it lacks (unusable, or seen in another granule) are
            left out.
        targets: Target of every cluster.

    Raises:
        OrderError: If a cluster of the order has no patches.
        RasterError: If granules differ in bands, pixel type or patch size.
        TableError: If `clusters` names patches that no granule has, or a granule is given twice.
    """
    found = select(open_stores(tiles, one_size=True), clusters["patch_id"], "The table of clusters")
    labels = clusters["cluster"].to_numpy(np.int64)
    _check_clusters(labels, targets)
    order = np.lexsort((found.position, found.store))
    return label(found.take(order), labels[order], targets)


def open_valued(
    tiles: Sequence[Path], patches: Sequence[str], values: pd.DataFrame, strata: int
) -> tuple[Selection, Targets]:
    """Open the patches that a reference covers, each with the rank of its value as its target.

    No cluster is ranked. Wherever training counts clusters (what an epoch shows equally often, how many patches are
    drawn, what is held out), strata of the targets stand for them, so that the settings mean the same amounts.

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
    _check_values(known, len(patches))
    target = rank_targets(known["value"].to_numpy(np.float64))
    stratum = strata_of(target, strata)
    means = {int(s): float(target[stratum == s].mean()) for s in np.unique(stratum)}
    levels = tuple((s,) for s in means)
    targets = Targets(levels, means, PartialOrder.from_levels(levels), "values")
    table = pd.DataFrame({"patch_id": known["patch_id"].to_numpy(), "cluster": stratum, "target": target})
    found = open_ranked(tiles, table, targets)
    own = TargetTable.joined(table, "patch_id", found.ids(), ["target"], "--values")
    return label(found, clusters_of(found), targets, own["target"].astype(np.float32)), targets


def limited(samples: Selection, per_cluster: int | None, generator: np.random.Generator) -> Selection:
    """Keep at most so many samples of each cluster, drawn by chance; None keeps all. The order stays."""
    if per_cluster is None:
        return samples
    clusters = clusters_of(samples)
    kept = [generator.permutation(np.flatnonzero(clusters == cluster))[:per_cluster] for cluster in np.unique(clusters)]
    return samples.take(np.sort(np.concatenate(kept)))


def rank_targets(values: np.ndarray) -> np.ndarray:
    """Return average ranks scaled to [0, 1]: 0 the lowest value, 1 the highest; equal values share a target.

    Ranks are the same for every monotone transform of the values. A score that is fitted to them by squares is the
    expected rank of a patch given its appearance, which is what Spearman's correlation rewards.

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


def validation_metrics(scores: np.ndarray, targets: np.ndarray, levels: np.ndarray) -> dict[str, float | int | None]:
    """Compare scores with pseudo labels.

    Args:
        scores: Score of every patch, shape (n,).
        targets: Target of every patch, shape (n,).
        levels: Level of every patch, 0 the best, shape (n,).

    Returns:
        `patches`; `share_within` 0.07 of the target; `mean_absolute_error`; `kendall_tau_b` between score and level,
        1 if every better level scores higher, null if all scores or all levels are equal.
    """
    error = np.abs(scores.astype(np.float64) - targets)
    tau = kendalltau(scores, -levels, variant="b").statistic
    return {
        "patches": len(scores),
        "share_within": float(np.mean(error <= TOLERANCE)),
        "mean_absolute_error": float(np.mean(error)),
        "kendall_tau_b": float(tau) if np.isfinite(tau) else None,
    }


def held_out_metrics(scores: np.ndarray, held_out: Selection) -> dict[str, float | int | None]:
    """Compare scores with the pseudo labels of held-out patches; see `validation_metrics`."""
    return validation_metrics(scores, targets_of(held_out), levels_of(held_out))


def balanced_mean(values: np.ndarray, groups: np.ndarray) -> float:
    """Return the mean over groups of the mean of each, so that a common group does not outvote a rare one."""
    return float(np.mean([values[groups == group].mean() for group in np.unique(groups)]))


def _check_values(known: pd.DataFrame, patches: int) -> None:
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


def _check_clusters(labels: np.ndarray, targets: Targets) -> None:
    empty = sorted(set(targets.target) - set(labels.tolist()))
    if empty:
        raise OrderError(
            f"The order ranks the clusters {empty}, which have no patches: run cluster and ensemble again."
        )
    strange = sorted(set(labels.tolist()) - set(targets.target))
    if strange:
        raise OrderError(f"Patches lie in the clusters {strange}, which the order does not rank: run ensemble again.")
