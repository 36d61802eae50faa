"""Pseudo labels: every cluster of the merged order becomes a target that the score network learns."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rankscape.foundation.errors import OrderError, SettingsError
from rankscape.studies.ranking.orders.partial_orders import PartialOrder

Rule = Literal["levels", "ranks", "ridit"]
Learned = Literal["order", "values"]


@dataclass(frozen=True)
class Targets:
    """What the patches of every cluster should score."""

    levels: tuple[tuple[int, ...], ...]
    """Clusters by level, best first; a cluster without people is the last level."""
    target: dict[int, float]
    """Target of every cluster in [0, 1]; 1 is the most developed."""
    order: PartialOrder
    """Which clusters are above which, tied or incomparable; the objectives that rank learn from this alone."""
    learned: Learned = "order"
    """Where they come from: an order of clusters, or values of patches, whose strata stand for clusters."""

    @property
    def level(self) -> dict[int, int]:
        """Level of every cluster; 0 is the best."""
        return {cluster: place for place, members in enumerate(self.levels) for cluster in members}

    def to_document(self) -> dict[str, Any]:
        """Return levels and targets as JSON."""
        return {
            "levels": [list(members) for members in self.levels],
            "targets": {str(cluster): self.target[cluster] for cluster in sorted(self.target)},
        }


def cluster_targets(
    order: Mapping[str, Any],
    summary: Mapping[str, Any],
    rule: Rule,
    origin: str,
    area_shares: Mapping[str, float] | None = None,
) -> Targets:
    """Read the target of every cluster from the merged order.

    Every cluster of a level is trained on, tied ones too: the Sichuan report trains one representative a level and
    never sees the others.

    Args:
        order: The merged order, `order.json`.
        summary: What is known of the clusters, `clusters.json`.
        rule: `levels`: best 1 to worst 0 in even steps; `ranks`: merged ranks scaled to [0, 1]; `ridit`: by how much
            land stands below (`by_ridit`).
        origin: File of the order, for messages.
        area_shares: For `ridit`: the share of all land of each category; None or empty counts patches.

    Raises:
        OrderError: If the order is about other clusters, misses one or names one twice, ties all of them, or has
            edges that contradict its levels.
        SettingsError: If land shares name other categories than the clusters have.
    """
    _same_clusters(order, summary, origin)
    levels = tuple(tuple(sorted(int(cluster) for cluster in members)) for members in order.get("levels") or ())
    _complete(levels, {int(entry["cluster"]) for entry in summary["clusters"]}, origin)
    if rule == "levels":
        target = by_level(levels)
    elif rule == "ranks":
        target = by_rank(_ranks(order, levels, origin), origin)
    else:
        target = by_ridit(levels, cluster_shares(summary, area_shares or {}))
    return Targets(levels, target, relations(order, levels, origin))


def by_level(levels: Iterable[Iterable[int]]) -> dict[int, float]:
    """Space targets evenly over the levels, best 1, worst 0."""
    listed = [list(members) for members in levels]
    steps = np.linspace(1.0, 0.0, len(listed))
    return {cluster: float(step) for members, step in zip(listed, steps, strict=True) for cluster in members}


def by_rank(ranks: Mapping[int, float], origin: str) -> dict[int, float]:
    """Scale merged ranks, 1 the most developed, to targets: best 1, worst 0.

    Raises:
        OrderError: If all ranks are equal.
    """
    best, worst = min(ranks.values()), max(ranks.values())
    if best == worst:
        raise OrderError(f"{origin} gives every cluster the rank {best}: there is nothing to learn from it.")
    return {cluster: (worst - rank) / (worst - best) for cluster, rank in ranks.items()}


def by_ridit(levels: Iterable[Iterable[int]], shares: Mapping[int, float]) -> dict[int, float]:
    """Give every level its place among all land: the share that stands below it, and half of its own.

    This is the ridit of the level (Bross, Biometrics 1958): the expected rank of its patches, as a share of all. A
    score that is fitted to it by squares is the expected rank of a patch given its look, which is what Spearman's
    correlation with any measure of development rewards. Even steps instead give the few rich clusters as much of the
    scale as all villages, and put land without people one step below the poorest of them.

    Args:
        levels: Clusters by level, best first.
        shares: Share of all land of every cluster, summing to 1.

    Returns:
        Target of every cluster, scaled so that the best level has 1 and the worst 0.
    """
    listed = [list(members) for members in levels]
    own = np.array([sum(shares[cluster] for cluster in members) for members in listed])
    place = own[::-1].cumsum()[::-1] - own / 2
    scaled = (place - place[-1]) / (place[0] - place[-1])
    return {cluster: float(step) for members, step in zip(listed, scaled, strict=True) for cluster in members}


def cluster_shares(summary: Mapping[str, Any], area_shares: Mapping[str, float]) -> dict[int, float]:
    """Say how much of all land each cluster is.

    Args:
        summary: What is known of the clusters, `clusters.json`.
        area_shares: Share of each category, divided among its clusters by their patches; empty counts all patches.

    Raises:
        SettingsError: If a category of the clusters has no share, or a share belongs to no cluster.
    """
    size = {int(entry["cluster"]): float(entry["size"]) for entry in summary["clusters"]}
    category = {int(entry["cluster"]): str(entry["category"]) for entry in summary["clusters"]}
    present = set(category.values())
    if area_shares and set(area_shares) != present:
        raise SettingsError(
            f"train.area_shares has the categories {sorted(area_shares)}, the clusters have {sorted(present)}: give "
            "the share of each of these, or none."
        )
    total = {name: sum(size[c] for c in size if category[c] == name) for name in present}
    whole = sum(size.values())
    return {c: area_shares.get(category[c], total[category[c]] / whole) * size[c] / total[category[c]] for c in size}


def relations(order: Mapping[str, Any], levels: tuple[tuple[int, ...], ...], origin: str) -> PartialOrder:
    """Read from the merged order what every two clusters are to each other.

    The edges and what follows from them say which is above which. Of the others, clusters of one level are tied unless
    they are listed as incomparable; clusters of different levels that no edges join are incomparable.

    Args:
        order: The merged order; without `edges` it is the weak order of its levels.
        levels: Clusters by level, best first.
        origin: File of the order, for messages.

    Raises:
        OrderError: If an edge names an unknown cluster, or leads to the same or a better level.
    """
    if order.get("edges") is None:
        return PartialOrder.from_levels(levels)
    level = {cluster: place for place, members in enumerate(levels) for cluster in members}
    edges = [(int(higher), int(lower)) for higher, lower in order["edges"]]
    upward = [edge for edge in edges if level.get(edge[0], -1) >= level.get(edge[1], len(levels))]
    if upward:
        raise OrderError(f"{origin} puts {upward[0][0]} above {upward[0][1]} against its levels: run ensemble again.")
    apart = {frozenset(pair) for pair in order.get("incomparable") or ()}
    pairs = [pair for members in levels for pair in itertools.combinations(members, 2)]
    tied = [pair for pair in pairs if frozenset(pair) not in apart]
    return PartialOrder.from_pairs(level, edges, tied=tied, origin=origin)


def _same_clusters(order: Mapping[str, Any], summary: Mapping[str, Any], origin: str) -> None:
    if order.get("fingerprint") != summary.get("fingerprint"):
        raise OrderError(
            f"{origin} ranks other clusters (fingerprint {str(order.get('fingerprint'))[:12]}) than those that are "
            f"given ({str(summary.get('fingerprint'))[:12]}): they were made anew since; run ensemble again."
        )


def _complete(levels: tuple[tuple[int, ...], ...], known: set[int], origin: str) -> None:
    named = [cluster for members in levels for cluster in members]
    doubled = sorted({cluster for cluster in named if named.count(cluster) > 1})
    unknown, missing = sorted(set(named) - known), sorted(known - set(named))
    if doubled:
        raise OrderError(f"{origin} puts the clusters {doubled} into two levels: run ensemble again.")
    if unknown:
        raise OrderError(f"{origin} names the clusters {unknown}, which do not exist: run ensemble again.")
    if missing:
        raise OrderError(f"{origin} has no level for the clusters {missing}: run ensemble again.")
    if len(levels) < 2:
        raise OrderError(f"{origin} ties all clusters in one level: there is nothing to learn from it.")


def _ranks(order: Mapping[str, Any], levels: tuple[tuple[int, ...], ...], origin: str) -> dict[int, float]:
    """Merged ranks; the cluster without people, which nobody ranked, takes the place after the last."""
    ranks = {int(cluster): float(rank) for cluster, rank in order.get("ranks", {}).items()}
    uninhabited = order.get("uninhabited")
    if uninhabited is not None:
        ranks.setdefault(int(uninhabited), len(ranks) + 1.0)
    missing = sorted({cluster for members in levels for cluster in members} - set(ranks))
    if missing:
        raise OrderError(f"{origin} has no rank for the clusters {missing}: run ensemble again.")
    return ranks
