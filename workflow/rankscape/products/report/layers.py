"""Layers of values on the page's map: a number for each patch, packed small."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from PIL import Image

from rankscape.products.report.geography import Plane, spread
from rankscape.products.report.images import MapPicture, data_uri
from rankscape.products.report.palette import DIFFERENCE, DOUBT, RAMP, REFERENCE
from rankscape.studies.ranking.page.aggregates import Change
from rankscape.studies.ranking.page.inputs import Material
from rankscape.studies.ranking.page.residuals import against_reference, against_trivial

_MISSING = 65535
"""Stands for a patch without a value; the others are 0 ... 65534 between the layer's ends."""
_SHOWN = (0.01, 0.99)
"""Colours span these quantiles: a few extreme places would leave all others in one colour."""
AGAINST = "Score against"
"""Group of the differences; their titles begin with it."""
Values = dict[str, np.ndarray]
"""For each granule, float64 of shape (rows, columns); NaN without a value."""


@dataclass(frozen=True)
class Layer:
    """One number for each patch."""

    key: str
    group: str
    title: str
    note: str
    """What it says, in a sentence."""
    ramp: str
    """Name of the colour ramp."""
    ends: tuple[float, float]
    """Values of the ramp's ends."""
    values: Values = field(repr=False)
    words: tuple[str, str] = ("low", "high")
    """What the ends mean."""
    transform: str = "none"
    """`log1p`: values are logarithms, shown as what they stand for."""
    signed: bool = False
    """Whether numbers are written with a plus sign."""

    def packed(self) -> dict[str, Any]:
        """Return it as JSON values; the numbers of each granule as 16-bit integers in base64."""
        known = np.concatenate([values[np.isfinite(values)] for values in self.values.values()] or [np.zeros(0)])
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        return {
            "key": self.key, "group": self.group, "title": self.title, "note": self.note, "ramp": self.ramp,
            "ends": [_short(v) for v in self.ends], "words": list(self.words), "transform": self.transform,
            "signed": self.signed, "low": low, "step": (high - low) / (_MISSING - 1) or 1.0,
            "values": {name: _packed(values, low, high) for name, values in self.values.items()},
        }  # fmt: skip


def layers(material: Material, plane: Plane) -> list[Layer]:
    """Return the layers of a page: score and its uncertainty, each reference, and where score and reference differ."""
    scores = material.scores
    found = [
        Layer("score", "Score", "Score", "Place in the order of all patches, from 0 (poor) to 1 (rich).", RAMP,
              (0.0, 1.0), gridded(plane, scores, "score"), ("poor", "rich")),
    ]  # fmt: skip
    doubt = scores["score_std"].dropna().to_numpy()
    if len(doubt) and np.ptp(doubt) > 0:
        found.append(
            Layer("uncertainty", "Score", "Uncertainty", "Standard deviation of the score.", DOUBT,
                  (0.0, float(np.quantile(doubt, _SHOWN[1]))), gridded(plane, scores, "score_std"),
                  ("sure", "unsure"))
        )  # fmt: skip
    for number, comparison in enumerate(material.comparisons):
        facts, places = comparison.evaluation, comparison.places
        known = places["value"].dropna().to_numpy(np.float64)
        if not len(known):
            continue
        group = "Known truth" if facts.truth else "References"
        found.append(
            Layer(f"reference-{number}", group, facts.title, "Mean over each patch.", REFERENCE, spans(known),
                  gridded(plane, places, "value"), transform=facts.transform)
        )  # fmt: skip
        note = "Rank of the score less rank of the reference, as shares of all compared patches."
        found.append(_difference(plane, f"residual-{number}", f"{AGAINST} {facts.title}", note,
                                 against_reference(comparison)))  # fmt: skip
    trivial = against_trivial(material.comparisons)
    if trivial is not None:
        note = "Rank of the score less what gradient, brightness and blue-green ratio together say it should be."
        found.append(_difference(plane, "residual-trivial", f"{AGAINST} trivial measures", note, trivial))
    return found + [_change(plane, number, change) for number, change in enumerate(material.changes)]


def _change(plane: Plane, number: int, change: Change) -> Layer:
    before, _, after = change.name.partition("--")
    note = "Score at the later date less score at the earlier one; seasonal and sensor effects are taken out."
    end = float(np.nanquantile(np.abs(change.table["change"].to_numpy(np.float64)), _SHOWN[1], method="lower"))
    return Layer(f"change-{number}", "Change", f"Change, {before} to {after}", note, DIFFERENCE,
                 (-max(end, 0.05), max(end, 0.05)), gridded(plane, change.table, "change"), ("fell", "rose"),
                 signed=True)  # fmt: skip


def _difference(plane: Plane, key: str, title: str, note: str, table: pd.DataFrame) -> Layer:
    words = ("score is lower", "score is higher")
    values = gridded(plane, table, "residual")
    end = float(np.nanquantile(np.abs(table["residual"].to_numpy(np.float64)), 0.98)) if len(table) else 1.0
    return Layer(key, AGAINST, title, note, DIFFERENCE, (-max(end, 0.05), max(end, 0.05)), values, words,
                 signed=True)  # fmt: skip


def thumbnail(plane: Plane, layer: Layer) -> MapPicture:
    """Draw a layer small, a pixel about a patch, for print and for readers without scripts."""
    grid = spread(plane, layer.values)
    low, high = layer.ends
    shares = np.clip((grid - low) / (high - low), 0, 1)
    pixels = (colormaps[layer.ramp](np.nan_to_num(shares)) * 255).round().astype(np.uint8)
    pixels[~np.isfinite(grid), 3] = 0
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return MapPicture(data_uri(buffer.getvalue(), "png"), grid.shape[1], grid.shape[0])


def spans(known: np.ndarray) -> tuple[float, float]:
    """Return the values between which colours are spread; never one and the same."""
    low, high = (float(v) for v in np.quantile(known, _SHOWN))
    return (low, high) if high > low else (float(known.min()), float(known.min()) + max(float(np.ptp(known)), 1.0))


def gridded(plane: Plane, table: pd.DataFrame, column: str) -> Values:
    """Lay a column out by granule, row and column of the grid.

    Args:
        plane: Where granules lie.
        table: Columns patch_id, granule and `column`.
        column: Name of the values.
    """
    found: Values = {}
    parts: Mapping[Any, pd.DataFrame] = dict(iter(table.groupby("granule")))
    for placed in plane.granules:
        if placed.granule not in parts:
            continue
        part = parts[placed.granule]
        grid = np.full((placed.grid.rows, placed.grid.cols), np.nan)
        grid[placed.places(part["patch_id"])] = part[column].to_numpy(np.float64)
        found[placed.granule] = grid
    return found


def _packed(values: np.ndarray, low: float, high: float) -> str:
    whole = np.full(values.shape, _MISSING, "<u2")
    known = np.isfinite(values)
    whole[known] = np.rint((values[known] - low) / ((high - low) or 1.0) * (_MISSING - 1))
    return base64.b64encode(whole.tobytes()).decode()


def _short(value: float) -> float:
    return float(f"{value:.6g}")
