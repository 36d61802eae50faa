"""Sheets of patches that people judge a score by, as pictures and as one document."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rankscape.foundation.errors import WeightsError
from rankscape.foundation.files import write_bytes
from rankscape.samples.rendering import as_png, as_rgb
from rankscape.studies.ranking.clusters.contact_sheets import PatchImages, contact_sheet
from rankscape.studies.ranking.explanations.overlays import NOTE, Panel, draw_figure, limit_of, overlay
from rankscape.studies.ranking.explanations.review import Reviewed, contradictions, spectrum, uncertain
from rankscape.studies.ranking.explanations.saliency import explain
from rankscape.studies.ranking.scoring.artifacts import INSPECTION_INDEX
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.settings import InspectionSettings

INDEX = "index.json"
EXPLAINED = "explained"
_PAIRS_A_ROW = 2


@dataclass(frozen=True)
class Gallery:
    """One sheet."""

    name: str
    """Name of its file, without the ending."""
    title: str
    """What it shows."""
    patches: tuple[Reviewed, ...] = ()
    """Patches in the order shown, row by row."""
    reason: str = ""
    """Why there is nothing to show."""
    drawing: np.ndarray | None = None
    """The picture, where it is no plain sheet; uint8, shape (height, width, 3)."""

    @property
    def file(self) -> str | None:
        """Name of the picture; None where there is nothing to show."""
        return f"{self.name}.png" if self.patches else None


_CAPTIONS: dict[str, Callable[[Reviewed], str]] = {
    "spectrum": lambda patch: f"{patch.score:.2f}",
    "uncertain": lambda patch: f"{patch.score:.2f} ± {patch.score_std:.2f}",
    "contradictions": lambda patch: f"cluster {patch.cluster}: {patch.target:.2f}\nscored {patch.score:.2f}",
}
"""What stands under each patch."""


def galleries(patches: pd.DataFrame, settings: InspectionSettings) -> list[Gallery]:
    """Choose the patches of each sheet.

    Args:
        patches: What `review.scored_patches` returns.
        settings: How many of each.
    """
    doubtful, wrong = uncertain(patches, settings.uncertain), contradictions(patches, settings.contradictions)
    return [
        Gallery("spectrum", "From the lowest score to the highest", tuple(spectrum(patches, settings.spectrum))),
        Gallery(
            "uncertain", "Most uncertain: the networks disagree", tuple(doubtful),
            "The score has one network, or all agree." if not doubtful else "",
        ),
        Gallery(
            "contradictions", "Farthest from what their cluster should score", tuple(wrong),
            "Every patch scores what its cluster should, or none was clustered." if not wrong else "",
        ),
    ]  # fmt: skip


def explained(
    model: ScoreModel, sheets: Sequence[Gallery], pictures: PatchImages, count: int, device: torch.device
) -> Gallery:
    """Show why single patches scored as they did: the first contradictions and uncertain ones, and both ends.

    Args:
        model: The score model.
        sheets: The other sheets.
        pictures: The patches' pixels.
        count: Patches of each of the two sheets.
        device: Device that holds the model.

    Returns:
        The sheet; without patches, and with the reason, where the model cannot tell places apart.
    """
    title = "What raises their score and what lowers it"
    chosen = _first(sheets, count)
    pixels = [pictures.pixels(patch.patch_id) for patch in chosen]
    try:
        found = explain(model, pixels, device)
    except WeightsError as error:
        return Gallery(EXPLAINED, title, reason=str(error))
    if found and found[0].places.size < _PAIRS_A_ROW:
        reason = "The network sees each patch as one place: a larger adapt.input_px tells places apart."
        return Gallery(EXPLAINED, title, reason=reason)
    limit = limit_of([one.places for one in found])
    pairs = [
        (Panel(f"{patch.patch_id}: {patch.words}", as_rgb(raw)), Panel("", overlay(as_rgb(raw), one.places, limit)))
        for patch, raw, one in zip(chosen, pixels, found, strict=True)
    ]
    rows = [sum(pairs[start : start + _PAIRS_A_ROW], ()) for start in range(0, len(pairs), _PAIRS_A_ROW)]
    return Gallery(EXPLAINED, title, tuple(chosen), drawing=draw_figure(title, rows, limit) if rows else None)


def _first(sheets: Sequence[Gallery], count: int) -> list[Reviewed]:
    """The first of the contradictions and of the uncertain ones, then the lowest and the highest score; each once."""
    by_name = {sheet.name: sheet.patches for sheet in sheets}
    ends = (*by_name["spectrum"][-1:], *by_name["spectrum"][:1]) if count else ()
    listed = [*by_name["contradictions"][:count], *by_name["uncertain"][:count], *ends]
    return list({patch.patch_id: patch for patch in listed}.values())


def write_galleries(folder: Path, sheets: Sequence[Gallery], pictures: PatchImages, record: dict[str, Any]) -> None:
    """Write a PNG for each sheet, and last `index.json`, which lists the patches; pictures of earlier runs go.

    Args:
        folder: Where the pictures go; made if it is missing.
        sheets: What to show.
        pictures: The patches' pixels.
        record: Provenance.

    Raises:
        TableError: If a patch is in none of the granules.
    """
    for sheet in sheets:
        path = folder / f"{sheet.name}.png"
        if sheet.file is None:
            path.unlink(missing_ok=True)
            continue
        drawing = sheet.drawing
        if drawing is None:
            shown = [pictures.of(patch.patch_id) for patch in sheet.patches]
            drawing = contact_sheet(sheet.title, shown, [_CAPTIONS[sheet.name](patch) for patch in sheet.patches])
        write_bytes(path, as_png(drawing))
    listed = [
        {
            "name": sheet.name, "title": sheet.title, "file": sheet.file, "reason": sheet.reason,
            "patches": [patch.to_document() for patch in sheet.patches],
        }
        for sheet in sheets
    ]  # fmt: skip
    INSPECTION_INDEX.write(folder / INDEX, {"sheets": listed, "note": NOTE}, record)
