"""The page's sections as plain values, ready for the template."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rankscape.products.report import plots as figures
from rankscape.products.report import wording
from rankscape.products.report.plots import Plot
from rankscape.products.report.versions import Version, mixed_stages
from rankscape.studies.ranking.page import agreement
from rankscape.studies.ranking.page.agreement import PARTS, GranuleRow, Headline, Table
from rankscape.studies.ranking.page.inputs import Comparison, Material
from rankscape.studies.ranking.page.rivalry import rivalry
from rankscape.studies.ranking.page.tables import TableView
from rankscape.studies.ranking.page.training import Curve, measures
from rankscape.studies.ranking.page.voters import Voter

_MEASURES = {
    "training_loss": "training loss",
    "validation_loss": "validation loss, held-out land",
    "share_within": "share within {tolerance:g} of the target",
}
_FEWEST_PLOTTED = 10


@dataclass(frozen=True)
class KeyFigure:
    """One figure of the overview."""

    label: str
    value: str
    note: str = ""
    wide: bool = False


@dataclass(frozen=True)
class ComparisonView:
    """Agreement with one reference, ready to show."""

    title: str
    truth: bool
    headline: Headline
    part: str
    """Name of the part that the headline speaks of."""
    table: Table
    granules: list[GranuleRow]
    rivals: list[str]
    note: str
    """How the numbers were made."""
    plots: list[Plot]
    rivalry: TableView | None
    """All that was measured, with the lead of the score over each predictor."""


@dataclass(frozen=True)
class FitView:
    """How networks were fitted."""

    plots: list[Plot]
    rows: list[tuple[str, list[str]]]
    """Name of the network, and its validation metrics as text."""
    columns: list[str]
    sentence: str
    limits: list[str]


def key_figures(material: Material, compared: Sequence[ComparisonView]) -> list[KeyFigure]:
    """Return the figures of the overview, the agreement with the references at the end."""
    order, fit = material.order, material.fit_granules
    granules, scored = len(material.patches), int(material.scores["score"].notna().sum())
    kinds = [str(vote.source.get("kind")) for vote in material.votes.values()]
    made = [
        (kinds.count("round"), "judge's round", "judges' rounds"),
        (kinds.count("person"), "person", "people"),
        (kinds.count("data"), "reference raster", "reference rasters"),
    ]
    sources = wording.listed([wording.count(*entry) for entry in made if entry[0]])
    cut = len(material.scores)
    unclear = f"of {cut:,} cut; the rest lacks a clear view"
    return [
        KeyFigure("Granules", f"{granules:,}", f"{len(fit)} learned from, {granules - len(fit)} only scored"),
        KeyFigure("Patches scored", f"{scored:,}", "all that were cut" if scored == cut else unclear),
        KeyFigure("Clusters", str(len(material.summary.clusters)), f"in {wording.count(len(order.levels), 'level')}"),
        KeyFigure("Orders merged", f"{len(material.votes):,}", sources),
        KeyFigure("Effective orders", wording.number(order.effective_judges, 1), "how many count after weighting"),
        KeyFigure("Agreement of orders", wording.number(order.mean_tau), _concordance(order.kendall_w)),
        *(_agreement_figure(view) for view in compared),
        *(
            []
            if compared
            else [KeyFigure("Agreement with a reference", wording.NOTHING, "no reference was given", wide=True)]
        ),
    ]


def _agreement_figure(view: ComparisonView) -> KeyFigure:
    head = view.headline
    name = f"Spearman with {view.title}{', the known truth' if view.truth else ''}"
    if head.part is None:
        return KeyFigure(name, wording.NOTHING, "not given: see below", wide=True)
    ends = wording.interval((head.score.low, head.score.high))
    notes = [view.part[0].lower() + view.part[1:], "" if ends == wording.NOTHING else f"interval {ends}"]
    notes.append(f"{head.rival.lower()} reaches {wording.number(head.rival_value.value)}" if head.rival else "")
    return KeyFigure(name, wording.number(head.score.value), "; ".join(note for note in notes if note), wide=True)


def _concordance(kendall_w: float | None) -> str:
    tail = "" if kendall_w is None else f"; Kendall's W {wording.number(kendall_w)}"
    return f"mean Kendall tau-b of two orders{tail}"


def notices(truth: bool, voters: Sequence[Voter], found: Sequence[Version]) -> list[tuple[str, str]]:
    """Return what a reader must know before anything else, each with its heading."""
    lines = []
    if truth:
        lines.append(("Invented region.", "No place on this map exists. The land was made together with its truth, "
                      "to show that the workflow does what it says."))  # fmt: skip
    stand_ins = [voter for voter in voters if voter.stand_in]
    if stand_ins:
        who = "All orders" if len(stand_ins) == len(voters) else f"{len(stand_ins)} of {len(voters)} orders"
        text = f"{who} come from a stand-in, no vision model: a program that measures pixels and answers like a judge."
        lines.append(("Stand-in judge.", f"{text} They say nothing about what real judges would see."))
    mixed = mixed_stages(found)
    if mixed:
        lines.append(("Mixed versions.", f"Files of {wording.listed(mixed)} were made by different versions of the "
                      "code; the table of versions lists them."))  # fmt: skip
    return lines


def comparison_view(material: Material, comparison: Comparison, number: int) -> ComparisonView:
    """Describe the agreement with one reference."""
    evaluation = comparison.evaluation
    votes = {str(v.source.get("reference")) for v in material.votes.values() if v.source.get("kind") == "data"}
    headline = agreement.headline(evaluation, votes)
    block = "" if evaluation.block_m is None else f" of {wording.number(evaluation.block_m / 1000, 1)} km"
    note = f"Intervals cover {wording.percent(evaluation.confidence)}: bootstrap of whole blocks of land{block}."
    if evaluation.transform != "none":
        note += f" Values of the reference are transformed by {evaluation.transform}."
    table = agreement.table(evaluation)
    reasons = {entry.interval_reason: None for row in table.rows for entry in row}
    note += "".join(f" No interval: {reason}." for reason in reasons if reason)
    return ComparisonView(
        evaluation.title, evaluation.truth, headline, PARTS.get(headline.part or "", ""),
        table, agreement.granule_rows(evaluation, material.fit_granules),
        agreement.rival_names(evaluation), note, _comparison_plots(comparison, f"reference-{number}"),
        rivalry(evaluation, headline.part),
    )  # fmt: skip


def _comparison_plots(comparison: Comparison, name: str) -> list[Plot]:
    places = comparison.places.dropna(subset=["score", "value"])
    if "distinct" in places:
        places = places[places["distinct"]]
    forest = figures.forest(f"{name}-forest", comparison.evaluation)
    plots = [] if forest is None else [forest]
    for role in ("apply", "fit"):
        part: pd.DataFrame = places[places["role"] == role]
        if len(part) >= _FEWEST_PLOTTED:
            value, score = (part[column].to_numpy(np.float64) for column in ("value", "score"))
            plots.append(figures.scatter(f"{name}-{role}", value, score, _axis(comparison), PARTS[role]))
    return plots


def _axis(comparison: Comparison) -> str:
    transform = comparison.evaluation.transform
    return comparison.evaluation.title if transform == "none" else f"{transform} of {comparison.evaluation.title}"


def silhouette_plots(material: Material) -> list[Plot]:
    """Return one plot for each land category in which several numbers of clusters were tried."""
    plots = [
        figures.silhouettes(f"silhouette-{number}", name, facts)
        for number, (name, facts) in enumerate(material.summary.categories.items())
    ]
    return [plot for plot in plots if plot is not None]


def category_rows(material: Material) -> list[tuple[str, str, str, str, str]]:
    """Return name, patches, K, how K was chosen, and stability of each land category."""
    sizes: dict[str, int] = {}
    for entry in material.summary.clusters:
        sizes[entry.category] = sizes.get(entry.category, 0) + entry.size
    return [
        (name, f"{sizes.get(name, 0):,}", str(facts.k), _chosen(facts.k_given, facts.silhouettes),
         wording.number(facts.stability))
        for name, facts in material.summary.categories.items()
    ]  # fmt: skip


def _chosen(given: bool, tried: dict[int, float | None]) -> str:
    return "given" if given else "best silhouette" if any(v is not None for v in tried.values()) else "not divided"


def training_view(material: Material) -> FitView:
    """Describe the score networks' training."""
    training = material.training
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
    return FitView(plots, rows, headings, _sides(material), training.limits)


def adaptation_view(material: Material) -> FitView:
    """Describe the backbone's fitting to the land categories."""
    curve = material.backbone.curve
    plots = _curve_plots("adaptation", [curve], {})
    rows = [(name, [_text(value)]) for name, value in material.backbone.facts()]
    return FitView(plots, rows, ["value"], "", [])


def uncertainty_plots(material: Material) -> list[Plot]:
    """Return histograms of score and of score_std; the latter only where it differs from patch to patch."""
    known = material.scores.dropna(subset=["score"])
    plots = (
        [figures.histogram("scores", known["score"].to_numpy(np.float64), "score", (0.0, 1.0))] if len(known) else []
    )
    deviation = known["score_std"].dropna().to_numpy(np.float64)
    if len(deviation) and np.ptp(deviation) > 0:
        plots.append(figures.histogram("spread", deviation, "score_std"))
    return plots


def _curve_plots(name: str, curves: Sequence[Curve], titles: dict[str, str]) -> list[Plot]:
    plots = [
        figures.curves(f"{name}-{number}", curves, measure, titles.get(measure, measure.replace("_", " ")))
        for number, measure in enumerate(measures(curves))
    ]
    return [plot for plot in plots if plot is not None]


def _sides(material: Material) -> str:
    patches, blocks = material.training.patches, material.training.blocks
    if not patches:
        return ""
    sides = [
        f"{wording.count(int(patches.get(side) or 0), 'patch', 'patches')} in "
        f"{int(blocks.get(side) or 0):,} {material.training.places}"
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
        return wording.number(value, 3)
    return wording.NOTHING if value is None else str(value)
