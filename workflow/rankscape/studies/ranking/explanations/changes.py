"""Pictures of changes: before, after, and what in them made the score rise or fall."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rankscape.foundation.errors import WeightsError
from rankscape.foundation.files import write_bytes
from rankscape.samples.rendering import as_png, as_rgb
from rankscape.studies.ranking.explanations.overlays import NOTE, draw_change, fitted
from rankscape.studies.ranking.explanations.saliency import explain_change
from rankscape.studies.ranking.product_files import CHANGE_IMAGES_INDEX
from rankscape.studies.ranking.scoring.model import ScoreModel

INDEX = "index.json"
_FEWEST_PLACES = 4


@dataclass(frozen=True)
class Changed:
    """One changed patch at both dates."""

    before_id: str
    """Patch id of the earlier date."""
    after_id: str
    """Patch id of the later date."""
    before: np.ndarray
    """Pixels of the earlier date as they are, shape (height, width, bands)."""
    relit: np.ndarray
    """The same as they were scored: in the later date's light."""
    after: np.ndarray
    """Pixels of the later date."""
    facts: dict[str, Any]
    """What is known of the change, as JSON values."""


def write_changes(
    folder: Path, changes: Sequence[Changed], model: ScoreModel, device: torch.device, record: dict[str, Any]
) -> None:
    """Write images of both dates and of the reasons for every change, and last `index.json`, which lists them.

    Args:
        folder: Where the images go; those of earlier runs that are not written again go.
        changes: The changes, the largest first.
        model: The score model.
        device: Device that holds the model.
        record: Provenance.
    """
    listed = [_write(folder, rank, one, model, device) for rank, one in enumerate(changes, 1)]
    kept = {entry[name] for entry in listed for name in ("before", "after", "file")}
    for old in folder.glob("*.png"):
        if old.name not in kept:
            old.unlink()
    CHANGE_IMAGES_INDEX.write(folder / INDEX, {"images": listed, "note": NOTE}, record)


def _write(folder: Path, rank: int, one: Changed, model: ScoreModel, device: torch.device) -> dict[str, Any]:
    """Write the images of one change, and describe them; `file` shows both dates and why, where the model can say."""
    dates = {"before": f"{rank:02d}-before.png", "after": f"{rank:02d}-after.png"}
    for name, pixels in zip(dates.values(), (one.before, one.after), strict=True):
        write_bytes(folder / name, as_png(fitted(as_rgb(pixels))))
    entry = {"patch_id": one.after_id, "before_patch_id": one.before_id, **one.facts, **dates}
    try:
        why = explain_change(model, one.relit, one.after, device)
    except WeightsError as error:
        return {**entry, "file": dates["after"], "reason": str(error)}
    name = f"{rank:02d}-why.png"
    if why.places.size < _FEWEST_PLACES:
        entry["reason"] = "The network sees each patch as one place: a larger adapt.input_px tells places apart."
    drawing = draw_change((one.before_id, one.after_id), (as_rgb(one.relit), as_rgb(one.after)), why)
    write_bytes(folder / name, as_png(drawing))
    return {**entry, "file": name, "explained": why.to_document()}
