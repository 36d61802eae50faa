"""The learning curves of a training as a picture, beside its model card; of ridges, the error of each penalty."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

_PANELS = (
    ("training_loss", "training loss"),
    ("validation_loss", "validation loss"),
    ("share_within", "held-out scores within {tolerance:g} of the target"),
)
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe & Ito's palette for colour-blind readers."""
_NAMED = 6
"""More seeds than colours get no legend."""
_DPI = 150


def draw_curves(record: Mapping[str, Any]) -> bytes:
    """Draw what was measured after every epoch, a line a seed, the epoch whose weights were kept as a diamond.

    Of ridges it is the squared error of each penalty over parts held out, with a diamond at the penalty chosen.

    Args:
        record: The document `score.json`.

    Returns:
        A PNG of 1650 x 480 px; the same record and versions give the same bytes.
    """
    figure = Figure(figsize=(11, 3.2), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    if record["objective"] == "ridge":
        _penalties(figure.subplots(), record["seeds"])
    else:
        for axes, (measure, title) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
            _epochs(axes, record["seeds"], measure)
            axes.set_title(title.format(tolerance=record["tolerance"]), fontsize=10)
        figure.axes[-1].yaxis.set_major_formatter(PercentFormatter(1.0))
    if len(record["seeds"]) <= _NAMED:
        figure.axes[0].legend(frameon=False, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _epochs(axes: Axes, seeds: list[Mapping[str, Any]], measure: str) -> None:
    for turn, seed in enumerate(seeds):
        points = [(epoch["epoch"], epoch[measure]) for epoch in seed["epochs"]]
        _line(axes, turn, seed, points, [point for point in points if point[0] == seed["best_epoch"]])
    axes.set_xlabel("epoch")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _penalties(axes: Axes, seeds: list[Mapping[str, Any]]) -> None:
    for turn, seed in enumerate(seeds):
        points = [(float(penalty), error) for penalty, error in seed["ridge"]["errors"].items()]
        _line(axes, turn, seed, points, [min(points, key=lambda point: point[1])])
    axes.set_xlabel("penalty")
    axes.set_ylim(bottom=0)
    axes.set_xscale("log")
    axes.set_title("mean squared error on parts held out", fontsize=10)


def _line(
    axes: Axes,
    turn: int,
    seed: Mapping[str, Any],
    points: Sequence[tuple[float, float]],
    kept: Sequence[tuple[float, float]],
) -> None:
    colour = _COLOURS[turn % len(_COLOURS)]
    # One epoch makes no line: show its point.
    axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.4, marker=".", markersize=3,
              label=f"seed {seed['seed']}")  # fmt: skip
    axes.plot(*zip(*kept, strict=True), "D", color=colour, markersize=6)
    axes.spines[["top", "right"]].set_visible(False)
