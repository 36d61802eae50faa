"""The pages: one HTML file a study that carries all that it shows and needs no network, and one over all studies."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from rankscape.foundation.package_files import assets
from rankscape.foundation.studies import Study
from rankscape.products.report.costs import CORE_W, MEMORY_W_GB, OVERHEAD, RunCost
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Drawn, Fragment, KeyFigure, Overview, PageSection, PlaceValues
from rankscape.products.report.templates import TableView, fill, page_styles
from rankscape.products.report.versions import mixed_stages, recorded_settings, versions
from rankscape.products.report.wording import NOTHING, count, listed, number

ASSETS = assets(__file__, "page.html.j2")


@dataclass(frozen=True)
class DrawnSection:
    """A section and what it drew."""

    section: PageSection
    fragment: Fragment

    def json(self) -> Iterator[tuple[str, Markup]]:
        """Yield the data of its scripts: id of the element, and JSON that is safe inside a script element."""
        for name, value in self.fragment.data.items():
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            yield name, Markup(text.replace("<", "\\u003c"))


@dataclass(frozen=True)
class StudyPage:
    """A study's page before it is written, and what the page over all studies takes from it."""

    study: Study
    overview: Overview
    values: tuple[PlaceValues, ...]
    shown: tuple[DrawnSection, ...]
    left_out: tuple[tuple[str, str], ...]
    """Title of each section that is left out, and why."""
    records: tuple[dict[str, Any], ...]
    """Provenance of all that was read."""


def draw_page(study: Study, sections: Sequence[PageSection], run: RunReader) -> StudyPage:
    """Let every section of a study draw itself.

    Raises:
        InputError: If a file is missing without which there is no page, or one is broken.
    """
    drawn: list[tuple[PageSection, Drawn]] = []
    left_out = []
    for section in sections:
        reason = run.lacks(section)
        found = None if reason else section.drawer()(run)
        if found is None:
            left_out.append((section.title, reason or "this run has none"))
        drawn.append((section, found))
    overviews = [found for _, found in drawn if isinstance(found, Overview)]
    return StudyPage(
        study,
        Overview(
            tuple(figure for one in overviews for figure in one.figures),
            tuple(notice for one in overviews for notice in one.notices),
        ),
        tuple(found for _, found in drawn if isinstance(found, PlaceValues)),
        tuple(DrawnSection(section, fragment) for section, found in drawn if (fragment := _fragment(found))),
        tuple(left_out),
        tuple(run.records()),
    )


def render(page: StudyPage, run: RunReader, cost: RunCost, record: Mapping[str, Any], *, up: str = "index.html") -> str:
    """Write a study's page.

    Args:
        page: What its sections drew.
        run: The run.
        cost: What the run cost.
        record: Provenance of the page.
        up: Address of the page over all studies.

    Returns:
        HTML; the same inputs give the same text.
    """
    return shell(
        title=run.settings.title,
        region=run.region,
        subtitle=page.study.question,
        note=run.settings.note,
        up=up,
        overview=page.overview,
        shown=page.shown,
        left_out=page.left_out,
        records=[*page.records, record],
        cost=cost,
    )


def shell(
    *,
    title: str,
    region: str,
    subtitle: str,
    note: str,
    up: str,
    overview: Overview,
    shown: Sequence[DrawnSection],
    left_out: Sequence[tuple[str, str]],
    records: Sequence[Mapping[str, Any]],
    cost: RunCost,
) -> str:
    """Put a page together: head, key figures, sections, settings and versions, cost.

    Args:
        title: Heading.
        region: Name of the region.
        subtitle: Line below the heading.
        note: Sentence beside it.
        up: Address of the page above this one; empty where there is none.
        overview: Key figures and what a reader must know first.
        shown: Sections.
        left_out: Titles of sections that are left out, and why.
        records: Provenance of what was read; the page's own comes last.
        cost: What the run cost.
    """
    found = versions(map(dict, records))
    mixed = mixed_stages(found)
    notices = list(overview.notices)
    if mixed:
        text = (
            f"Files of {listed(mixed)} were made by different versions of the code; the table of versions lists them."
        )
        notices.append(("Mixed versions.", text))
    scripts = [str(script) for drawn in shown for script in drawn.fragment.scripts]
    styles = dict.fromkeys([page_styles(), *(drawn.fragment.styles for drawn in shown)])
    return str(
        fill(
            ASSETS, "page.html.j2",
            title=title, region=region, subtitle=subtitle, note=note, up=up,
            record=json.dumps(records[-1], ensure_ascii=False, sort_keys=True),
            styles=Markup("\n").join(styles), policy=" ".join(map(_policy, scripts)), notices=notices,
            figures=overview.figures, shown=shown, left_out=left_out, versions=found,
            configuration=recorded_settings(map(dict, records)), cost=_cost_view(cost),
        )
    )  # fmt: skip


def _fragment(found: Drawn) -> Fragment | None:
    if isinstance(found, Markup):
        return Fragment(found)
    return found if isinstance(found, Fragment) else None


def _policy(script: str) -> str:
    """Source of a script for the page's content policy: its hash."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@dataclass(frozen=True)
class _CostView:
    figures: tuple[KeyFigure, ...]
    words: str
    table: TableView


def _cost_view(cost: RunCost) -> _CostView:
    low, high = cost.energy_kwh
    jobs = sum(rule.jobs for rule in cost.rules)
    measured = f"of {count(jobs, 'job')} that were measured" if jobs else "no job was measured"
    figures = (
        KeyFigure("Processor hours", number(cost.processor_h) if jobs else NOTHING, measured),
        KeyFigure("Largest memory", _bytes(cost.memory_mb * 2**20) if jobs else NOTHING, "of one job"),
        KeyFigure("On disk", _bytes(cost.disk_bytes), "in the region's folder"),
        KeyFigure("Downloaded", _bytes(cost.downloaded_bytes), "scenes and masks"),
        KeyFigure("Energy, estimated", _energy(low, high) if jobs else NOTHING, "assumptions below", wide=True),
    )
    words = (
        f"Assumptions of the energy: {CORE_W:g} W for a busy core and {MEMORY_W_GB:g} W for each GB of memory held, "
        "every job at its largest (Lannelongue, Grealey and Inouye, Green Algorithms, 2021); the building adds nothing "
        f"(lower end) or {OVERHEAD[1] - 1:.0%} (upper end, an average data centre). GPUs, networks, screens and the "
        "machines of judges that answer over a network are not in it. Jobs without a benchmark file are not counted, "
        "nor is the writing of this page."
    )
    rows = tuple(
        (rule.rule, f"{rule.jobs:,}", _hours(rule.processor_s), _hours(rule.elapsed_s), _bytes(rule.memory_mb * 2**20))
        for rule in cost.rules
    )
    heads = ("Rule", "Jobs", "Processor time", "Time, added up", "Largest memory")
    return _CostView(figures, words, TableView("Cost by rule, from the benchmark files of the workflow.", heads, rows))


def _bytes(size: float) -> str:
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size / 1e3:,.0f} kB" if size else "none"


def _energy(low: float, high: float) -> str:
    unit, factor = ("kWh", 1) if high >= 1 else ("Wh", 1000)
    return f"{number(low * factor, 1)} to {number(high * factor, 1)} {unit}"


def _hours(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
