"""How the score was learned, how the backbone was fitted, and how uncertain scores are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rankscape.foundation.package_files import assets
from rankscape.products.report.embedded_images import PatchImage
from rankscape.products.report.plots import SERIES, Plot, histogram, plot
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Fragment
from rankscape.products.report.templates import TableView, fill
from rankscape.products.report.wording import NOTHING, count, number
from rankscape.studies.ranking.page import inputs
from rankscape.studies.ranking.scoring.artifacts import BACKBONE_RECORD, TRAINING, BackboneRecord, Curve, TrainingRecord

ASSETS = assets(__file__, "training.html.j2", "uncertainty.html.j2")
_MEASURES = {
    "training_loss": "training loss",
    "validation_loss": "validation loss, held-out patches",
    "share_within": "share within {tolerance:g} of the target",
}
_NO_FACTS = {"provenance", "epochs"}


@dataclass(frozen=True)
class FitView:
    """How networks were fitted."""

    plots: list[Plot]
    rows: list[tuple[str, list[str]]]
    """Name of the network, and its validation metrics as text."""
    columns: list[str]
    sentence: str
    limits: list[str]


def draw(run: RunReader) -> Fragment:
    """Draw the section on the networks' training and on the backbone."""
    training: TrainingRecord = run.read(TRAINING)
    backbone: BackboneRecord = run.read(BACKBONE_RECORD)
    html: Markup = fill(
        ASSETS, "training.html.j2",
        training=_training_view(training), curves=_curve_plots("adaptation", [backbone.curve], {}),
        facts=TableView("The backbone.", ("Fact", "Value"), tuple(backbone_facts(backbone))),
    )  # fmt: skip
    return Fragment(html, gist=f"{count(len(training.seeds), 'network')}")


def draw_uncertainty(run: RunReader) -> Markup:
    """Draw the section on how far scores are uncertain."""
    training: TrainingRecord = run.read(TRAINING)
    return fill(
        ASSETS, "uncertainty.html.j2",
        networks=len(training.seeds), plots=_uncertainty_plots(run), patches=_uncertain_images(run),
    )  # fmt: skip


def backbone_facts(backbone: BackboneRecord) -> Iterator[tuple[str, str]]:
    """Yield what the record says, by a readable name; groups of values are taken apart."""
    for path, value in _leaves(backbone.model_dump(exclude_unset=True, exclude=_NO_FACTS), ()):
        yield " ".join(path).replace("_", " "), _text(value)


def _training_view(training: TrainingRecord) -> FitView:
    titles = {name: title.format(tolerance=training.tolerance) for name, title in _MEASURES.items()}
    plots = _curve_plots("training", training.seeds, titles)
    metrics: list[tuple[str, dict[str, Any], int | None]] = [("mean of the networks", training.validation, None)]
    metrics += [(curve.name, curve.validation, curve.best_epoch) for curve in training.seeds]
    keys = [key for _, values, _ in metrics for key in values if key != "patches"]
    columns = list(dict.fromkeys(keys))
    rows = [
        (name, [*(_text(values.get(key)) for key in columns), "" if best is None else f"{best}"])
        for name, values, best in metrics
    ]
    headings = [*(_heading(key, training.tolerance) for key in columns), "best epoch"]
    return FitView(plots, rows, headings, _sides(training), training.limits)


def _uncertainty_plots(run: RunReader) -> list[Plot]:
    """Return histograms of score and of score_std; the latter only where it differs from patch to patch."""
    known = inputs.scores(run).dropna(subset=["score"])
    plots = [histogram("scores", known["score"].to_numpy(np.float64), "score", (0.0, 1.0))] if len(known) else []
    deviation = known["score_std"].dropna().to_numpy(np.float64)
    if len(deviation) and np.ptp(deviation) > 0:
        plots.append(histogram("deviation", deviation, "score_std"))
    return plots


def _uncertain_images(run: RunReader) -> tuple[PatchImage, ...]:
    """Return the patches on which the networks agree least, most uncertain first; none where all are alike."""
    known = inputs.scores(run).dropna(subset=["score", "score_std"])
    if known["score_std"].nunique() < 2:
        return ()
    worst = known.sort_values(["score_std", "patch_id"], ascending=[False, True]).head(run.settings.uncertain_patches)
    images = inputs.patch_images(run)
    rows: Iterable[tuple[str, float, float]] = zip(worst["patch_id"], worst["score"], worst["score_std"], strict=True)
    return tuple(
        images.image(patch, f"{number(score)} ± {number(std)}") for patch, score, std in rows if patch in images
    )


def _curve_plots(name: str, curves: Sequence[Curve], titles: dict[str, str]) -> list[Plot]:
    plots = [
        curves_plot(f"{name}-{number}", curves, measure, titles.get(measure, measure.replace("_", " ")))
        for number, measure in enumerate(measures(curves))
    ]
    return [plot for plot in plots if plot is not None]


def _sides(training: TrainingRecord) -> str:
    patches, blocks = training.patches, training.blocks
    if not patches:
        return ""
    sides = [
        f"{count(int(patches.get(side) or 0), 'patch', 'patches')} in {int(blocks.get(side) or 0):,} {training.places}"
        for side in ("training", "validation")
    ]
    return f"The networks learned from {sides[0]} and were checked on {sides[1]} that they did not learn from."


def _heading(key: str, tolerance: float) -> str:
    known = {
        "share_within": f"within {tolerance:g} of the target",
        "mean_absolute_error": "mean absolute error",
        "kendall_tau_b": "Kendall tau-b with the levels",
    }
    return known.get(key, key.replace("_", " "))


def _text(value: object) -> str:
    if isinstance(value, float):
        return number(value, 3)
    return NOTHING if value is None else str(value)


def measures(curves: Iterable[Curve]) -> list[str]:
    """Return the names of the measures that the curves have, in the order in which they come."""
    names = [name for curve in curves for epoch in curve.epochs for name, value in epoch.items() if _is_number(value)]
    return [name for name in dict.fromkeys(names) if name != "epoch"]


def curves_plot(name: str, fitted: Sequence[Curve], measure: str, title: str) -> Plot | None:
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


def _leaves(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        elif isinstance(value, list):
            yield (*path, name), ", ".join(map(str, value))
        elif value is not None:
            yield (*path, name), value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
