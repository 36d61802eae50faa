"""Clusters: sample patches of each, and how their number was chosen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rankscape.foundation.package_files import assets
from rankscape.products.report.embedded_images import PatchImage
from rankscape.products.report.palette import colour_of, text_on
from rankscape.products.report.plots import ACCENT, SERIES, Plot, plot
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Fragment
from rankscape.products.report.templates import TableView, fill
from rankscape.products.report.wording import count, interval, number, rounded_rank
from rankscape.studies.ranking.clusters.artifacts import CategoryKeys, ClusterSummary
from rankscape.studies.ranking.orders.artifacts import MergedOrder
from rankscape.studies.ranking.page import inputs

ASSETS = assets(__file__, "clusters.html.j2", "choice.html.j2")


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
    """Mean score of its patches, and their standard deviation."""
    colour: str
    text_colour: str
    uninhabited: bool
    images: tuple[PatchImage, ...]


def draw(run: RunReader) -> Fragment:
    """Draw the clusters, the least developed first."""
    views = run.once(cluster_views)
    levels = len(inputs.order(run).levels)
    html: Markup = fill(ASSETS, "clusters.html.j2", clusters=views[::-1], levels=levels)
    return Fragment(html, gist=f"{count(len(views), 'cluster')} with sample patches")


def draw_choice(run: RunReader) -> Fragment:
    """Draw how the number of clusters was chosen."""
    summary = inputs.summary(run)
    heads = ("Category", "Patches", "Clusters K", "K chosen by", "Stability")
    table = TableView("Land categories and their clusters.", heads, _category_rows(summary))
    plots = [silhouettes(f"silhouette-{n}", name, facts) for n, (name, facts) in enumerate(summary.categories.items())]
    html = fill(ASSETS, "choice.html.j2", table=table, plots=[plot for plot in plots if plot is not None])
    return Fragment(html, gist=f"in {count(len(summary.categories), 'land category', 'land categories')}")


def level_colours(order: MergedOrder) -> list[str]:
    """Return a colour of the map's ramp for each level, best first: the targets are evenly spaced by level."""
    steps = max(len(order.levels) - 1, 1)
    return [colour_of(1 - place / steps) for place in range(len(order.levels))]


def cluster_views(run: RunReader) -> list[ClusterView]:
    """Describe every cluster with sample patches.

    The first sample is the medoid where the summary names one; the others are drawn with the seed, so that a cluster
    shows its variety and not its best side.

    Returns:
        Clusters from the best level to the worst, within a level by rank.
    """
    order, summary, images = inputs.order(run), inputs.summary(run), inputs.patch_images(run)
    settings, members, means = run.settings, _members(inputs.clusters(run)), _mean_scores(run)
    colours, level_of = level_colours(order), _level_of(order)
    views = []
    for entry in sorted(summary.clusters, key=lambda e: _place(order, level_of, e.cluster)):
        seed = [settings.seed, entry.cluster]
        chosen = sample(members.get(entry.cluster, []), entry.medoid, settings.samples_per_cluster, seed)
        colour = colours[level_of[entry.cluster]]
        views.append(
            ClusterView(
                entry.cluster, entry.category, entry.size, level_of[entry.cluster] + 1,
                rounded_rank(order.ranks.get(entry.cluster)), interval(order.intervals.get(entry.cluster), 1),
                means.get(entry.cluster, number(None)), colour, text_on(colour),
                entry.cluster in (order.uninhabited, _uninhabited(summary)),
                tuple(images.image(patch) for patch in chosen if patch in images),
            )
        )  # fmt: skip
    return views


def sample(members: Sequence[str], medoid: str | None, count: int, seed: list[int]) -> list[str]:
    """Draw patches of a cluster, the medoid first."""
    first = [medoid] if medoid is not None and medoid in members else []
    others = [members[i] for i in np.random.default_rng(seed).permutation(len(members)) if members[i] not in first]
    return (first + others)[:count]


def _place(order: MergedOrder, level_of: dict[int, int], cluster: int) -> tuple[int, float, int]:
    rank = order.ranks.get(cluster)
    return level_of[cluster], float("inf") if rank is None else rank, cluster


def _level_of(order: MergedOrder) -> dict[int, int]:
    return {cluster: place for place, level in enumerate(order.levels) for cluster in level}


def _uninhabited(summary: ClusterSummary) -> int | None:
    return next((entry.cluster for entry in summary.clusters if entry.uninhabited), None)


def _mean_scores(run: RunReader) -> dict[int, str]:
    joined: pd.DataFrame = inputs.clusters(run).merge(inputs.scores(run), on="patch_id").dropna(subset=["score"])
    found = joined.groupby("cluster")["score"]
    rows: Iterable[tuple[int, float, float]] = zip(found.mean().index, found.mean(), found.std(ddof=0), strict=True)
    return {int(cluster): f"{number(mean)} ± {number(std)}" for cluster, mean, std in rows}


def _members(clusters: pd.DataFrame) -> dict[int, list[str]]:
    """Patches of each cluster, sorted by id, so that a draw does not depend on the table's order."""
    members: dict[int, list[str]] = {}
    for patch, cluster in sorted(zip(clusters["patch_id"], clusters["cluster"], strict=True)):
        members.setdefault(int(cluster), []).append(str(patch))
    return members


def _category_rows(summary: ClusterSummary) -> tuple[tuple[str, ...], ...]:
    sizes: dict[str, int] = {}
    for entry in summary.clusters:
        sizes[entry.category] = sizes.get(entry.category, 0) + entry.size
    return tuple(
        (name, f"{sizes.get(name, 0):,}", str(facts.k), _chosen(facts.k_given, facts.silhouettes),
         number(facts.stability))
        for name, facts in summary.categories.items()
    )  # fmt: skip


def _chosen(given: bool, tried: dict[int, float | None]) -> str:
    return "given" if given else "best silhouette" if any(v is not None for v in tried.values()) else "not divided"


def silhouettes(name: str, category: str, facts: CategoryKeys) -> Plot | None:
    """Plot the silhouette of every number of clusters tried in a category; None where there was no choice."""
    tried = sorted((k, value) for k, value in facts.silhouettes.items() if value is not None)
    if len(tried) < 2:
        return None

    def paint(axes: Axes) -> None:
        axes.plot([k for k, _ in tried], [v for _, v in tried], color=SERIES[0], marker="o", markersize=3.5)
        axes.axvline(facts.k, color=ACCENT, linestyle="--", linewidth=1)
        axes.annotate(f"K = {facts.k}", (facts.k, 1), (3, -2), xycoords=("data", "axes fraction"),
                      textcoords="offset points", color=ACCENT, va="top")  # fmt: skip
        axes.set(xlabel="number of clusters K", ylabel="mean silhouette", title=category)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    how = "given in the settings" if facts.k_given else "the best silhouette"
    alt = f"Mean silhouette of {len(tried)} numbers of clusters in {category}; {facts.k} was taken, {how}."
    return plot(name, alt, f"{category}: K = {facts.k}, {how}.", (3.7, 2.5), paint)
