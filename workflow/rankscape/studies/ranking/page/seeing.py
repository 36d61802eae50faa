"""Sheets of patches that people judge the score by, as the stage `inspection-sheets` wrote them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json
from rankscape.products.report.images import read_sheet

INDEX = "index.json"


@dataclass(frozen=True)
class Sheet:
    """One sheet on the page."""

    title: str
    """What it shows."""
    uri: str
    """Its picture; empty where there is nothing to show."""
    width_px: int
    """Width of the picture."""
    height_px: int
    """Height of the picture."""
    patches: tuple[tuple[str, str], ...]
    """Id of each patch in the order shown, and what is said of it."""
    reason: str
    """Why there is nothing to show."""


@dataclass(frozen=True)
class Review:
    """All sheets."""

    sheets: tuple[Sheet, ...]
    """Sheets in the order shown."""
    note: str
    """What a reader must bear in mind."""
    provenance: dict[str, Any]
    """Where they come from."""


def read_review(folder: Path) -> Review:
    """Read the folder that `inspection-sheets` wrote.

    Raises:
        InputError: If its index or a picture is missing or broken.
    """
    path = folder / INDEX
    document = read_json(path)
    try:
        sheets = tuple(_sheet(folder, entry) for entry in document["sheets"])
        return Review(sheets, str(document["note"]), dict(document["provenance"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} was not written by `rankscape ranking inspection-sheets` ({error!r}): make it again."
        ) from None


def _sheet(folder: Path, entry: dict[str, Any]) -> Sheet:
    patches = tuple((str(patch["patch_id"]), str(patch["words"])) for patch in entry["patches"])
    title, reason = str(entry["title"]), str(entry["reason"])
    if entry["file"] is None:
        return Sheet(title, "", 0, 0, patches, reason)
    shown = read_sheet(folder / str(entry["file"]), "ranking inspection-sheets")
    return Sheet(title, shown.uri, shown.width_px, shown.height_px, patches, reason)
