"""Images of saliency: the image, and beside it what raises and what lowers its score, with a legend."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from rankscape.foundation.errors import WeightsError
from rankscape.foundation.files import write_bytes
from rankscape.products.fonts import Lettering
from rankscape.samples.rendering import as_png, as_rgb
from rankscape.studies.ranking.explanations.saliency import Change, Saliency, explain_change, interpolated
from rankscape.studies.ranking.product_files import CHANGE_IMAGES_INDEX
from rankscape.studies.ranking.scoring.model import ScoreModel

RAISES, LOWERS = (230, 97, 1), (84, 39, 136)
"""Orange and violet: the ends of ColorBrewer's PuOr, told apart with every common colour blindness."""
SMALLEST_LIMIT = 0.05
"""Contributions are shown on a scale that reaches at least this: rounding is no saliency."""
NOTE = "What the network responded to. It is no proof of what makes a place rich or poor."
_STRENGTH = 0.8
_PANEL_PX, _GAP_PX, _LINE_PX, _FONT_PX, _BAR_PX = 300, 12, 22, 15, 14
_PAPER, _INK, _SOFT = (255, 255, 255), (20, 20, 20), (90, 90, 90)


@dataclass(frozen=True)
class Panel:
    """One image of a figure, with a line above it."""

    title: str
    """The line; it may reach over panels to the right that have none."""
    pixels: np.ndarray
    """uint8, shape (height, width, 3)."""


def limit_of(maps: Sequence[np.ndarray]) -> float:
    """Return the end of the colour scale for maps that are shown together: their largest absolute value."""
    return max(SMALLEST_LIMIT, *(float(np.abs(places).max()) for places in maps))


def overlay(image: np.ndarray, places: np.ndarray, limit: float) -> np.ndarray:
    """Lay a map of contributions over an image, which turns grey, so that hue belongs to the map alone.

    Args:
        image: uint8, shape (height, width, 3).
        places: Contributions, shape (rows, columns).
        limit: Contribution at which the colours are strongest.

    Returns:
        uint8, shape (height, width, 3).
    """
    finer = interpolated(places, image.shape[:2])
    grey = image @ np.array([0.299, 0.587, 0.114])
    dark, light = np.percentile(grey, (2, 98))
    # Stretched and pale, since colours on dark land turn brown.
    grey = 110 + 125 * np.clip((grey - dark) / max(light - dark, 1), 0, 1)
    return coloured(np.repeat(grey[..., None], 3, axis=2), finer, limit)


def coloured(ground: np.ndarray, values: np.ndarray, limit: float) -> np.ndarray:
    """Blend colours over a ground: the stronger, the larger the value; uint8, shape (height, width, 3)."""
    share = np.clip(np.abs(values) / limit, 0, 1)[..., None] * _STRENGTH
    hue = np.where(values[..., None] > 0, np.array(RAISES), np.array(LOWERS))
    return np.asarray(np.rint(ground * (1 - share) + hue * share), np.uint8)


def draw_saliency(name: str, image: np.ndarray, found: Saliency) -> np.ndarray:
    """Draw one explained image: itself, and its map beside it.

    Args:
        name: What the image is called.
        image: uint8, shape (height, width, 3).
        found: Why it got its score.

    Returns:
        uint8, shape (height, width, 3).
    """
    limit = limit_of([found.places])
    panels = [
        Panel(scored(found), image),
        Panel("raises or lowers the score", overlay(image, found.places, limit)),
    ]
    return draw_figure(name, [panels], limit)


def draw_change(names: tuple[str, str], images: tuple[np.ndarray, np.ndarray], found: Change) -> np.ndarray:
    """Draw two dates and the change between them: images above, their maps below, and the map of the change.

    Args:
        names: What the images are called, the earlier first.
        images: uint8, each of shape (height, width, 3).
        found: Why the score changed.

    Returns:
        uint8, shape (height, width, 3).
    """
    dates = (found.before, found.after)
    limit = limit_of([found.before.places, found.after.places, found.places])
    both = list(zip(("before", "after"), dates, images, strict=True))
    above = [Panel(f"{when}: {scored(date)}", image) for when, date, image in both]
    below = [Panel(f"{when}: raises or lowers", overlay(image, date.places, limit)) for when, date, image in both]
    change = [Panel(f"change: {found.difference:+.2f}", overlay(images[1], found.places, limit))]
    return draw_figure(f"{names[0]} and {names[1]}", [above, below + change], limit)


def scored(found: Saliency) -> str:
    """Write a score, with its spread where there are several networks."""
    spread = f" ± {found.score_std:.2f}" if found.score_std > 0 else ""
    return f"score {found.score:.2f}{spread}"


def draw_figure(name: str, rows: Sequence[Sequence[Panel]], limit: float) -> np.ndarray:
    """Draw rows of panels below a name, the legend and a note under them; uint8, shape (height, width, 3)."""
    shown = [[Panel(panel.title, fitted(panel.pixels)) for panel in row] for row in rows]
    step = max(panel.pixels.shape[1] for row in shown for panel in row) + _GAP_PX
    heights = [_LINE_PX + max(panel.pixels.shape[0] for panel in row) + _GAP_PX for row in shown]
    font = Lettering(_FONT_PX)
    notes = wrapped(NOTE, max(map(len, shown)) * step - _GAP_PX, font)
    width = max(map(len, shown)) * step + _GAP_PX
    height = _GAP_PX + _LINE_PX + sum(heights) + 3 * _LINE_PX + len(notes) * _LINE_PX
    canvas = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    font.write(draw, (_GAP_PX, _GAP_PX), shortened(name, width - 2 * _GAP_PX, font), _INK)
    top = _GAP_PX + _LINE_PX
    for row, tall in zip(shown, heights, strict=True):
        for place, panel in enumerate(row):
            free = next((n for n, other in enumerate(row[place + 1 :], 1) if other.title), len(row) - place)
            font.write(draw, (_GAP_PX + place * step, top), shortened(panel.title, free * step - _GAP_PX, font), _INK)
            canvas.paste(Image.fromarray(panel.pixels), (_GAP_PX + place * step, top + _LINE_PX))
        top += tall
    _legend(canvas, top, limit, font)
    for number, line in enumerate(notes):
        font.write(draw, (_GAP_PX, top + _BAR_PX + 2 * _LINE_PX + number * _LINE_PX - 4), line, _SOFT)
    return np.asarray(canvas)


def _legend(canvas: Image.Image, top: int, limit: float, font: Lettering) -> None:
    """Draw the colours from what lowers the score to what raises it, with numbers at both ends and 0 between."""
    width = min(canvas.width, 2 * _PANEL_PX + 3 * _GAP_PX) - 2 * _GAP_PX
    values = np.broadcast_to(np.linspace(-limit, limit, width), (_BAR_PX, width))
    bar = coloured(np.full((_BAR_PX, width, 3), 200.0), values, limit)
    canvas.paste(Image.fromarray(bar), (_GAP_PX, top))
    draw = ImageDraw.Draw(canvas)
    ends = (f"-{limit:.2f} lowers the score", f"raises the score +{limit:.2f}")
    for text, place, anchor in zip((ends[0], "0", ends[1]), (0, width // 2, width), ("la", "ma", "ra"), strict=True):
        font.write(draw, (_GAP_PX + place, top + _BAR_PX + 4), text, _INK, anchor)


def fitted(image: np.ndarray) -> np.ndarray:
    """Show a small image larger by a whole factor, and a large one smaller by means of squares of pixels.

    Args:
        image: uint8, shape (height, width, 3).

    Returns:
        uint8; the longer side is about 300 px.
    """
    longer = max(image.shape[:2])
    if longer > _PANEL_PX:
        return np.asarray(Image.fromarray(image).reduce(math.ceil(longer / _PANEL_PX)))
    factor = max(1, _PANEL_PX // longer)
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def shortened(text: str, width_px: int, font: Lettering) -> str:
    """Leave out the beginning of a line that is too long: the end of a path says more."""
    if font.getlength(text) <= width_px:
        return text
    start = next(place for place in range(len(text)) if font.getlength("..." + text[place:]) <= width_px)
    return "..." + text[start:]


def wrapped(text: str, width_px: int, font: Lettering) -> list[str]:
    """Break a text into lines at spaces."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width_px:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


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
