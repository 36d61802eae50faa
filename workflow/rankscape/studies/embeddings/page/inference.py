"""Sections of what follows from predictions: intervals around them."""

from markupsafe import Markup

from rankscape.foundation.package_files import assets
from rankscape.products.report.reading import RunReader
from rankscape.products.report.templates import TableView, fill
from rankscape.products.report.wording import number, percent
from rankscape.studies.embeddings.artifacts import DOWNSTREAM, SPLITS

ASSETS = assets(__file__, "plots.html.j2")


def draw_intervals(run: RunReader) -> Markup:
    """Draw how wide the intervals of predictions are, and how many labels lie in them."""
    rows = [
        (f"{one.task}, {one.features}", split, number(fit.half_width), percent(fit.coverage))
        for one in run.read_all(DOWNSTREAM).values()
        for split in SPLITS
        if (fit := one.splits.get(split)) is not None and fit.coverage is not None
    ]
    headings = ("Task and features", "split", "half-width", "labels within")
    view = TableView("Intervals around predictions.", headings, tuple(rows))
    return fill(ASSETS, "plots.html.j2", plots=[], tables=[view])
