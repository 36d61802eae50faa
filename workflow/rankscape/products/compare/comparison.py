"""Everything that was found between two runs, as a document, as rows, and as a page."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
from markupsafe import Markup

from rankscape.foundation.package_files import assets
from rankscape.products.compare.differences import (
    ComparedRun,
    Difference,
    NumberDifference,
    number_differences,
    scene_differences,
    settings_differences,
    version_differences,
)
from rankscape.products.report.palette import ramp_css
from rankscape.products.report.templates import page_styles, template

ASSETS = assets(__file__, "compare.html.j2")
Row = tuple[str, str, Any, Any, Any]
"""Section, item, value in run A, value in run B, difference."""


@dataclass(frozen=True)
class ComparedSection:
    """One section of the page."""

    name: str
    """Its anchor."""
    title: str
    html: Markup


@dataclass(frozen=True)
class ComparedStudy:
    """What a study finds between two runs, beyond the numbers of its declared files."""

    name: str
    """The study."""
    lead: str
    """The most important, as a sentence."""
    figures: Sequence[tuple[str, str, str]]
    """Key figures: what, its value, and a note."""
    sections: Sequence[ComparedSection]
    settings: Sequence[Difference] = ()
    """Settings that differ and stand in no provenance record."""
    document: dict[str, Any] = field(default_factory=dict)
    """The same as JSON values."""
    rows: Sequence[Row] = ()


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs."""

    a: str
    b: str
    settings: list[Difference]
    scenes: list[Difference]
    numbers: list[NumberDifference]
    versions: list[Difference]
    studies: Sequence[ComparedStudy]


def compare_runs(a: ComparedRun, b: ComparedRun, studies: Sequence[ComparedStudy]) -> Comparison:
    """Compare the declared files of two runs.

    Args:
        a: One run.
        b: Another.
        studies: What their studies find beyond that.
    """
    own = [one for study in studies for one in study.settings]
    return Comparison(
        str(a.folder), str(b.folder), [*settings_differences(a, b), *own], scene_differences(a, b),
        number_differences(a, b), version_differences(a, b), studies,
    )  # fmt: skip


def document_of(found: Comparison, record: dict[str, Any]) -> dict[str, Any]:
    """Return the comparison as a JSON document, what a study finds below its name."""
    shared: dict[str, Any] = {"a": found.a, "b": found.b}
    shared |= {name: [asdict(one) for one in getattr(found, name)] for name in ("settings", "scenes", "numbers")}
    own = {study.name: study.document for study in found.studies}
    versions = [asdict(one) for one in found.versions]
    return {**_finite({**shared, **own, "versions": versions}), "provenance": record}


def _finite(value: Any) -> Any:
    """NaN is no JSON: it becomes null."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def rows_of(found: Comparison) -> pd.DataFrame:
    """Return the comparison as one row a thing compared: columns section, item, a, b, difference."""
    rows: list[Row] = []
    for section in ("settings", "scenes", "versions"):
        rows += [(section, one.name, one.a, one.b, None) for one in getattr(found, section)]
    rows += [row for study in found.studies for row in study.rows]
    rows += [("numbers", f"{one.file} {one.name}", one.a, one.b, one.b - one.a) for one in found.numbers]
    return pd.DataFrame(rows, columns=["section", "item", "a", "b", "difference"])


def render(found: Comparison, record: dict[str, Any]) -> str:
    """Write the comparison as an HTML page that carries its images and needs neither network nor scripts.

    Args:
        found: What differs.
        record: Provenance of the page.

    Returns:
        HTML; the same inputs give the same text.
    """
    page: str = template(ASSETS, "compare.html.j2").render(
        css=page_styles(), ramp=ramp_css(), record=json.dumps(record, ensure_ascii=False, sort_keys=True), found=found
    )
    return page
