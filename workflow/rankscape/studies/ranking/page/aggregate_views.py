"""Districts, change and regressions as plain values, ready for the template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from rankscape.products.report import wording
from rankscape.products.report.images import MapPicture
from rankscape.products.report.palette import colour_of
from rankscape.products.report.plots import ACCENT, INK, SERIES, Plot, plot
from rankscape.studies.ranking.page.aggregates import Census, Change, Coefficient, Districts, Pictured, RegressionRecord
from rankscape.studies.ranking.page.documents import Estimate
from rankscape.studies.ranking.page.tables import TableView

_RANKED = 60
"""More districts than these are not drawn, only listed."""
_LISTED = 12
"""Significant changes listed of each direction."""


@dataclass(frozen=True)
class AggregateView:
    """One section's part: districts, change or regression."""

    title: str
    lead: str
    tables: tuple[TableView, ...]
    plots: tuple[Plot, ...] = ()
    picture: tuple[str, MapPicture] | None = None
    """A map, and what it shows."""
    largest: tuple[Pictured, ...] = ()
    """Single changes in pictures."""
    notes: tuple[str, ...] = ()


def district_view(districts: Districts, number: int) -> AggregateView:
    """Describe the scores of districts."""
    table, record = districts.table, districts.record
    known = table.dropna(subset=["score", "rank"])
    means = "population" in table and table["population"].notna().any()
    headings = ["District", "Rank", "Interval of rank", "Score", "Interval"]
    headings += ["Patches"] if "patches" in table else []
    headings += ["Covered"] if "covered_fraction" in table else []
    headings += ["Population"] if means else []
    rows = tuple(_district(row, headings) for row in known.to_dict("records"))
    lead = f"{wording.count(len(known), 'district')} of {len(table):,} have a score"
    lead += {"population": ", weighted by people", "area": ", weighted by area"}.get(record.weighting, "")
    tables = [TableView(f"{record.title}, from the richest to the poorest.", tuple(headings), rows)]
    compared = _census(record.comparisons)
    tables += [compared] if compared is not None else []
    drawn = (_ranking(f"districts-{number}", known, record.title),) if 1 < len(known) <= _RANKED else ()
    picture = None if districts.picture is None else (f"{record.title}: mean score.", districts.picture)
    return AggregateView(record.title, f"{lead}.", tuple(tables), drawn, picture, notes=tuple(record.notes))


def _district(row: Mapping[Any, Any], headings: Sequence[str]) -> tuple[str, ...]:
    cells = {
        "District": str(row["name"]), "Rank": wording.rounded_rank(_float(row["rank"])),
        "Interval of rank": wording.interval([_float(row["rank_low"]), _float(row["rank_high"])], 0),
        "Score": wording.number(_float(row["score"])),
        "Interval": wording.interval([_float(row["score_low"]), _float(row["score_high"])]),
        "Patches": _whole(row.get("patches")), "Covered": wording.percent(_float(row.get("covered_fraction"))),
        "Population": _whole(row.get("population")),
    }  # fmt: skip
    return tuple(cells[name] for name in headings)


def _census(compared: Mapping[str, Census]) -> TableView | None:
    """Agreement with the columns of a census."""
    rows = tuple(
        (one.title or name, f"{one.n:,}", _estimate(one.pearson), _estimate(one.spearman),
         one.reason or _estimate(one.r2_log))
        for name, one in compared.items()
    )  # fmt: skip
    heads = ("Census column", "Districts", "Pearson", "Spearman", "R² of logarithms")
    return TableView("Scores of districts beside the census, with intervals.", heads, rows) if rows else None


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None:
        return wording.NOTHING
    ends = wording.interval([estimate.low, estimate.high])
    return wording.number(estimate.value) + ("" if ends == wording.NOTHING else f" ({ends})")


def _ranking(name: str, known: pd.DataFrame, title: str) -> Plot:
    """Scores of districts with their intervals, the richest on top."""

    def paint(axes: Axes) -> None:
        for place, row in enumerate(known.to_dict("records")):
            score, low, high = (_float(row[key]) for key in ("score", "score_low", "score_high"))
            if low is not None and high is not None:
                axes.plot([low, high], [place, place], color=SERIES[0], linewidth=1.2)
            axes.plot([score or 0.0], [place], "o", color=colour_of(score or 0.0), markersize=5,
                      markeredgecolor=INK, markeredgewidth=0.6)  # fmt: skip
        axes.set_yticks(range(len(known)), [str(n) for n in known["name"]])
        axes.set(ylim=(len(known) - 0.5, -0.5), xlabel="score, with its interval")
        axes.tick_params(axis="y", length=0, labelsize=7.5)

    alt = f"Scores of {len(known)} districts with their intervals, the richest on top; the table holds the numbers."
    return plot(name, alt, f"{title}: score and interval.", (5.2, 0.9 + 0.17 * len(known)), paint)


def change_view(change: Change, number: int) -> AggregateView:
    """Describe what changed between two dates."""
    known = change.table.dropna(subset=["change"])
    found = known[known["significant"].astype(bool)]
    rose, fell = int((found["change"] > 0).sum()), int((found["change"] < 0).sum())
    record, (before, _, after) = change.record, change.name.partition("--")
    dates = f"{record.before or before} to {record.after or after}"
    lead = f"Of {wording.count(len(known), 'patch', 'patches')} seen at both dates, {rose + fell:,} changed "
    lead += f"significantly: {rose:,} rose and {fell:,} fell. Seasonal and sensor effects are taken out with places "
    lead += "that stay alike."
    if record.false_discovery_rate is not None and len(found):
        lead += f" At most {wording.percent(record.false_discovery_rate)} of these are expected to be chance."
    tables = [
        _changes(part.sort_values(["change", "patch_id"], ascending=[rising, True]), words)
        for part, rising, words in (
            (found[found["change"] > 0], False, "rose"),
            (found[found["change"] < 0], True, "fell"),
        )
        if len(part)
    ]
    drawn = (_spread_of_changes(f"change-{number}", known, found),) if len(known) > 1 else ()
    title = record.title or f"From {dates}"
    picture = None if change.picture is None else (f"{title}: change of the score.", change.picture)
    blind = dict.fromkeys(one.reason for one in change.largest if one.reason)
    return AggregateView(title, lead, tuple(tables), drawn, picture, change.largest, (*blind, *record.notes))


def _changes(part: pd.DataFrame, words: str) -> TableView:
    rows = tuple(
        (str(row["patch_id"]), wording.number(row["score_after"] - row["change"]), wording.number(row["score_after"]),
         _signed(row["change"]), wording.number(row["change_std"]), _small(_float(row.get("q"))))
        for row in part.head(_LISTED).to_dict("records")
    )  # fmt: skip
    heads = ("Patch", "Before, in the later light", "After", "Change", "Standard deviation", "q")
    more = f", the largest {_LISTED} of {len(part):,}" if len(part) > _LISTED else ""
    return TableView(f"Places whose score {words} significantly{more}.", heads, rows)


def _spread_of_changes(name: str, known: pd.DataFrame, found: pd.DataFrame) -> Plot:
    values, marked = known["change"].to_numpy(np.float64), found["change"].to_numpy(np.float64)

    def paint(axes: Axes) -> None:
        edges = np.histogram_bin_edges(values, 40).tolist()
        axes.hist(values, edges, color=SERIES[0], label="all places")
        axes.hist(marked, edges, color=ACCENT, label="significant")
        axes.axvline(0, color=INK, linewidth=0.6)
        axes.set(xlabel="change of the score", ylabel="patches")
        axes.legend()

    alt = f"Histogram of the change of {len(values)} places, {len(marked)} of them significant."
    return plot(name, alt, "Change of every place; significant ones in vermilion.", (4.4, 2.8), paint)


def regression_view(record: RegressionRecord) -> AggregateView:
    """Describe regressions: a column a model, the error of each coefficient behind it."""
    labels = list(dict.fromkeys(e.label for model in record.models for e in model.estimates if e.shown))
    rows = [
        (label, *(next((_coefficient(e) for e in m.estimates if e.label == label), "") for m in record.models))
        for label in labels
    ]
    rows.append(("Places", *(f"{model.n:,}" for model in record.models)))
    if any(model.clusters for model in record.models):
        rows.append(("Clusters of errors", *(_whole(model.clusters) for model in record.models)))
    rows.append(("R²", *(wording.number(model.r2, 3) for model in record.models)))
    heads = ("Coefficient", *(model.outcome for model in record.models))
    caption = f"{record.title}. Standard errors in parentheses; * p < 0.10, ** p < 0.05, *** p < 0.01."
    return AggregateView(record.title, "", (TableView(caption, heads, tuple(rows)),), notes=tuple(record.notes))


def _coefficient(estimate: Coefficient) -> str:
    error = "" if estimate.std_error is None else f" ({_compact(estimate.std_error)})"
    conley = "" if estimate.conley_error is None else f" [{_compact(estimate.conley_error)}]"
    return f"{_compact(estimate.coefficient)}{estimate.stars}{error}{conley}"


def _compact(value: float) -> str:
    return wording.number(value, 3) if abs(value) >= 0.001 or value == 0 else f"{value:.2e}".replace("-", wording.MINUS)


def _signed(value: float) -> str:
    return f"+{wording.number(value)}" if value > 0 else wording.number(value)


def _small(value: float | None) -> str:
    return "< 0.001" if value is not None and value < 0.001 else wording.number(value, 3)


def _float(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _whole(value: Any) -> str:
    return wording.NOTHING if value is None or pd.isna(value) else f"{value:,.0f}"
