"""What is made of the scores: districts, change between dates, regressions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from rankscape.foundation.errors import InputError
from rankscape.foundation.package_files import assets
from rankscape.products.agreement.artifacts import Estimate
from rankscape.products.change.artifacts import ChangeImages, ChangeRecord
from rankscape.products.districts.artifacts import CensusAgreement, DistrictRecord
from rankscape.products.regressions.artifacts import Coefficient, RegressionRecord
from rankscape.products.report import wording
from rankscape.products.report.embedded_images import EmbeddedImage, read_map, read_photographs
from rankscape.products.report.palette import colour_of
from rankscape.products.report.plots import ACCENT, INK, SERIES, Plot, plot
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Fragment
from rankscape.products.report.templates import TableView, fill
from rankscape.studies.ranking.product_files import (
    CHANGE,
    CHANGE_IMAGES_INDEX,
    CHANGE_PREVIEW,
    CHANGE_RECORD,
    DISTRICTS,
    DISTRICTS_MAP,
    DISTRICTS_RECORD,
    REGRESSION,
)

ASSETS = assets(__file__, "products.html.j2")
_RANKED = 60
"""More districts than these are not drawn, only listed."""
_LISTED = 12
"""Significant changes listed of each direction."""


@dataclass(frozen=True)
class PlaceChange:
    """One change in images."""

    words: str
    images: tuple[EmbeddedImage, ...]
    """Both dates and why, as one drawing; or, without the why, each date by itself."""
    reason: str
    """Why nobody can say which places made the change; empty where the drawing says it."""


@dataclass(frozen=True)
class ProductView:
    """One set of districts, one change, or one set of regressions."""

    title: str
    lead: str
    tables: tuple[TableView, ...]
    plots: tuple[Plot, ...] = ()
    map: tuple[str, EmbeddedImage] | None = None
    """A map, and what it shows."""
    largest: tuple[PlaceChange, ...] = ()
    """Single changes in images."""
    notes: tuple[str, ...] = ()


def districts(run: RunReader) -> Fragment | None:
    """Draw the section of districts; None where there are none."""
    return _section([_district_view(run, name, place) for place, name in enumerate(run.names(DISTRICTS_RECORD))])


def changes(run: RunReader) -> Fragment | None:
    """Draw the section of change; None where nothing is compared."""
    return _section([_change_view(run, name, place) for place, name in enumerate(run.names(CHANGE_RECORD))])


def regressions(run: RunReader) -> Fragment | None:
    """Draw the section of regressions; None where there are none."""
    return _section([_regression_view(record) for record in run.read_all(REGRESSION).values()])


def _section(views: Sequence[ProductView]) -> Fragment | None:
    if not views:
        return None
    html: Markup = fill(ASSETS, "products.html.j2", views=views)
    return Fragment(html, gist=wording.listed([view.title for view in views]))


def _district_view(run: RunReader, name: str, place: int) -> ProductView:
    record: DistrictRecord = run.read(DISTRICTS_RECORD, name)
    table: pd.DataFrame = run.read(DISTRICTS, name)
    table = table.sort_values(["rank", "district"], na_position="last").reset_index(drop=True)
    known = table.dropna(subset=["score", "rank"])
    means = "population" in table and table["population"].notna().any()
    headings = ["District", "Rank", "Interval of rank", "Score", "Interval", "Patches", "Covered"]
    headings += ["Population"] if means else []
    rows = tuple(_district(row, headings) for row in known.to_dict("records"))
    lead = f"{wording.count(len(known), 'district')} of {len(table):,} have a score"
    lead += {"population": ", weighted by people", "area": ", weighted by area"}.get(record.weighting, "")
    tables = [TableView(f"{record.title}, from the most to the least developed.", tuple(headings), rows)]
    compared = _census(record.comparisons)
    tables += [compared] if compared is not None else []
    drawn = (_ranking(f"districts-{place}", known, record.title),) if 1 < len(known) <= _RANKED else ()
    choropleth = run.find(DISTRICTS_MAP, name)
    shown = None if choropleth is None else (f"{record.title}: mean score.", read_map(choropleth, DISTRICTS_MAP.verb))
    return ProductView(record.title, f"{lead}.", tuple(tables), drawn, shown, notes=tuple(record.notes))


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


def _census(compared: Mapping[str, CensusAgreement]) -> TableView | None:
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
    """Scores of districts with their intervals, the most developed on top."""

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

    alt = (
        f"Scores of {len(known)} districts with their intervals, the most developed on top; the table has the numbers."
    )
    return plot(name, alt, f"{title}: score and interval.", (5.2, 0.9 + 0.17 * len(known)), paint)


def _change_view(run: RunReader, name: str, place: int) -> ProductView:
    record: ChangeRecord = run.read(CHANGE_RECORD, name)
    known: pd.DataFrame = pd.DataFrame(run.read(CHANGE, name)).dropna(subset=["change"])
    found = known[known["significant"].astype(bool)]
    rose, fell = int((found["change"] > 0).sum()), int((found["change"] < 0).sum())
    before, _, after = name.partition("--")
    dates = f"{record.before or before} to {record.after or after}"
    lead = f"Of {wording.count(len(known), 'patch', 'patches')} seen at both dates, {rose + fell:,} changed "
    lead += f"significantly: {rose:,} rose and {fell:,} fell. Seasonal and sensor effects are taken out with places "
    lead += "that did not change."
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
    drawn = (_histogram(f"change-{place}", known, found),) if len(known) > 1 else ()
    title, preview = record.title or f"From {dates}", run.find(CHANGE_PREVIEW, name)
    shown = None if preview is None else (f"{title}: change of the score.", read_map(preview, CHANGE_PREVIEW.verb))
    largest = _largest(run, name)
    blind = dict.fromkeys(one.reason for one in largest if one.reason)
    return ProductView(title, lead, tuple(tables), drawn, shown, largest, (*blind, *record.notes))


def _largest(run: RunReader, name: str) -> tuple[PlaceChange, ...]:
    """The largest changes, significant ones first."""
    index: ChangeImages | None = run.find(CHANGE_IMAGES_INDEX, name)
    path = run.path(CHANGE_IMAGES_INDEX, name)
    if index is None or path is None:
        return ()
    try:
        return tuple(_place_change(path.parent, entry) for entry in index.images)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} was not written by `rankscape {CHANGE.verb}` ({error!r}): make it again.") from None


def _place_change(folder: Path, entry: Mapping[str, Any]) -> PlaceChange:
    reason = str(entry.get("reason") or "")
    names = [entry["before"], entry["after"]] if reason else [entry["file"]]
    images = tuple(read_photographs(folder / str(name), CHANGE.verb) for name in names)
    return PlaceChange(str(entry["words"]), images, reason)


def _changes(part: pd.DataFrame, words: str) -> TableView:
    rows = tuple(
        (str(row["patch_id"]), wording.number(row["score_after"] - row["change"]), wording.number(row["score_after"]),
         _signed(row["change"]), wording.number(row["change_std"]), _small(_float(row.get("q"))))
        for row in part.head(_LISTED).to_dict("records")
    )  # fmt: skip
    heads = ("Patch", "Before, in later conditions", "After", "Change", "Standard deviation", "q")
    more = f", the largest {_LISTED} of {len(part):,}" if len(part) > _LISTED else ""
    return TableView(f"Places whose score {words} significantly{more}.", heads, rows)


def _histogram(name: str, known: pd.DataFrame, found: pd.DataFrame) -> Plot:
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


def _regression_view(record: RegressionRecord) -> ProductView:
    """A column a model, the error of each coefficient behind it."""
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
    return ProductView(record.title, "", (TableView(caption, heads, tuple(rows)),), notes=tuple(record.notes))


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
