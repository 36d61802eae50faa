"""Sections of curves and of correlations: R² by labels, features and penalty, and how labels go together."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from rankscape.foundation.package_files import assets
from rankscape.products.report.plots import SERIES, Plot, log_x, plot
from rankscape.products.report.reading import RunReader
from rankscape.products.report.templates import fill
from rankscape.products.report.wording import NOTHING, number
from rankscape.studies.embeddings.artifacts import CURVE, LABELS, CurveKeys
from rankscape.studies.embeddings.page.results import tasks_of

ASSETS = assets(__file__, "plots.html.j2", "matrix.html.j2")
_LOWEST = -0.2
"""Lower R² are drawn there."""
_AXES = {"labels": "labels trained on", "dims": "features", "penalties": "penalty"}
_HIGH, _LOW = "rgba(230, 97, 1, {:.2f})", "rgba(94, 60, 153, {:.2f})"
_FEWEST = 3
"""Places that have both labels, from which a correlation is given."""


def draw_learning(run: RunReader) -> Markup | None:
    """Draw R² of all tasks by number of labels, of features and by penalty; None where no curve was asked for."""
    found: list[CurveKeys] = list(run.read_all(CURVE).values())
    plots = [
        _curves(key, features, [one for one in found if one.features == features])
        for features in dict.fromkeys(one.features for one in found)
        for key in _AXES
    ]
    return fill(ASSETS, "plots.html.j2", plots=plots, tables=[]) if plots else None


def _curves(key: str, features: str, own: list[CurveKeys]) -> Plot:
    def paint(axes: Axes) -> None:
        for place, one in enumerate(own):
            points = [(point.size, max(point.r2, _LOWEST)) for point in getattr(one, key) if point.r2 is not None]
            style = "-" if place < len(SERIES) else "--" if place < 2 * len(SERIES) else ":"
            axes.plot(*zip(*points, strict=True), style, color=SERIES[place % len(SERIES)], marker="o", markersize=3,
                      label=one.task)  # fmt: skip
        axes.axhline(0, color="#888888", linewidth=0.7)
        axes.set(xlabel=_AXES[key], ylabel="R²", ylim=(_LOWEST - 0.05, 1.0))
        log_x(axes)
        if key == "labels":
            axes.legend(loc="upper left", ncols=2, bbox_to_anchor=(0, 1.32))

    words = f"R² by {'number of ' if key != 'penalties' else ''}{_AXES[key]}"
    return plot(f"learning-{features}-{key}", f"{words}, {len(own)} tasks, from {features}.",
                f"{words}, from {features}.", (3.7, 3.0), paint)  # fmt: skip


@dataclass(frozen=True)
class MatrixCell:
    """One number, and its colour."""

    text: str
    colour: str


def draw_correlations(run: RunReader) -> Markup | None:
    """Draw Pearson's correlations of all labels; None of a single one."""
    tables = run.read_all(LABELS)
    if len(tables) < 2:
        return None
    joined = pd.concat({name: one.set_index("patch_id")["label"] for name, one in tables.items()}, axis=1)
    matrix = joined.corr(min_periods=_FEWEST)
    rows = [(name, [_cell(float(value)) for value in matrix.loc[name]]) for name in matrix]
    titles = {name: task.title for name, task in tasks_of(run).items()}
    return fill(ASSETS, "matrix.html.j2", names=list(matrix), rows=rows, titles=titles)


def _cell(value: float) -> MatrixCell:
    if not np.isfinite(value):
        return MatrixCell(NOTHING, "transparent")
    return MatrixCell(number(value), (_HIGH if value > 0 else _LOW).format(0.45 * abs(value)))
