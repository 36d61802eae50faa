"""The consensus of many orders: merged ranks, how sure they are, levels, and the graph (docs/methods/ranking.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rankscape.studies.ranking.orders.ballots import (
    Merged,
    completed_ranks,
    kendall_w,
    mean_tau,
    never_compared,
    tau_matrix,
)
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.relations import closure, reduction
from rankscape.studies.ranking.orders.resampling import Ballots, rank_intervals, without_each
from rankscape.studies.ranking.orders.settings import EnsembleSettings

_SAME = 9
"""Decimals to which ranks that differ by rounding alone are the same."""


def levels_of(ranks: np.ndarray, count: int | None = None, fewest: int = 2) -> np.ndarray:
    """Split ranks into levels by exact one-dimensional k-means.

    Args:
        ranks: float64, shape (n,); 1 is the most developed.
        count: Number of levels; None takes the number with the largest mean silhouette (Rousseeuw 1987), the smaller
            one of equals. Never more than there are different ranks.
        fewest: Smallest number that the silhouette may choose; so many different ranks or fewer stay apart.

    Returns:
        Level of each rank, int, shape (n,); 0 is the best. Equal ranks share a level.
    """
    values, place, sizes = np.unique(np.round(ranks, _SAME), return_inverse=True, return_counts=True)
    splits = best_splits(values, sizes, len(values) if count is None else min(count, len(values)))
    if count is not None or len(values) <= fewest:
        return np.asarray(splits[-1][place])
    choices = [splits[k - 1][place] for k in range(fewest, len(values))]
    return max(choices, key=lambda labels: round(silhouette(ranks, labels), _SAME))


def best_splits(values: np.ndarray, sizes: np.ndarray, most: int) -> list[np.ndarray]:
    """Return the splits of sorted values into 1 ... most groups with the least sum of squares within.

    Dynamic programming over the last group's start (Fisher 1958; Wang & Song, The R Journal 2011): exact, where k-means
    with random starts is not.

    Args:
        values: Different values in ascending order, shape (n,).
        sizes: How often each occurs.
        most: Largest number of groups, at most n.

    Returns:
        For each number of groups, the group of every value, int, shape (n,).
    """
    cost = _costs(values, sizes)
    best, starts = cost[0], [np.zeros(len(values), int)]
    for _ in range(1, most):
        # total[s, e]: values up to s - 1 in one group fewer, the rest up to e in the last group.
        total = np.concatenate([[np.inf], best[:-1]])[:, None] + cost
        starts.append(total.argmin(axis=0))
        best = total.min(axis=0)
    return [_trace(starts[:groups]) for groups in range(1, most + 1)]


def _costs(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Sum of squares within the group from place s to place e; infinite where e < s."""
    centred = values - np.average(values, weights=sizes)
    count, first, second = (np.concatenate([[0.0], np.cumsum(sizes * centred**power)]) for power in range(3))
    members, sums, squares = (c[None, 1:] - c[:-1, None] for c in (count, first, second))
    upper = np.triu(np.ones((len(values), len(values)), bool))
    within = squares - np.divide(sums**2, members, out=np.zeros_like(sums), where=upper)
    return np.where(upper, np.maximum(within, 0.0), np.inf)


def _trace(starts: list[np.ndarray]) -> np.ndarray:
    groups = np.zeros(len(starts[0]), int)
    end = len(groups) - 1
    for group in range(len(starts) - 1, 0, -1):
        start = int(starts[group][end])
        groups[start : end + 1] = group
        end = start - 1
    return groups


def silhouette(ranks: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean silhouette of a split into two groups or more; a member alone in its group counts 0."""
    distances = np.abs(ranks[:, None] - ranks[None, :])
    members = labels[:, None] == np.unique(labels)[None, :]
    sums, sizes = distances @ members, members.sum(axis=0)
    own = members.argmax(axis=1)
    everyone = np.arange(len(ranks))
    inside = sums[everyone, own] / np.maximum(sizes[own] - 1, 1)
    others = np.where(members, np.inf, sums / sizes).min(axis=1)
    larger = np.maximum(inside, others)
    gain = np.divide(others - inside, larger, out=np.zeros(len(ranks)), where=(larger > 0) & (sizes[own] > 1))
    return float(gain.mean())


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
