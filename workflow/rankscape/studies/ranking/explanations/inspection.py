"""Inspection sheets: patches to judge a score by, over its whole range, uncertain ones, and contradictions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rankscape.foundation.errors import TableError, WeightsError
from rankscape.foundation.files import write_bytes
from rankscape.samples.rendering import PatchLookup, as_png, as_rgb
from rankscape.studies.ranking.clusters.cluster_sheets import contact_sheet
from rankscape.studies.ranking.explanations.overlays import NOTE, Panel, draw_figure, limit_of, overlay
from rankscape.studies.ranking.explanations.saliency import explain
from rankscape.studies.ranking.scoring.artifacts import INSPECTION_INDEX
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.settings import InspectionSettings


@dataclass(frozen=True)
class InspectedPatch:
    """One patch to look at."""

    patch_id: str
    """Its id."""
    granule: str
    """Its granule."""
    score: float
    """Its score."""
    score_std: float
    """Standard deviation over the networks."""
    cluster: int | None
    """Its cluster; None for patches that were not clustered."""
    target: float | None
    """Score that its cluster should get."""

    @property
    def words(self) -> str:
        """Say in a sentence what was scored and what was expected."""
        spread = f" ± {self.score_std:.2f}" if self.score_std > 0 else ""
        if self.target is None:
            return f"scored {self.score:.2f}{spread}"
        return f"cluster {self.cluster} (target {self.target:.2f}) scored {self.score:.2f}{spread}"

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "patch_id": self.patch_id, "granule": self.granule, "score": round(self.score, 6),
            "score_std": round(self.score_std, 6), "cluster": self.cluster, "target": self.target, "words": self.words,
        }  # fmt: skip


def scored_patches(scores: pd.DataFrame, clusters: pd.DataFrame, targets: Mapping[int, float]) -> pd.DataFrame:
    """Join the scores of patches with their clusters and targets.

    Args:
        scores: Columns patch_id, granule, score, score_std; patches without a score are left out.
        clusters: Columns patch_id, cluster.
        targets: Target of every cluster.

    Returns:
        Columns patch_id, granule, score, score_std, cluster, target, from the lowest score to the highest; NaN for
        patches without a cluster. Patches of one score stand by their ids.

    Raises:
        TableError: If no patch has a score, or a cluster has no target.
    """
    known = scores.dropna(subset=["score"])
    if known.empty:
        raise TableError("No patch has a score, so there is nothing to look at: predict the scores again.")
    joined = known.merge(clusters[["patch_id", "cluster"]], on="patch_id", how="left", validate="one_to_one")
    strange = sorted({int(cluster) for cluster in joined["cluster"].dropna()} - set(targets))
    if strange:
        raise TableError(f"The clusters {strange} have no target in the training's record: train again on them.")
    joined["target"] = joined["cluster"].map(dict(targets)).astype(float)
    return joined.sort_values(["score", "patch_id"], kind="stable", ignore_index=True)


def spectrum(patches: pd.DataFrame, count: int) -> list[InspectedPatch]:
    """Take patches from the lowest score to the highest, at evenly spaced quantiles, both ends among them."""
    chosen = np.unique(np.rint(np.linspace(0, len(patches) - 1, min(count, len(patches)))).astype(int))
    return _entries(patches.iloc[chosen])


def uncertain(patches: pd.DataFrame, count: int) -> list[InspectedPatch]:
    """Take the patches on which the networks agree least, the most uncertain first; none where all agree."""
    spread = patches[patches["score_std"] > 0].sort_values(["score_std", "patch_id"], ascending=[False, True])
    return _entries(spread.head(count))


def contradictions(patches: pd.DataFrame, count: int) -> list[InspectedPatch]:
    """Take the patches whose score is farthest from the target of their cluster, the farthest first."""
    known = patches.dropna(subset=["target"])
    distance = (known["score"] - known["target"]).abs()
    worst = known.assign(distance=distance).sort_values(["distance", "patch_id"], ascending=[False, True])
    return _entries(worst[worst["distance"] > 0].head(count))


def _entries(patches: pd.DataFrame) -> list[InspectedPatch]:
    names = ("patch_id", "granule", "score", "score_std", "cluster", "target")
    return [_entry(*row) for row in zip(*(patches[name] for name in names), strict=True)]


def _entry(
    patch_id: str, granule: str, score: float, score_std: float, cluster: float, target: float
) -> InspectedPatch:
    clustered = cluster == cluster  # noqa: PLR0124  # NaN, which equals nothing, where the patch has no cluster
    return InspectedPatch(
        str(patch_id), str(granule), float(score), float(score_std), int(cluster) if clustered else None,
        round(float(target), 6) if clustered else None,
    )  # fmt: skip


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
    patches: tuple[InspectedPatch, ...] = ()
    """Patches in the order shown, row by row."""
    reason: str = ""
    """Why there is nothing to show."""
    drawing: np.ndarray | None = None
    """The image, where it is no plain sheet; uint8, shape (height, width, 3)."""

    @property
    def file(self) -> str | None:
        """Name of the image; None where there is nothing to show."""
        return f"{self.name}.png" if self.patches else None


_CAPTIONS: dict[str, Callable[[InspectedPatch], str]] = {
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
    model: ScoreModel, sheets: Sequence[Gallery], images: PatchLookup, count: int, device: torch.device
) -> Gallery:
    """Show why single patches scored as they did: the first contradictions and uncertain ones, and both ends.

    Args:
        model: The score model.
        sheets: The other sheets.
        images: The patches' pixels.
        count: Patches of each of the two sheets.
        device: Device that holds the model.

    Returns:
        The sheet; without patches, and with the reason, where the model cannot tell places apart.
    """
    title = "What raises their score and what lowers it"
    chosen = _first(sheets, count)
    pixels = [images.pixels(patch.patch_id) for patch in chosen]
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


def _first(sheets: Sequence[Gallery], count: int) -> list[InspectedPatch]:
    """The first of the contradictions and of the uncertain ones, then the lowest and the highest score; each once."""
    by_name = {sheet.name: sheet.patches for sheet in sheets}
    ends = (*by_name["spectrum"][-1:], *by_name["spectrum"][:1]) if count else ()
    listed = [*by_name["contradictions"][:count], *by_name["uncertain"][:count], *ends]
    return list({patch.patch_id: patch for patch in listed}.values())


def write_galleries(folder: Path, sheets: Sequence[Gallery], images: PatchLookup, record: dict[str, Any]) -> None:
    """Write a PNG for each sheet, and last `index.json`, which lists the patches; images of earlier runs go.

    Args:
        folder: Where the images go; made if it is missing.
        sheets: What to show.
        images: The patches' pixels.
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
            shown = [as_rgb(images.pixels(patch.patch_id)) for patch in sheet.patches]
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
