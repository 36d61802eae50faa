"""How the stand-in judge sees several patches in one picture: it finds them by the paper between them."""

from itertools import pairwise

import numpy as np

_PAPER = 255
_GAP_PX = 6
"""Narrower stripes of paper are part of a patch."""


def halves(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Part a picture of two groups at the widest stripe of paper from top to bottom.

    Args:
        picture: uint8, shape (height, width, 3).

    Returns:
        What is left and what is right of it; twice the whole picture where nothing parts it.
    """
    runs = _runs(_inked(picture), 0)
    if len(runs) < 2:
        return picture, picture
    gaps = [(after[0] - before[1], before[1], after[0]) for before, after in pairwise(runs)]
    _, end, begin = max(gaps)
    return picture[:, :end], picture[:, begin:]


def patches_of(picture: np.ndarray) -> list[np.ndarray]:
    """Find the patches on a sheet, row by row; what is much smaller than the largest of them is a title.

    Args:
        picture: uint8, shape (height, width, 3).

    Returns:
        uint8, each of shape (height, width, 3); the picture itself where there is only paper.
    """
    found = _blocks(picture)
    largest = max((min(block.shape[:2]) for block in found), default=0)
    return [block for block in found if 2 * min(block.shape[:2]) >= largest] or [picture]


def _blocks(picture: np.ndarray) -> list[np.ndarray]:
    """Cut rows, then columns, at stripes of paper until nothing can be cut."""
    inked = _inked(picture)
    blocks = []
    for top, bottom in _runs(inked, 1):
        for left, right in _runs(inked[top:bottom], 0):
            part = picture[top:bottom, left:right]
            blocks += [part] if part.shape == picture.shape else _blocks(part)
    return blocks


def _inked(picture: np.ndarray) -> np.ndarray:
    """Where there is no paper; bool, shape (height, width)."""
    return np.asarray(picture.min(axis=2) < _PAPER)


def _runs(inked: np.ndarray, across: int) -> list[tuple[int, int]]:
    """Begins and ends of stretches of rows (across 1) or columns (0) with ink; narrow gaps do not part them."""
    places = np.flatnonzero(np.any(inked, axis=across))
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) > _GAP_PX)
    begins, ends = places[np.append(0, breaks + 1)], places[np.append(breaks, len(places) - 1)] + 1
    return [(int(begin), int(end)) for begin, end in zip(begins, ends, strict=True)]
