"""Lines drawn with soft edges: rivers, roads, railways, fences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

_STEP_PX = 0.25


@dataclass(frozen=True)
class Line:
    """A line over the world."""

    places: np.ndarray
    """Rows and columns in pixels, float, shape (n, 2)."""
    width_px: np.ndarray
    """Width at each place, shape (n,)."""


def smooth_line(places: np.ndarray, width_px: np.ndarray | float, sigma: float) -> Line:
    """Round off the corners of a line whose ends stay where they are.

    Args:
        places: Corners, shape (n, 2), n at least 2.
        width_px: Width at each corner, or one width.
        sigma: Gaussian width in corners.
    """
    width = np.broadcast_to(np.asarray(width_px, float), len(places))
    fine = np.linspace(0, len(places) - 1, 4 * len(places))
    dense = np.stack([np.interp(fine, np.arange(len(places)), axis) for axis in places.T], 1)
    rounded = ndimage.gaussian_filter1d(dense, 4 * sigma, axis=0, mode="nearest")
    ends = np.clip(np.minimum(np.arange(len(dense)), np.arange(len(dense))[::-1]) / max(8 * sigma, 1), 0, 1)[:, None]
    return Line(rounded * ends + dense * (1 - ends), np.interp(fine, np.arange(len(places)), width))


def coverage(lines: Sequence[Line], shape: tuple[int, int], widen_px: float = 0.0) -> np.ndarray:
    """Return the share of each pixel that lines cover.

    Lines are sampled every quarter pixel along and across, and each sample is shared between the four pixels around it.

    Args:
        lines: Lines to draw; parts outside the world are left out.
        shape: Rows and columns of the world.
        widen_px: Added to the width of every line.

    Returns:
        float32 of `shape`, in [0, 1].
    """
    drops: list[tuple[np.ndarray, np.ndarray]] = [(np.zeros(0, np.int64), np.zeros(0))]
    for line in lines:
        places, width = _along(line)
        width = width + widen_px
        normal = np.gradient(places, axis=0)[:, ::-1] * (1, -1)
        normal /= np.maximum(np.hypot(*normal.T), 1e-9)[:, None]
        strands = max(1, int(np.ceil(width.max() / 0.5)))
        for strand in range(strands):
            shift = ((strand + 0.5) / strands - 0.5) * width[:, None]
            drops += _drops(places + shift * normal, width / strands * _STEP_PX, shape)
    pixels, shares = (np.concatenate(parts) for parts in zip(*drops, strict=True))
    total = np.bincount(pixels, shares, minlength=shape[0] * shape[1])
    return np.minimum(total, 1).reshape(shape).astype(np.float32)


def _along(line: Line) -> tuple[np.ndarray, np.ndarray]:
    steps = np.hypot(*np.diff(line.places, axis=0).T)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.arange(0, max(length[-1], 2 * _STEP_PX), _STEP_PX)
    places = np.stack([np.interp(at, length, axis) for axis in line.places.T], 1)
    return places, np.interp(at, length, line.width_px)


def _drops(places: np.ndarray, weight: np.ndarray, shape: tuple[int, int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Share weights at places (pixel centres at half numbers) between the four pixels around each.

    Returns:
        Row-major number of the pixel and its share, once for each of the four.
    """
    shifted = places - 0.5
    base = np.floor(shifted).astype(np.int64)
    part = shifted - base
    drops = []
    for step_row in (0, 1):
        for step_col in (0, 1):
            row, col = base[:, 0] + step_row, base[:, 1] + step_col
            share = np.abs(1 - step_row - part[:, 0]) * np.abs(1 - step_col - part[:, 1]) * weight
            inside = (row >= 0) & (row < shape[0]) & (col >= 0) & (col < shape[1])
            drops.append((row[inside] * shape[1] + col[inside], share[inside]))
    return drops
