"""The page's plots as inline SVG, the same bytes for the same data.

Text and axes take the page's own text colour, so that a plot is readable on light and on dark ground; text stays text.
"""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from rankscape.products.report.palette import RAMP, colour_of
from rankscape.studies.ranking.page.agreement import PARTS, PREDICTORS, ordered
from rankscape.studies.ranking.page.documents import Category, Evaluation, Predictor
from rankscape.studies.ranking.page.training import Curve

INK = "#010203"
"""Stands for the page's text colour until the plot is put on the page."""
ACCENT = "#d55e00"
"""Vermilion of Okabe & Ito's palette for colour-blind readers: lines over the ramp."""
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe & Ito's colours that stand out on light and on dark ground."""
_RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}
_SHORT = {"apply": "granules not learned from", "fit": "granules learned from", "pooled": "all granules"}
_MEDIAN_BINS = 12


@dataclass(frozen=True)
class Plot:
    """A plot and what it shows in words."""

    svg: Markup
    caption: str


def plot(name: str, alt: str, caption: str, size_in: tuple[float, float], paint: Callable[[Axes], None]) -> Plot:
    """Draw one plot of one pair of axes; see `picture`."""
    return picture(name, alt, caption, size_in, lambda figure: paint(figure.add_subplot()))


def picture(name: str, alt: str, caption: str, size_in: tuple[float, float], paint: Callable[[Figure], None]) -> Plot:
    """Draw one plot.

    Args:
        name: Unique on the page; ids inside the SVG begin with it.
        alt: What the plot shows, for readers who cannot see it.
        caption: Line below the plot.
        size_in: Width and height in inches of 72 points.
        paint: Draws into the figure.
    """
    with rc_context(_style(name)), warnings.catch_warnings():
        # Glyphs that the layout font lacks are drawn by the reader's browser.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=size_in, layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return Plot(_inline(buffer.getvalue(), name, alt), caption)


def _style(name: str) -> Any:
    """Matplotlib's settings; the salt makes the ids of clip paths the same in every run."""
    return {**_RC, "svg.hashsalt": name}


def _inline(text: str, name: str, alt: str) -> Markup:
    """Make an SVG file part of an HTML page: no prologue, unique ids, the page's text colour."""
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r"url\(#", f"url(#{name}-", body)
    body = re.sub(r'xlink:href="#', f'href="#{name}-', body).replace("xlink:href=", "href=")
    body = body.replace(INK, "currentColor")
    width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', body)[0]
    start = Markup(
        '<svg class="plot" viewBox="0 0 {0} {1}" style="max-width:{2}px" role="img" aria-label="{3}">'
    ).format(width, height, round(float(width) * 96 / 72), alt)
    return start + Markup(body[body.index(">") + 1 :])


def scatter(name: str, reference: np.ndarray, score: np.ndarray, title: str, part: str) -> Plot:
    """Plot the score against a reference, patches counted in hexagons, with the median score along the reference.

    Args:
        name: Unique on the page.
        reference: Reference of each patch, transformed as in the evaluation, shape (n,).
        score: Score of each patch, shape (n,).
        title: The reference's name.
        part: Which granules.
    """

    def paint(axes: Axes) -> None:
        bins = axes.hexbin(
            reference, score, gridsize=(26, 15), bins="log", mincnt=1, cmap=RAMP, linewidths=0.25, edgecolors=INK
        )
        edges = np.unique(np.quantile(reference, np.linspace(0, 1, _MEDIAN_BINS + 1)))
        if len(edges) > 2:
            place = np.clip(np.searchsorted(edges, reference, side="right") - 1, 0, len(edges) - 2)
            kept = np.unique(place)
            axes.plot(
                [np.median(reference[place == b]) for b in kept],
                [np.median(score[place == b]) for b in kept],
                color=ACCENT, marker="o", markersize=3, label="median score",
            )  # fmt: skip
            axes.legend(loc="upper left", bbox_to_anchor=(0, 1.13), borderaxespad=0)
        axes.set(xlabel=title, ylabel="score", ylim=(-0.03, 1.03))
        count_bar(axes, bins)

    alt = f"Score against {title}, {part.lower()}: {len(score)} patches as hexagons, the median score as a line."
    return plot(name, alt, f"{part}: {len(score):,} patches.", (3.7, 2.9), paint)


def count_bar(axes: Axes, bins: Any) -> None:
    """Draw the colour bar of patches counted in bins whose colours are logarithmic."""
    bar = axes.figure.colorbar(bins, ax=axes, label="patches", pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter=FuncFormatter(_plain))
    bar.ax.yaxis.set(minor_locator=NullLocator())


def _plain(value: float, _: int | None) -> str:
    return f"{value:,g}"


def forest(name: str, evaluation: Evaluation) -> Plot | None:
    """Plot the Spearman correlation of score and trivial measures with its interval; None where none is given."""
    given = [part for part in PARTS if any(_spearman(p, part) is not None for p in evaluation.predictors.values())]
    if not given:
        return None
    parts = [part for part in given if part != "pooled"] or given
    names = [name for name, _ in ordered(evaluation)]

    def paint(axes: Axes) -> None:
        for turn, part in enumerate(parts):
            shift = (turn - (len(parts) - 1) / 2) * 0.28
            for place, predictor in enumerate(names):
                _whisker(axes, place + shift, evaluation.predictors[predictor], part, turn)
        axes.axvline(0, color=INK, linewidth=0.6)
        axes.set_yticks(range(len(names)), [PREDICTORS.get(n, n) for n in names])
        axes.set(ylim=(len(names) - 0.5, -0.5), xlabel="Spearman correlation with its interval")
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, -0.05), max(high, 1.0))
        axes.tick_params(axis="y", length=0)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0, handletextpad=0.2)

    alt = f"Spearman correlation of score and trivial measures with {evaluation.title}; the table holds the numbers."
    return plot(
        name, alt, "Score and trivial measures beside each other.", (3.7, max(2.9, 1.1 + 0.36 * len(names))), paint
    )


def _spearman(predictor: Predictor, part: str) -> float | None:
    agreement = getattr(predictor, part)
    return agreement.spearman.value if agreement and agreement.spearman else None


def _whisker(axes: Axes, y: float, predictor: Predictor, part: str, turn: int) -> None:
    agreement = getattr(predictor, part)
    if _spearman(predictor, part) is None:
        return
    estimate = agreement.spearman
    label = None if _SHORT[part] in axes.get_legend_handles_labels()[1] else _SHORT[part]
    colour = SERIES[turn]
    axes.plot([estimate.value], [y], "os"[turn], color=colour, markersize=5, label=label)
    if estimate.low is not None and estimate.high is not None:
        axes.plot([estimate.low, estimate.high], [y, y], color=colour)


def silhouettes(name: str, category: str, facts: Category) -> Plot | None:
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


def curves(name: str, fitted: Sequence[Curve], measure: str, title: str) -> Plot | None:
    """Plot one measure of training over the epochs, a line a network, with the best epoch marked; None without data."""
    series = [(curve, curve.series(measure)) for curve in fitted]
    series = [(curve, points) for curve, points in series if points]
    if not series:
        return None

    def paint(axes: Axes) -> None:
        for turn, (curve, points) in enumerate(series):
            colour = SERIES[turn % len(SERIES)]
            axes.plot([e for e, _ in points], [v for _, v in points], color=colour, label=curve.name)
            best = [(e, v) for e, v in points if e == curve.best_epoch]
            axes.plot([e for e, _ in best], [v for _, v in best], "D", color=colour, markersize=5)
        axes.set(xlabel="epoch", title=title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if 1 < len(series) <= len(SERIES):
            axes.legend()

    alt = f"{title} over the epochs of {len(series)} networks; a diamond marks the epoch whose weights were kept."
    return plot(name, alt, "", (3.7, 2.6), paint)


def histogram(name: str, values: np.ndarray, label: str, span: tuple[float, float] | None = None) -> Plot:
    """Plot how many patches have which value; bars take the ramp's colours where `span` is the score's own range."""

    def paint(axes: Axes) -> None:
        counts, edges = np.histogram(values, bins=25, range=span)
        colours = [colour_of((a + b) / 2) if span else SERIES[0] for a, b in pairwise(edges)]
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colours, edgecolor=INK, linewidth=0.25)
        axes.set(xlabel=label, ylabel="patches")

    alt = f"Histogram of the {label} of {len(values)} patches, median {np.median(values):.3f}."
    return plot(name, alt, f"{label.capitalize()} of {len(values):,} patches.", (3.7, 2.6), paint)
