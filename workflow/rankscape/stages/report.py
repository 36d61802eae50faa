"""Write the report: a page for each study, and one over all studies of the region.

Each is one HTML file that carries its images, its scripts and the numbers behind its map; it opens from disk without a
network, and without scripts its map is an image.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import write_bytes
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.foundation.settings import parse_json
from rankscape.foundation.studies import find_study
from rankscape.products.report.costs import cost_of
from rankscape.products.report.cross_study import render_index
from rankscape.products.report.page import StudyPage, draw_page, render
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import page_code, sections_of
from rankscape.products.report.settings import ReportSettings
from rankscape.stages.artifacts import artifacts_of
from rankscape.stages.options import settings_of


def report(
    *,
    settings: Annotated[str, settings_of(ReportSettings)],
    region_folder: Annotated[Path, Parameter(help="The region's folder: results/<region>.")],
    studies: Annotated[list[str], Parameter(help="Studies that have a page.")],
    out: Annotated[Path, Parameter(help="Page over all studies to write (HTML); one a study is written beside it.")],
    names: Annotated[
        list[str] | None,
        Parameter(
            help="Names in the run by study and list, JSON objects that are joined: "
            '{"ranking": {"references": ["lights"]}}. Without them, all files that are found are shown.'
        ),
    ] = None,
) -> None:
    """Write the pages that people open."""
    chosen = ReportSettings.from_text(settings, "report")
    if not region_folder.is_dir():
        raise InputError(f"--region-folder {region_folder} is no folder: give results/<region> of a run.")
    known, cost = _joined(names or []), cost_of(region_folder)
    pages: list[StudyPage] = []
    records = []
    for study in map(find_study, studies):
        own = known.get(study.name, {}) if names else None
        run = RunReader(region_folder, sections_of(study), artifacts_of([study]), own, chosen)
        page = draw_page(study, sections_of(study), run)
        record = provenance("report", chosen, run.inputs(), seed=chosen.seed) | {"code": page_code(study)}
        _write(out.with_name(f"{study.name}.html"), render(page, run, cost, record, up=out.name))
        pages.append(page)
        records.append(record)
    whole = records[0] | {"inputs": {path: mark for record in records for path, mark in record["inputs"].items()}}
    _write(out, render_index(pages, region_folder.resolve().name, chosen, cost, whole))


def _joined(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Join objects of names; later ones add lists to what earlier ones say of a study."""
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        for study, lists in parse_json(text, "the names", "--names").items():
            if not isinstance(lists, dict):
                raise InputError(f"--names: {study} is {lists!r}: give an object of lists of names by study.")
            found[study] = found.get(study, {}) | lists
    return found


def _write(path: Path, page: str) -> None:
    content = page.encode()
    write_bytes(path, content)
    say(f"{path}: {len(content) / 1e6:.1f} MB, opens in any browser")
