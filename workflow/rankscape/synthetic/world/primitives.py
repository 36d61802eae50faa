"""What a synthetic world is drawn with: fractal noise, hashes of whole numbers, cells, and lines with soft edges."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage, special

Shape = tuple[int, int]


def fractal(shape: Shape, wavelength_px: float, rng: np.random.Generator, roughness: float = 1.8) -> np.ndarray:
    """Return Gaussian noise that is smooth below a wavelength and fractal above its frequency.

    White noise is filtered with the amplitude (1 + (f w)²)^(-roughness/2) at frequency f, wavelength w (spectral
    synthesis of fractional Brownian motion, Saupe 1988).

    Args:
        shape: Rows and columns.
        wavelength_px: Size of the largest structures.
        rng: Source of the white noise.
        roughness: Exponent; the larger, the smoother.

    Returns:
        float32 of `shape`, mean 0, standard deviation 1.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    down, across = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None, :]
    squared = np.asarray(down**2 + across**2, np.float32) * np.float32(wavelength_px**2)
    noise = fft.irfft2(fft.rfft2(white) * (1 + squared) ** np.float32(-roughness / 2), s=shape)
    noise -= noise.mean()
    return np.asarray(noise / noise.std(), np.float32)


def even(noise: np.ndarray) -> np.ndarray:
    """Turn standard normal noise into values spread evenly over [0, 1]."""
    return np.asarray(special.ndtr(noise), np.float32)


def rise(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return a smooth step from 0 at `low` to 1 at `high` (falling where `low` is larger), float32."""
    t = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def hashed(first: np.ndarray, second: np.ndarray | int = 0, salt: int = 0) -> np.ndarray:
    """Return a number in [0, 1) for every pair of whole numbers; the same pair and salt give the same number.

    Args:
        first: Whole numbers of any integer or float type.
        second: The same shape, or one number.
        salt: Tells uses apart.

    Returns:
        float32 of the shape of `first`.
    """
    mixed = np.asarray(first).astype(np.int64).astype(np.uint32) * np.uint32(0x9E3779B1)
    mixed ^= np.asarray(second).astype(np.int64).astype(np.uint32) * np.uint32(0x85EBCA77)
    mixed ^= np.uint32((salt * 0xC2B2AE3D + 0x27220A95) & 0xFFFFFFFF)
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        mixed ^= mixed >> np.uint32(shift)
        mixed *= np.uint32(factor)
    mixed ^= mixed >> np.uint32(15)
    return np.asarray((mixed >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24), np.float32)


def cells(row: np.ndarray, col: np.ndarray, spacing_px: float, salt: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest of a jittered grid of seeds at every place: cells of irregular shape (Worley 1996).

    Args:
        row: Row coordinates, float32; warp them for crooked borders.
        col: Column coordinates, the same shape.
        spacing_px: Mean distance of seeds.
        salt: Tells uses apart.

    Returns:
        Number of the cell, int32, unique over the world; and the distance to the border with the second nearest
        seed's cell, float32, in pixels.
    """
    square_row, square_col = (np.floor(axis / spacing_px).astype(np.int32) for axis in (row, col))
    i, j = (np.arange(square.min() - 1, square.max() + 2) for square in (square_row, square_col))
    seeds = seed_place(i[:, None], j[None, :], spacing_px, salt)
    numbers = cell_number(i[:, None], j[None, :])
    middle = (square_row - i[0]) * len(j) + (square_col - j[0])
    nearest = np.full(row.shape, np.inf, np.float32)
    second = nearest.copy()
    number = np.zeros(row.shape, np.int32)
    for step in (down * len(j) + across for down in (-1, 0, 1) for across in (-1, 0, 1)):
        at = middle + step
        distance = np.hypot(row - seeds[0].ravel()[at], col - seeds[1].ravel()[at])
        closer = distance < nearest
        second = np.where(closer, nearest, np.minimum(second, distance))
        number = np.where(closer, numbers.ravel()[at], number)
        nearest = np.minimum(nearest, distance)
    return number, (second - nearest) / 2


def seed_place(i: np.ndarray, j: np.ndarray, spacing_px: float, salt: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the seed of grid square (i, j) lies, in pixels, float32; i and j broadcast."""
    i, j = np.broadcast_arrays(i, j)
    places = ((i + 0.1 + 0.8 * hashed(i, j, salt)), (j + 0.1 + 0.8 * hashed(i, j, salt + 1)))
    row, col = (np.asarray(place * spacing_px, np.float32) for place in places)
    return row, col


def cell_number(i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Return the number of the cell of grid square (i, j); both from -1 to 4,094."""
    return np.asarray((i + 1) * 4096 + (j + 1), np.int32)


_STEP_PX = 0.25


@dataclass(frozen=True)
class Stroke:
    """A line over the world."""

    places: np.ndarray
    """Rows and columns in pixels, float, shape (n, 2)."""
    width_px: np.ndarray
    """Width at each place, shape (n,)."""


def smooth_line(places: np.ndarray, width_px: np.ndarray | float, sigma: float) -> Stroke:
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
    return Stroke(rounded * ends + dense * (1 - ends), np.interp(fine, np.arange(len(places)), width))


def coverage(lines: Sequence[Stroke], shape: tuple[int, int], widen_px: float = 0.0) -> np.ndarray:
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


def _along(line: Stroke) -> tuple[np.ndarray, np.ndarray]:
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
