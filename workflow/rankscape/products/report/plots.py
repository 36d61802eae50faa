"""The page's plots as inline SVG, the same bytes for the same data.

Text and axes take the page's own text colour, so that a plot is readable on light and on dark ground; text stays text.
"""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from rankscape.products.report.palette import RAMP, colour_of

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
_MEDIAN_BINS = 12
_FEW_DECADES = 100.0
"""Ratio of an axis' ends below which numbers stand at 1, 2 and 5 times the powers of 10."""


@dataclass(frozen=True)
class Plot:
    """A plot and what it shows in words."""

    svg: Markup
    caption: str


def plot(name: str, alt: str, caption: str, size_in: tuple[float, float], paint: Callable[[Axes], None]) -> Plot:
    """Draw one plot of one pair of axes; see `draw_plot`."""
    return draw_plot(name, alt, caption, size_in, lambda figure: paint(figure.add_subplot()))


def draw_plot(name: str, alt: str, caption: str, size_in: tuple[float, float], paint: Callable[[Figure], None]) -> Plot:
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


def scatter(name: str, x: np.ndarray, y: np.ndarray, labels: tuple[str, str], words: tuple[str, str, str]) -> Plot:
    """Plot two numbers of many patches, counted in hexagons, with the median of the second along the first.

    Args:
        name: Unique on the page.
        x: Of each patch, shape (n,).
        y: Of each patch, shape (n,).
        labels: Of the two axes.
        words: What the plot shows, for readers who cannot see it; the caption; the name of the line.
    """

    def paint(axes: Axes) -> None:
        bins = axes.hexbin(x, y, gridsize=(26, 15), bins="log", mincnt=1, cmap=RAMP, linewidths=0.25, edgecolors=INK)
        edges = np.unique(np.quantile(x, np.linspace(0, 1, _MEDIAN_BINS + 1)))
        if len(edges) > 2:
            place = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
            middles = [[np.median(values[place == b]) for b in np.unique(place)] for values in (x, y)]
            axes.plot(*middles, color=ACCENT, marker="o", markersize=3, label=words[2])
            axes.legend(loc="upper left", bbox_to_anchor=(0, 1.13), borderaxespad=0)
        axes.set(xlabel=labels[0], ylabel=labels[1])
        count_bar(axes, bins)

    return plot(name, words[0], words[1], (3.7, 2.9), paint)


def log_x(axes: Axes) -> None:
    """Turn x to logarithms, its numbers written out: mathematical text would be shown as it is typed."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1, 2, 5) if high / low < _FEW_DECADES else (1,)
    axes.xaxis.set(major_locator=LogLocator(subs=steps, numticks=5), major_formatter=FuncFormatter(_plain))
    axes.xaxis.set(minor_locator=NullLocator())


def count_bar(axes: Axes, bins: Any) -> None:
    """Draw the colour bar of patches counted in bins whose colours are logarithmic."""
    bar = axes.figure.colorbar(bins, ax=axes, label="patches", pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter=FuncFormatter(_plain))
    bar.ax.yaxis.set(minor_locator=NullLocator())


def _plain(value: float, _: int | None) -> str:
    return f"{value:,g}"


def histogram(name: str, values: np.ndarray, label: str, span: tuple[float, float] | None = None) -> Plot:
    """Plot how many patches have which value; bars take the ramp's colours where `span` is the score's own range."""

    def paint(axes: Axes) -> None:
        counts, edges = np.histogram(values, bins=25, range=span)
        colours = [colour_of((a + b) / 2) if span else SERIES[0] for a, b in pairwise(edges)]
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colours, edgecolor=INK, linewidth=0.25)
        axes.set(xlabel=label, ylabel="patches")

    alt = f"Histogram of the {label} of {len(values)} patches, median {np.median(values):.3f}."
    return plot(name, alt, f"{label.capitalize()} of {len(values):,} patches.", (3.7, 2.6), paint)
