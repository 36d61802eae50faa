"""Plots of what the sources of orders did: agreement, weights, scores, drift, time and cost."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rankscape.products.report.palette import RAMP, colour_of, text_on
from rankscape.products.report.plots import ACCENT, INK, SERIES, Plot, draw_plot, plot
from rankscape.products.report.wording import count
from rankscape.studies.ranking.orders.artifacts import AuditedJudge, GroupTau, SourceGroup, TakenRound

KIND_COLOURS = {"round": SERIES[0], "person": SERIES[1], "data": SERIES[2]}
"""Colours of the kinds of sources."""
KIND_NAMES = {"round": "judge", "person": "person", "data": "reference"}
_LONGEST_NAME = 36
_MOST_NUMBERED = 32
_MOST_BARS = 40
_MOST_PANELS = 36
_COLUMNS = 4
_MOST_COLOURS = len(SERIES)


def short(name: str) -> str:
    """Cut a long name in its middle, so that names that begin alike stay apart."""
    half = (_LONGEST_NAME - 1) // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}…{name[-half:]}"


def taus(name: str, tau: GroupTau) -> Plot | None:
    """Draw the mean tau-b between the orders of every two groups; None for a single group."""
    matrix = np.array([[np.nan if v is None else v for v in row] for row in tau.matrix], float)
    size = len(tau.groups)
    if size < 2:
        return None
    smallest = float(np.nanmin(matrix, initial=1.0))
    lowest = min(math.floor(10 * smallest) / 10, 0.9)
    cell = 0.36 if size <= 14 else 0.25 if size <= _MOST_NUMBERED else 0.12
    names = [short(group) for group in tau.groups]

    def paint(axes: Axes) -> None:
        image = axes.imshow(matrix, cmap=RAMP, vmin=lowest, vmax=1, interpolation="nearest")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        step = 1 if size <= _MOST_NUMBERED else size // 16
        axes.set_xticks(range(0, size, step), [str(i + 1) for i in range(0, size, step)])
        axes.set_yticks(range(0, size, step), [f"{names[i]}  {i + 1}" for i in range(0, size, step)])
        axes.xaxis.tick_top()
        _write_numbers(axes, matrix, lowest, 8.0 if size <= 14 else 6.8)
        bar = axes.figure.colorbar(image, ax=axes, label="mean Kendall tau-b", shrink=min(1.0, 2.2 / (cell * size)))
        bar.outline.set_visible(False)

    caption = (
        "Agreement of the sources: mean tau-b between their orders, 1 for the same order, 0 for none, below 0 "
        "reversed. On the diagonal the rounds of one judge with one prompt among themselves; empty where there is but "
        "one. A row darker than the rest is a source that they agree with least."
    )
    alt = f"Kendall tau-b between {size} sources, lowest {smallest:.2f}."
    left = 0.075 * max(map(len, names)) + 1.3
    return plot(name, alt, caption, (cell * size + left, max(2.0, cell * size + 0.5)), paint)


def _write_numbers(axes: Axes, matrix: np.ndarray, lowest: float, size_pt: float) -> None:
    for (row, col), value in np.ndenumerate(matrix):
        if np.isfinite(value) and len(matrix) <= _MOST_NUMBERED:
            ink = text_on(colour_of((value - lowest) / (1 - lowest)))
            text = f"{value:.2f}".replace("-", "−").replace("0.", ".")
            axes.text(col, row, text, ha="center", va="center", fontsize=size_pt, color=ink)


def weights(name: str, groups: Sequence[SourceGroup]) -> Plot | None:
    """Plot what each group weighs beside what it would weigh if all orders counted alike; None without weights."""
    given = sorted((g for g in groups if g.weight is not None), key=lambda g: (-(g.weight or 0.0), g.group))
    if not given:
        return None
    orders, shown = sum(g.orders for g in given), given[:_MOST_BARS]

    def paint(axes: Axes) -> None:
        place = np.arange(len(shown))
        colours = [KIND_COLOURS.get(g.kind, SERIES[5]) for g in shown]
        axes.barh(place, [100 * (g.weight or 0.0) for g in shown], color=colours, height=0.66)
        equal = [100 * g.orders / orders for g in shown]
        axes.scatter(equal, place, marker="|", s=150, color=INK, linewidths=1.6, zorder=3)
        axes.set_yticks(place, [short(g.group) for g in shown])
        axes.set(ylim=(len(shown) - 0.4, -0.6), xlabel="weight in the merged order, %")
        axes.tick_params(axis="y", length=0)
        for kind in dict.fromkeys(g.kind for g in shown):
            axes.barh([0], [0], color=KIND_COLOURS.get(kind, SERIES[5]), label=KIND_NAMES.get(kind, kind))
        axes.scatter([], [], marker="|", s=90, color=INK, label="if all orders counted alike")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, borderaxespad=0.2, handletextpad=0.5)

    rest = "" if len(given) <= _MOST_BARS else f" The {len(given) - _MOST_BARS} lightest are left out."
    caption = (
        "Weight of each source, all its orders together. A bar that ends left of its tick is of orders that the "
        f"ensemble trusts less than the others.{rest}"
    )
    alt = f"Weights of {len(given)} sources; the table has the numbers."
    return plot(name, alt, caption, (7.4, 0.75 + 0.23 * len(shown)), paint)


def distributions(name: str, judges: Sequence[AuditedJudge]) -> Plot | None:
    """Plot the distribution of scores of every judge with every prompt, a small panel each; None without scores."""
    shown = [judge for judge in judges if judge.distribution and sum(judge.distribution.counts)][:_MOST_PANELS]
    if not shown:
        return None
    columns = min(_COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, judge in zip(grid.flat, shown, strict=False):
            _distribution(axes, judge)
        for axes in grid.flat[len(shown) :]:
            axes.set_axis_off()
        figure.supxlabel("score", fontsize=9)
        figure.supylabel("share, %", fontsize=9)

    whose = {judge.distribution.of for judge in shown if judge.distribution}
    caption = (
        "Scores, all rounds together; the line is the median. Judges that use few numbers, or crowd at one end, tell "
        "clusters apart less well than their scores suggest."
    )
    if whose != {"replies"}:
        caption += (
            " Blue are scores of replies. Pairs and tiers give no score a reply: there, in green, it is the score of "
            "each cluster in each round."
        )
    alt = f"Histograms of scores of {count(len(shown), 'judge and prompt', 'judges and prompts')}."
    return draw_plot(name, alt, caption, (2.35 * columns + 0.4, 1.45 * rows + 0.5), paint)


def _distribution(axes: Axes, judge: AuditedJudge) -> None:
    found = judge.distribution
    assert found is not None
    counts = np.array(found.counts, float)
    starts = np.arange(len(counts)) * found.bin_points
    colour = SERIES[0] if found.of == "replies" else SERIES[2]
    axes.bar(starts, 100 * counts / counts.sum(), width=found.bin_points, align="edge", color=colour, linewidth=0)
    median = starts[int(np.searchsorted(counts.cumsum(), counts.sum() / 2))] + found.bin_points / 2
    axes.axvline(median, color=ACCENT, linewidth=1.2)
    axes.set_title(f"{_cut(judge.judge)}\n{_cut(judge.prompt)}", fontsize=8, loc="left")
    axes.set(xlim=(0, 100), xticks=(0, 50, 100))
    axes.tick_params(labelsize=7.5)
    axes.yaxis.set_major_locator(MaxNLocator(3))


def _cut(name: str, most: int = 28) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def taken(name: str, rounds: Sequence[TakenRound]) -> Plot | None:
    """Plot time and cost of every round, a line a judge and prompt; None without rounds."""
    timed = any(one.seconds is not None for one in rounds)
    currencies = sorted({one.currency or "" for one in rounds if one.cost is not None})
    panels = [*(["seconds"] if timed else []), *(["cost"] if currencies else [])]
    if not panels:
        return None
    judges = list(dict.fromkeys(one.judge for one in rounds))
    colours = {judge: SERIES[place] if place < _MOST_COLOURS - 1 else "#888888" for place, judge in enumerate(judges)}

    def paint(figure: Figure) -> None:
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, measure in zip(grid, panels, strict=True):
            _lines(axes, rounds, measure, colours)
            unit = "minutes of replies a round" if measure == "seconds" else f"{' or '.join(currencies)} a round"
            axes.set(xlabel="round", title=unit.strip())
            axes.set_ylim(bottom=0)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        handles = [
            grid[0].plot([], [], "o-", color=colours[judge], markersize=4)[0] for judge in judges[:_MOST_COLOURS]
        ]
        names = [
            _cut(judge) if i < _MOST_COLOURS - 1 or len(judges) == _MOST_COLOURS else "others"
            for i, judge in enumerate(judges)
        ]
        figure.legend(handles, names[:_MOST_COLOURS], loc="outside upper left", ncols=3)

    unpriced = sorted({one.judge for one in rounds if one.cost is None}) if currencies else []
    caption = (
        "What every round took, a line a prompt, coloured by judge. Time is that of the replies added up; several are "
        "under way at once. Lines that rise tell of an endpoint that slows down, or holds requests back."
    )
    caption += f" Without a price: {', '.join(unpriced)}." if unpriced else ""
    caption += "" if currencies else " No judge has a price, so no cost is shown."
    alt = f"{' and '.join(panels).capitalize()} of {count(len(rounds), 'round')} of {count(len(judges), 'judge')}."
    return draw_plot(name, alt, caption, (3.9 * len(panels) + 0.2, 2.9), paint)


def _lines(axes: Axes, rounds: Sequence[TakenRound], measure: str, colours: Mapping[str, str]) -> None:
    for (judge, _), members in groupby(rounds, key=lambda one: (one.judge, one.prompt)):
        points = [(one.round, getattr(one, measure)) for one in members if getattr(one, measure) is not None]
        values = [value / 60 if measure == "seconds" else value for _, value in points]
        axes.plot([number for number, _ in points], values, "o-", color=colours[judge], markersize=3.5, linewidth=1.1)
