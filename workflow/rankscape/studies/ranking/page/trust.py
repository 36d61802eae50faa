"""How far to trust the score: its agreement with each reference, beside pixel statistics and baseline models."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from rankscape.foundation.package_files import assets
from rankscape.products.agreement.artifacts import Estimate, Evaluation, Predictor
from rankscape.products.report.plots import INK, SERIES, Plot, plot, scatter
from rankscape.products.report.reading import RunReader
from rankscape.products.report.templates import TableView, fill
from rankscape.products.report.wording import number, percent
from rankscape.studies.ranking.page import inputs
from rankscape.studies.ranking.page.headlines import (
    PARTS,
    PREDICTORS,
    AgreementTable,
    GranuleAgreement,
    Headline,
    agreement_table,
    all_measures,
    granule_rows,
    headline,
    ordered,
    other_names,
    voting_references,
)
from rankscape.studies.ranking.page.inputs import ComparedReference
from rankscape.studies.ranking.product_files import REGION_PREVIEW

ASSETS = assets(__file__, "trust.html.j2")
_FEWEST_PLOTTED = 10
_SHORT = {"apply": "granules not learned from", "fit": "granules learned from", "pooled": "all granules"}


@dataclass(frozen=True)
class ComparisonView:
    """Agreement with one reference, ready to show."""

    title: str
    truth: bool
    headline: Headline
    forest: Plot | None
    plots: list[Plot]
    table: AgreementTable
    measures: TableView | None
    """All that was measured, with the lead of the score over each predictor."""
    granules: list[GranuleAgreement]
    others: list[str]
    """Names of the other predictors."""
    note: str
    """How the numbers were made."""


def draw(run: RunReader) -> Markup:
    """Draw the section."""
    learned, votes = inputs.learned_granules(run), voting_references(inputs.votes(run))
    views = [_view(one, place, learned, votes) for place, one in enumerate(inputs.comparisons(run))]
    return fill(
        ASSETS, "trust.html.j2",
        real=[view for view in views if not view.truth], truths=[view for view in views if view.truth],
        is_located=bool(run.paths(REGION_PREVIEW)),
    )  # fmt: skip


def _view(compared: ComparedReference, place: int, learned: list[str], votes: set[str]) -> ComparisonView:
    evaluation, name = compared.evaluation, f"reference-{place}"
    head, table = headline(evaluation, votes), agreement_table(evaluation)
    block = "" if evaluation.block_m is None else f" {number(evaluation.block_m / 1000, 1)} km wide"
    note = f"Intervals cover {percent(evaluation.confidence)}: bootstrap of spatial blocks{block}."
    if evaluation.transform != "none":
        note += f" Values of the reference are transformed by {evaluation.transform}."
    reasons = {entry.interval_reason: None for row in table.rows for entry in row}
    note += "".join(f" No interval: {reason}." for reason in reasons if reason)
    return ComparisonView(
        evaluation.title, evaluation.truth, head, forest(f"{name}-forest", evaluation), _scatters(compared, name),
        table, all_measures(evaluation, head.part), granule_rows(evaluation, learned), other_names(evaluation), note,
    )  # fmt: skip


def _scatters(compared: ComparedReference, name: str) -> list[Plot]:
    places = compared.places.dropna(subset=["score", "value"])
    places = places[places["distinct"]] if "distinct" in places else places
    title, transform = compared.evaluation.title, compared.evaluation.transform
    label = title if transform == "none" else f"{transform} of {title}"
    plots = []
    for role in ("apply", "fit"):
        part = places[places["role"] == role]
        if len(part) >= _FEWEST_PLOTTED:
            value, score = (part[column].to_numpy(np.float64) for column in ("value", "score"))
            alt = (
                f"Score against {label}, {PARTS[role].lower()}: {len(part)} patches as hexagons, the median as a line."
            )
            words = (alt, f"{PARTS[role]}: {len(part):,} patches.", "median score")
            plots.append(scatter(f"{name}-{role}", value, score, (label, "score"), words))
    return plots


def forest(name: str, evaluation: Evaluation) -> Plot | None:
    """Plot the Spearman correlation of every predictor with its interval; None where none is given."""
    given = [part for part in PARTS if any(_spearman(p, part) is not None for p in evaluation.predictors.values())]
    if not given:
        return None
    parts = [part for part in given if part != "pooled"] or given
    names = [predictor for predictor, _ in ordered(evaluation)]

    def paint(axes: Axes) -> None:
        for turn, part in enumerate(parts):
            shift = (turn - (len(parts) - 1) / 2) * 0.28
            for place, predictor in enumerate(names):
                _whisker(axes, place + shift, _spearman(evaluation.predictors[predictor], part), part, turn)
        axes.axvline(0, color=INK, linewidth=0.6)
        axes.set_yticks(range(len(names)), [PREDICTORS.get(n, n) for n in names])
        axes.set(ylim=(len(names) - 0.5, -0.5), xlabel="Spearman correlation with its interval")
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, -0.05), max(high, 1.0))
        axes.tick_params(axis="y", length=0)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0, handletextpad=0.2)

    alt = f"Spearman correlation of the score and other predictors with {evaluation.title}; the table has the numbers."
    caption = f"{evaluation.title}: the score beside other predictors."
    return plot(name, alt, caption, (3.7, max(2.3, 1.1 + 0.3 * len(names))), paint)


def _spearman(predictor: Predictor, part: str) -> Estimate | None:
    agreement = getattr(predictor, part)
    return agreement.spearman if agreement and agreement.spearman and agreement.spearman.value is not None else None


def _whisker(axes: Axes, y: float, estimate: Estimate | None, part: str, turn: int) -> None:
    if estimate is None or estimate.value is None:
        return
    label = None if _SHORT[part] in axes.get_legend_handles_labels()[1] else _SHORT[part]
    axes.plot([estimate.value], [y], "os"[turn], color=SERIES[turn], markersize=5, label=label)
    if estimate.low is not None and estimate.high is not None:
        axes.plot([estimate.low, estimate.high], [y, y], color=SERIES[turn])
