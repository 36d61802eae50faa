"""Sections of what follows from predictions: intervals around them, and what embeddings add to data of units."""

from markupsafe import Markup

from rankscape.foundation.package_files import assets
from rankscape.products.report.reading import RunReader
from rankscape.products.report.templates import TableView, fill
from rankscape.products.report.wording import count, interval, number, percent
from rankscape.studies.embeddings.artifacts import (
    DOWNSTREAM,
    EVALUATED,
    INFERENCE,
    UNIT_SPLITS,
    UNITS,
    EstimateKeys,
    InferenceKeys,
    UnitsKeys,
)

ASSETS = assets(__file__, "plots.html.j2")


def draw_intervals(run: RunReader) -> Markup:
    """Draw how wide the intervals of predictions are, and how many labels lie in them."""
    rows = [
        (f"{one.task}, {one.features}", split, number(fit.half_width), percent(fit.coverage))
        for one in run.read_all(DOWNSTREAM).values()
        for split in EVALUATED
        if (fit := one.splits.get(split)) is not None and fit.coverage is not None
    ]
    headings = ("Task and features", "split", "half-width", "labels within")
    view = TableView("Intervals around predictions.", headings, tuple(rows))
    return fill(ASSETS, "plots.html.j2", plots=[], tables=[view])


def draw_units(run: RunReader) -> Markup | None:
    """Draw what units, embeddings and both predict, and the paired differences; None where there are no units."""
    tables = [table for one in run.read_all(UNITS).values() for table in (_unit_fits(one), _unit_differences(one))]
    return fill(ASSETS, "plots.html.j2", plots=[], tables=tables) if tables else None


def _unit_fits(one: UnitsKeys) -> TableView:
    splits = [split for split in UNIT_SPLITS if any(split in fits for fits in one.fits.values())]
    rows = tuple(
        (model, *(f"{number(fits[split].r2)} ({interval(fits[split].r2_interval)})" for split in splits))
        for model, fits in one.fits.items()
    )
    used = next(iter(one.fits.values()))[splits[0]].n
    about = f"{one.units}: R² of {count(used, 'unit')} in {count(one.groups, 'group')}."
    return TableView(" ".join([about, *one.warnings]), ("Model", *splits), rows)


def _unit_differences(one: UnitsKeys) -> TableView:
    rows = tuple(
        (f"{pair.first} − {pair.second}", pair.split, number(pair.difference), interval(pair.interval))
        for pair in one.differences
    )
    return TableView(f"{one.units}: differences of R².", ("Models", "split", "difference", "interval"), rows)


def draw_regressions(run: RunReader) -> Markup | None:
    """Draw regressions of predicted labels by three estimators; None where there are none."""
    tables = [_coefficients(one) for one in run.read_all(INFERENCE).values()]
    return fill(ASSETS, "plots.html.j2", plots=[], tables=tables) if tables else None


def _coefficients(one: InferenceKeys) -> TableView:
    rows = tuple((row.column, *map(_estimate, (row.naive, row.labelled, row.corrected))) for row in one.coefficients)
    about = (
        f"{one.title} explained: {count(one.labelled, 'labelled place')}, {count(one.unlabelled, 'other place')}; "
        f"predictions from {one.features} are trusted by {number(one.trust)}."
    )
    headings = ("Column", "predictions alone", "labelled places alone", "predictions, corrected")
    return TableView(" ".join([about, *one.notes]), headings, rows)


def _estimate(one: EstimateKeys) -> str:
    return f"{number(one.coefficient)} ({interval((one.low, one.high))})"
