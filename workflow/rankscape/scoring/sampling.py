"""Which patches an epoch shows, and in what order."""

from typing import Literal

import numpy as np

Balance = Literal["levels", "clusters", "patches"]


def epoch_order(
    clusters: np.ndarray, levels: np.ndarray, balance: Balance, generator: np.random.Generator
) -> np.ndarray:
    """Draw one epoch: as many patches as there are, in random order.

    Clusters differ in size by two orders of magnitude and levels in their number of clusters. Shown as they come, the
    rare ones (towns) would hardly move the network, and its scores would shrink to those of the common ones. `levels`
    shows every level equally often, and within a level every cluster; `clusters` every cluster; `patches` every patch
    once. A patch that is shown again comes up only after all others of its cluster.

    Args:
        clusters: Cluster of every patch, int64, shape (n,).
        levels: Level of every patch, int64, shape (n,).
        balance: What is shown equally often.
        generator: Source of chance.

    Returns:
        Positions of patches, int64, shape (n,).
    """
    if balance == "patches":
        return generator.permutation(len(clusters))
    outer = np.zeros_like(levels) if balance == "clusters" else levels
    drawn: list[np.ndarray] = []
    for group, share in zip(np.unique(outer), _even(len(clusters), len(np.unique(outer)), generator), strict=True):
        members = np.unique(clusters[outer == group])
        for cluster, count in zip(members, _even(share, len(members), generator), strict=True):
            drawn.append(_repeated(np.flatnonzero(clusters == cluster), count, generator))
    return generator.permutation(np.concatenate(drawn))


def batches(order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Cut an epoch into batches; a last one of a single patch joins the one before: batch normalisation needs two."""
    cuts = list(range(batch_size, len(order), batch_size))
    if cuts and len(order) - cuts[-1] == 1:
        cuts.pop()
    return np.split(order, cuts)


def _even(total: int, parts: int, generator: np.random.Generator) -> np.ndarray:
    """Split a number into nearly equal whole parts; chance decides which are larger by one."""
    counts = np.full(parts, total // parts, np.int64)
    counts[generator.permutation(parts)[: total % parts]] += 1
    return counts


def _repeated(positions: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    rounds = -(-count // len(positions))
    shuffled = [generator.permutation(positions) for _ in range(rounds)]
    return np.concatenate([np.empty(0, np.int64), *shuffled])[:count]
