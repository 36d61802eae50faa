"""The consensus of many orders: merged ranks, how sure they are, levels, and the graph (docs/ranking.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rankscape.studies.ranking.judges.completion import completed_ranks, never_compared
from rankscape.studies.ranking.orders.agreement import kendall_w, mean_tau, tau_matrix
from rankscape.studies.ranking.orders.levels import levels_of
from rankscape.studies.ranking.orders.merged import Merged
from rankscape.studies.ranking.orders.orders import PartialOrder
from rankscape.studies.ranking.orders.relations import closure, reduction
from rankscape.studies.ranking.orders.resampling import Ballots, rank_intervals, without_each
from rankscape.studies.ranking.settings.judges import EnsembleSettings


@dataclass(frozen=True)
class Consensus:
    """What many orders say together."""

    clusters: tuple[int, ...]
    """Ranked clusters, ascending; arrays of shape (n,) are in this order."""
    sources: tuple[str, ...]
    """Names of the orders; arrays of shape (m,) are in this order."""
    merged: Merged
    """Ranks and weights."""
    intervals: np.ndarray | None
    """Bootstrap interval of every rank, shape (n, 2); None for a single order, which says nothing of its error."""
    leave_one_out: np.ndarray | None
    """Ranks without each order, shape (m, n); None for a single order."""
    levels: tuple[tuple[int, ...], ...]
    """Best first."""
    higher: np.ndarray
    """bool, shape (n, n): what the levels order, but for pairs that nobody compares and nothing follows for."""
    incomparable: np.ndarray
    """bool, shape (n, n): the pairs that stay open."""
    unordered: np.ndarray
    """bool, shape (n, n): the pairs that no order compares, whether or not something follows for them."""
    tau: np.ndarray
    """Kendall's tau-b of every two orders, shape (m, m)."""
    kendall_w: float | None
    """Kendall's W; None for a single order."""


def find_consensus(orders: Mapping[str, PartialOrder], settings: EnsembleSettings) -> Consensus:
    """Merge orders of the same clusters.

    Sources are taken in the order of their names, so that the result does not depend on how they were listed.

    Args:
        orders: Orders by source; at least one.
        settings: Method, levels, bootstrap.
    """
    sources = tuple(sorted(orders))
    members = [orders[source] for source in sources]
    ballots = Ballots(tuple(members), settings)
    merged = ballots.merged
    numbers = levels_of(merged.ranks, settings.levels, settings.min_levels)
    uncompared = never_compared(members)
    higher, open_pairs = _graph(numbers, uncompared)
    alone = len(members) == 1
    return Consensus(
        clusters=members[0].clusters,
        sources=sources,
        merged=merged,
        intervals=None if alone or not settings.bootstrap_draws else rank_intervals(ballots),
        leave_one_out=None if alone else without_each(ballots),
        levels=_grouped(members[0].clusters, numbers),
        higher=higher,
        incomparable=open_pairs,
        unordered=uncompared,
        tau=tau_matrix(members),
        kendall_w=kendall_w(completed_ranks(members)),
    )


def _graph(levels: np.ndarray, uncompared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order pairs by level where somebody compares them or it follows from others; the rest stays open."""
    higher = closure((levels[:, None] < levels[None, :]) & ~uncompared)
    return higher, uncompared & ~higher & ~higher.T


def _grouped(clusters: Sequence[int], levels: np.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple(
        tuple(cluster for cluster, own in zip(clusters, levels, strict=True) if own == level)
        for level in range(int(levels.max()) + 1)
    )


def to_document(consensus: Consensus, uninhabited: int | None) -> dict[str, Any]:
    """Return the consensus as `order.json` holds it.

    The uninhabited cluster is the last level, below all others, and has the rank after the last.

    Args:
        consensus: The merged order.
        uninhabited: The cluster that nobody ranked because it is the lowest by definition.
    """
    clusters, merged = consensus.clusters, consensus.merged
    ranks = _by_cluster(clusters, merged.ranks)
    levels = [list(level) for level in consensus.levels]
    edges = [[clusters[a], clusters[b]] for a, b in np.argwhere(reduction(consensus.higher))]
    if uninhabited is not None:
        ranks[str(uninhabited)] = float(len(clusters) + 1)
        levels.append([uninhabited])
        edges += [[clusters[place], uninhabited] for place in np.flatnonzero(~consensus.higher.any(axis=1))]
    return {
        "clusters": list(clusters),
        "ranks": ranks,
        "intervals": None if consensus.intervals is None else _by_cluster(clusters, consensus.intervals),
        "weights": dict(zip(consensus.sources, merged.weights.tolist(), strict=True)),
        "effective_judges": merged.effective_judges,
        "iterations": merged.iterations,
        "levels": levels,
        "edges": edges,
        "incomparable": _pairs(clusters, consensus.incomparable),
        "unordered": _pairs(clusters, consensus.unordered),
        "tau": {"sources": list(consensus.sources), "matrix": _with_null(consensus.tau)},
        "mean_tau": mean_tau(consensus.tau),
        "kendall_w": consensus.kendall_w,
        "leave_one_out": _left_out(consensus),
        "uninhabited": uninhabited,
    }


def _pairs(clusters: Sequence[int], related: np.ndarray) -> list[list[int]]:
    return [[clusters[a], clusters[b]] for a, b in np.argwhere(np.triu(related))]


def _left_out(consensus: Consensus) -> dict[str, Any] | None:
    if consensus.leave_one_out is None:
        return None
    rows = zip(consensus.sources, consensus.leave_one_out, strict=True)
    return {source: _by_cluster(consensus.clusters, row) for source, row in rows}


def _by_cluster(clusters: Sequence[int], values: np.ndarray) -> dict[str, Any]:
    return {str(cluster): value for cluster, value in zip(clusters, values.tolist(), strict=True)}


def _with_null(matrix: np.ndarray) -> list[list[float | None]]:
    return [[value if np.isfinite(value) else None for value in row] for row in matrix.tolist()]
