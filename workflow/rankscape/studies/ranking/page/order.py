"""The order of the clusters: as a drawing, in words, and how settled it is."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rankscape.foundation.package_files import assets
from rankscape.products.report import wording
from rankscape.products.report.palette import RAMP
from rankscape.products.report.plots import ACCENT, INK, SERIES, Plot, plot
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Fragment
from rankscape.products.report.templates import fill
from rankscape.products.report.wording import count
from rankscape.studies.ranking.orders.artifacts import Audit, ClusterPairs
from rankscape.studies.ranking.page import graph, inputs
from rankscape.studies.ranking.page.clusters import cluster_views, level_colours

ASSETS = assets(__file__, "order.html.j2")
_MOST_PAIRS = 60


def draw(run: RunReader) -> Fragment:
    """Draw the section."""
    order, audit, views = inputs.order(run), inputs.audit(run), run.once(cluster_views)
    drawing = graph.draw(order.levels, order.edges or [], order.ranks)
    colours = {view.cluster: view.colour for view in views}
    plots = (
        ranks("ranks", order.ranks, order.intervals, order.leave_one_out, colours),
        pairs("pairs", audit.pairs, order.ranks),
    )
    html: Markup = fill(
        ASSETS, "order.html.j2",
        merged=order, drawing=drawing, views={view.cluster: view for view in views}, colours=level_colours(order),
        card_width=graph.CARD_WIDTH, card_height=graph.CARD_HEIGHT,
        strips=graph.strips(drawing.cards, order.ranks, order.intervals),
        open={c for pair in order.incomparable for level in order.levels if {*pair} <= {*level} for c in pair},
        incomparable=wording.listed([f"{a} and {b}" for a, b in order.incomparable]),
        plots=[plot for plot in plots if plot is not None],
        nobody=nobody_ordered(audit) if audit.pairs.nobody else "",
    )  # fmt: skip
    return Fragment(html, gist=f"{count(len(views), 'cluster')} in {count(len(order.levels), 'level')}")


def ranks(
    name: str,
    merged: Mapping[int, float | None],
    intervals: Mapping[int, tuple[float | None, float | None] | None],
    left_out: Mapping[str, Mapping[int, float]],
    colours: Mapping[int, str],
) -> Plot | None:
    """Plot merged ranks with their intervals, and how far a single source moves them; None without intervals.

    Args:
        name: Unique on the page.
        merged: Merged rank by cluster.
        intervals: Bootstrap interval by cluster.
        left_out: Ranks by cluster, without each source.
        colours: Colour by cluster.
    """
    shown = sorted((rank, cluster) for cluster, rank in merged.items() if rank is not None and intervals.get(cluster))
    if not shown:
        return None

    def paint(axes: Axes) -> None:
        for place, (rank, cluster) in enumerate(shown):
            low, high = intervals[cluster] or (None, None)
            if low is not None and high is not None:
                axes.plot([low, high], [place, place], color=INK, linewidth=1.3, solid_capstyle="butt")
            moved = [own[cluster] for own in left_out.values() if cluster in own]
            if moved:
                axes.plot([min(moved), max(moved)], [place, place], color=ACCENT, linewidth=4.5, alpha=0.75)
            axes.plot(
                [rank],
                [place],
                "o",
                color=colours.get(cluster, SERIES[0]),
                markeredgecolor=INK,
                markersize=6,
                markeredgewidth=0.6,
            )
        axes.set_yticks(range(len(shown)), [str(cluster) for _, cluster in shown])
        axes.set(ylim=(len(shown) - 0.4, -0.6), xlabel="merged rank, 1 is the most developed", ylabel="cluster")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=INK, alpha=0.13, linewidth=0.6)
        axes.set_axisbelow(True)

    caption = (
        "Merged ranks. The thin line is the bootstrap interval over the orders: where two lines overlap much, the "
        "order of the two clusters is not settled. The broad stroke is how far the rank moves when any one order is "
        "left out."
    )
    alt = f"Merged ranks of {len(shown)} clusters with intervals; the list of clusters has the numbers."
    return plot(name, alt, caption, (5.2, 0.7 + 0.21 * len(shown)), paint)


def pairs(name: str, found: ClusterPairs, merged: Mapping[int, float | None]) -> Plot | None:
    """Draw for every pair how many orders agree with the merged order; None for a single cluster."""
    place = {cluster: number for number, cluster in enumerate(found.clusters)}
    order = sorted((c for c in found.clusters if merged.get(c) is not None), key=lambda c: (merged[c], c))
    if len(order) < 2:
        return None
    above = np.array([[np.nan if v is None else v for v in row] for row in found.above], float)
    where = [place[cluster] for cluster in order]
    upper = np.triu(np.ones((len(order), len(order)), bool), k=1)
    shares = np.where(upper, above[np.ix_(where, where)], np.nan)

    def paint(axes: Axes) -> None:
        image = axes.imshow(shares, cmap=RAMP, vmin=0, vmax=1, interpolation="nearest")
        for row, col in np.argwhere(upper & np.isnan(shares)):
            axes.add_patch(
                Rectangle((col - 0.5, row - 0.5), 1, 1, fill=False, hatch="////", edgecolor=INK, linewidth=0)
            )
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.xaxis.tick_top()
        labels = [str(cluster) for cluster in order]
        step = max(1, len(order) // 40)
        axes.set_xticks(range(0, len(order), step), labels[::step], fontsize=7.5)
        axes.set_yticks(range(0, len(order), step), labels[::step], fontsize=7.5)
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02, format=FuncFormatter(_percent))
        bar.set_label("orders that put the row above")
        bar.outline.set_visible(False)

    caption = (
        "Clusters in merged order, best first. Each square is a pair: how many of the orders that compare the two put "
        "the row's cluster above the column's, ties half. Yellow is agreement with the merged order, green is "
        "division, dark blue contradiction; hatched pairs were ordered by nobody."
    )
    nobody = count(len(found.nobody), "pair")
    alt = f"Share of orders behind each pair of {len(order)} clusters; {nobody} ordered by nobody."
    side = min(5.2, 1.6 + 0.19 * len(order))
    return plot(name, alt, caption, (side + 0.8, side), paint)


def _percent(value: float, _: int | None) -> str:
    return f"{100 * value:.0f} %"


def nobody_ordered(audit: Audit) -> str:
    """List the pairs that nobody ordered; clusters that are in no other pair are named once, and many are counted."""
    open_pairs = Counter(cluster for pair in audit.pairs.nobody for cluster in pair)
    alone = {cluster for cluster, pairs in open_pairs.items() if pairs == len(audit.pairs.clusters) - 1}
    others = [f"{a} and {b}" for a, b in audit.pairs.nobody if not {a, b} & alone]
    rest = len(others) - _MOST_PAIRS
    names = wording.listed([str(cluster) for cluster in sorted(alone)])
    return wording.listed([
        *([f"{names} with any other cluster"] if alone else []),
        *others[:_MOST_PAIRS],
        *([wording.count(rest, "further pair")] if rest > 0 else []),
    ])  # fmt: skip
