"""Sheets of patches that people judge the score by."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from rankscape.foundation.errors import InputError
from rankscape.foundation.package_files import assets
from rankscape.products.report.embedded_images import EmbeddedImage, read_photographs
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Fragment
from rankscape.products.report.templates import fill
from rankscape.products.report.wording import count
from rankscape.studies.ranking.scoring.artifacts import INSPECTION_INDEX, InspectionKeys

ASSETS = assets(__file__, "inspection.html.j2")


@dataclass(frozen=True)
class SheetView:
    """One sheet on the page."""

    title: str
    """What it shows."""
    image: EmbeddedImage | None
    """None where there is nothing to show."""
    patches: tuple[tuple[str, str], ...]
    """Id of each patch in the order shown, and what is said of it."""
    reason: str
    """Why there is nothing to show."""


def draw(run: RunReader) -> Fragment:
    """Draw the section.

    Raises:
        InputError: If an image is missing or broken, or the index is none.
    """
    index: InspectionKeys = run.read(INSPECTION_INDEX)
    path = run.path(INSPECTION_INDEX)
    assert path is not None
    try:
        sheets = tuple(_sheet(path.parent, entry) for entry in index.sheets)
    except (KeyError, TypeError, ValueError) as error:
        made = f"rankscape {INSPECTION_INDEX.verb}"
        raise InputError(f"{path} was not written by `{made}` ({error!r}): make it again.") from None
    html: Markup = fill(ASSETS, "inspection.html.j2", sheets=sheets, note=index.note)
    return Fragment(html, gist=count(len(sheets), "sheet"))


def _sheet(folder: Path, entry: dict[str, Any]) -> SheetView:
    patches = tuple((str(patch["patch_id"]), str(patch["words"])) for patch in entry["patches"])
    file = entry["file"]
    image = None if file is None else read_photographs(folder / str(file), INSPECTION_INDEX.verb)
    return SheetView(str(entry["title"]), image, patches, str(entry["reason"]))
