"""Pictures of clusters and of uncertain patches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rankscape.products.report.images import patch_uri
from rankscape.products.report.palette import colour_of, text_on
from rankscape.products.report.wording import interval, number, rounded_rank
from rankscape.samples.patches import Patches
from rankscape.studies.ranking.page.documents import MergedOrder, Summary
from rankscape.studies.ranking.page.inputs import Material


@dataclass(frozen=True)
class Picture:
    """One patch on the page."""

    patch_id: str
    uri: str
    side_px: int
    """Side of the patch's own pixels: small patches are enlarged without blurring."""
    note: str = ""


@dataclass(frozen=True)
class ClusterView:
    """One cluster on the page."""

    cluster: int
    category: str
    size: int
    level: int
    """Level counted from 1, the best."""
    rank: str
    interval: str
    score: str
    """Mean score of its patches, and their spread."""
    colour: str
    text_colour: str
    uninhabited: bool
    pictures: tuple[Picture, ...]


class Finder:
    """Finds patches by id, over all granules."""

    def __init__(self, patches: dict[str, Patches]) -> None:
        self._arrays = {granule: store.array for granule, store in patches.items()}
        self._rows = {
            patch: (granule, row)
            for granule, store in patches.items()
            for row, patch in enumerate(store.index["patch_id"])
        }

    def __contains__(self, patch_id: str) -> bool:
        return patch_id in self._rows

    def picture(self, patch_id: str, note: str = "") -> Picture:
        """Return a patch as a picture of the page."""
        granule, row = self._rows[patch_id]
        patch = np.asarray(self._arrays[granule][row])
        return Picture(patch_id, patch_uri(patch), patch.shape[0], note)


def level_colours(order: MergedOrder) -> list[str]:
    """Return a colour of the map's ramp for each level, best first: the targets are evenly spaced by level."""
    steps = max(len(order.levels) - 1, 1)
    return [colour_of(1 - place / steps) for place in range(len(order.levels))]


def cluster_views(material: Material, samples: int, seed: int) -> list[ClusterView]:
    """Describe every cluster with sample patches.

    The first sample is the medoid where the summary names one; the others are drawn with the seed, so that a cluster
    shows its variety and not its best side.

    Returns:
        Clusters from the best level to the worst, within a level by rank.
    """
    finder = Finder(material.patches)
    members = _members(material.clusters)
    spreads = _mean_scores(material)
    colours, level_of = level_colours(material.order), _level_of(material.order)
    views = []
    for entry in sorted(material.summary.clusters, key=lambda e: _place(material.order, level_of, e.cluster)):
        chosen = sample(members.get(entry.cluster, []), entry.medoid, samples, [seed, entry.cluster])
        colour = colours[level_of[entry.cluster]]
        ends = material.order.intervals.get(entry.cluster)
        views.append(
            ClusterView(
                entry.cluster, entry.category, entry.size, level_of[entry.cluster] + 1,
                rounded_rank(material.order.ranks.get(entry.cluster)), interval(ends, 1),
                spreads.get(entry.cluster, number(None)), colour, text_on(colour),
                entry.cluster in (material.order.uninhabited, _uninhabited(material.summary)),
                tuple(finder.picture(patch) for patch in chosen if patch in finder),
            )
        )  # fmt: skip
    return views


def sample(members: Sequence[str], medoid: str | None, count: int, seed: list[int]) -> list[str]:
    """Draw patches of a cluster, the medoid first."""
    first = [medoid] if medoid is not None and medoid in members else []
    others = [members[i] for i in np.random.default_rng(seed).permutation(len(members)) if members[i] not in first]
    return (first + others)[:count]


def uncertain_pictures(material: Material, count: int) -> tuple[Picture, ...]:
    """Return the patches on which the networks agree least, most uncertain first; none where all are alike."""
    known = material.scores.dropna(subset=["score", "score_std"])
    if known["score_std"].nunique() < 2:
        return ()
    worst = known.sort_values(["score_std", "patch_id"], ascending=[False, True]).head(count)
    finder = Finder(material.patches)
    rows: Iterable[tuple[str, float, float]] = zip(worst["patch_id"], worst["score"], worst["score_std"], strict=True)
    return tuple(
        finder.picture(patch, f"{number(score)} ± {number(spread)}") for patch, score, spread in rows if patch in finder
    )


def _place(order: MergedOrder, level_of: dict[int, int], cluster: int) -> tuple[int, float, int]:
    rank = order.ranks.get(cluster)
    return level_of[cluster], float("inf") if rank is None else rank, cluster


def _level_of(order: MergedOrder) -> dict[int, int]:
    return {cluster: place for place, level in enumerate(order.levels) for cluster in level}


def _uninhabited(summary: Summary) -> int | None:
    return next((entry.cluster for entry in summary.clusters if entry.uninhabited), None)


def _mean_scores(material: Material) -> dict[int, str]:
    joined: pd.DataFrame = material.clusters.merge(material.scores, on="patch_id").dropna(subset=["score"])
    found = joined.groupby("cluster")["score"]
    rows: Iterable[tuple[int, float, float]] = zip(found.mean().index, found.mean(), found.std(ddof=0), strict=True)
    return {int(cluster): f"{number(mean)} ± {number(spread)}" for cluster, mean, spread in rows}


def _members(clusters: pd.DataFrame) -> dict[int, list[str]]:
    """Patches of each cluster, sorted by id, so that a draw does not depend on the table's order."""
    members: dict[int, list[str]] = {}
    for patch, cluster in sorted(zip(clusters["patch_id"], clusters["cluster"], strict=True)):
        members.setdefault(int(cluster), []).append(str(patch))
    return members
