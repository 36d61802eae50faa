"""Pictures of several patches: one cluster's sheet, or two clusters side by side. No patch is made smaller."""

import io
import math
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rankscape.samples.rendering import as_png

PAPER = (255, 255, 255)
"""Colour between patches."""
_INK, _GAP_PX, _DIVIDE_PX, _TITLE_PX, _FONT_PX = (20, 20, 20), 8, 96, 40, 28


def sheet(patches: Iterable[bytes]) -> bytes:
    """Lay patches in a near-square grid.

    Args:
        patches: PNG of each patch; one or more, all of one size.

    Returns:
        PNG without metadata.
    """
    return as_png(_grid(patches))


def side_by_side(left: Iterable[bytes], right: Iterable[bytes], titles: tuple[str, str]) -> bytes:
    """Lay two clusters' patches side by side, with a wide gap between them and a title above each.

    Args:
        left: PNG of each patch of the first cluster.
        right: PNG of each patch of the second cluster.
        titles: Line above each.

    Returns:
        PNG without metadata.
    """
    halves = [
        Image.fromarray(_titled(_grid(patches), title)) for patches, title in zip((left, right), titles, strict=True)
    ]
    width = sum(half.width for half in halves) + _DIVIDE_PX
    canvas = Image.new("RGB", (width, max(half.height for half in halves)), PAPER)
    canvas.paste(halves[0], (0, 0))
    canvas.paste(halves[1], (halves[0].width + _DIVIDE_PX, 0))
    return as_png(np.asarray(canvas))


def _grid(patches: Iterable[bytes]) -> np.ndarray:
    pictures = [Image.open(io.BytesIO(png)).convert("RGB") for png in patches]
    columns = math.ceil(math.sqrt(len(pictures)))
    width, height = max(one.width for one in pictures) + _GAP_PX, max(one.height for one in pictures) + _GAP_PX
    rows = math.ceil(len(pictures) / columns)
    canvas = Image.new("RGB", (columns * width + _GAP_PX, rows * height + _GAP_PX), PAPER)
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        canvas.paste(picture, (_GAP_PX + column * width, _GAP_PX + row * height))
    return np.asarray(canvas)


def _titled(picture: np.ndarray, title: str) -> np.ndarray:
    font = ImageFont.load_default(_FONT_PX)
    width = max(picture.shape[1], math.ceil(font.getlength(title)) + 2 * _GAP_PX)
    canvas = Image.new("RGB", (width, picture.shape[0] + _TITLE_PX), PAPER)
    ImageDraw.Draw(canvas).text((_GAP_PX, 2), title, _INK, font)
    canvas.paste(Image.fromarray(picture), (0, _TITLE_PX))
    return np.asarray(canvas)
