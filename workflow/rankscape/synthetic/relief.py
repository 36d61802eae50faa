"""Relief of the invented land: a mountain range from west to east, two plateaus, and lowland."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from rankscape.synthetic.layout import PIXEL_M
from rankscape.synthetic.noise import Shape, fractal, rise

SUN_AZIMUTH_DEG, SUN_ZENITH_DEG = 155.0, 32.0
"""Where the sun stands at half past ten in summer."""
COARSE_PX = 16
"""Side of the coarse cells in which water flows and roads are planned."""


@dataclass(frozen=True)
class Zones:
    """Where which kind of relief is, each float32 in [0, 1], of the world's shape."""

    mountain: np.ndarray
    plateau: np.ndarray
    hills: np.ndarray
    """Dry hills of the lowland."""


def zones(shape: Shape, rng: np.random.Generator) -> Zones:
    """Lay out mountains, plateaus and hills; every granule gets some of what nobody lives on."""
    rows, cols = shape
    y, x = np.linspace(0, 1, rows, dtype=np.float32)[:, None], np.linspace(0, 1, cols, dtype=np.float32)[None, :]
    bent_x, bent_y = (axis + 0.03 * fractal(shape, rows / 4, rng, 2.6) for axis in (x, y))
    range_y = 0.46 + 0.06 * np.sin(2 * np.pi * (1.15 * bent_x + 0.08))
    spur_x = 0.335 + 0.03 * np.sin(9 * bent_y)
    main = np.exp(-(((bent_y - range_y) / 0.075) ** 2)) * (0.75 + 0.25 * np.cos(2 * np.pi * 3.4 * bent_x))
    spur = 0.75 * np.exp(-(((bent_x - spur_x) / 0.035) ** 2)) * rise(bent_y, 0.45, 0.38)
    mountain = np.clip(main + spur, 0, 1).astype(np.float32)
    west = rise(bent_x, 0.30, 0.19) * rise(bent_y, 0.44, 0.32)
    east = rise(bent_x, 0.85, 0.96) * rise(bent_y, 0.33, 0.19)
    plateau = np.maximum(west, east) * (1 - 0.8 * mountain)
    hills = rise(fractal(shape, rows / 6, rng, 2.6), 0.4, 1.6) * (1 - plateau) * (1 - mountain)
    return Zones(mountain, plateau.astype(np.float32), hills.astype(np.float32))


def elevation_m(zone: Zones, rng: np.random.Generator) -> np.ndarray:
    """Return the height of the land before water carves it, float32 in metres."""
    shape = zone.mountain.shape
    ridges = sum(
        weight * (1 - np.abs(fractal(shape, wavelength, rng, 3.0)))
        for wavelength, weight in ((150, 0.62), (50, 0.28), (18, 0.1))
    )
    rolling = fractal(shape, shape[0] / 5, rng, 2.4)
    gullies = 1 - np.abs(fractal(shape, 34, rng, 2.8))
    height = (
        320 + 35 * rolling
        + zone.mountain * (420 + 620 * np.clip(ridges, -0.2, 1))
        + zone.plateau * (900 + 25 * rolling)
        + zone.hills * (90 + 42 * gullies)
    )  # fmt: skip
    return np.asarray(ndimage.gaussian_filter(np.asarray(height, np.float32), 0.8))


def slope(elevation: np.ndarray) -> np.ndarray:
    """Return the steepness, metres a metre, float32."""
    down, across = np.gradient(elevation, PIXEL_M)
    return np.asarray(np.hypot(down, across), np.float32)


def illumination(elevation: np.ndarray) -> np.ndarray:
    """Return sunlight on the slope relative to flat land (Lambert's cosine law), float32, flat land 1."""
    down, across = np.gradient(elevation, PIXEL_M)
    azimuth, zenith = np.deg2rad(SUN_AZIMUTH_DEG), np.deg2rad(SUN_ZENITH_DEG)
    towards = across * np.sin(azimuth) - down * np.cos(azimuth)
    cosine = (np.cos(zenith) - np.sin(zenith) * towards) / np.sqrt(1 + down**2 + across**2)
    return np.asarray(np.clip(cosine / np.cos(zenith), 0.25, 1.6), np.float32)


def coarse(values: np.ndarray) -> np.ndarray:
    """Return means over coarse cells; what is left over at the right and the bottom is left out."""
    rows, cols = (side // COARSE_PX for side in values.shape)
    cut = values[: rows * COARSE_PX, : cols * COARSE_PX]
    return np.asarray(cut.reshape(rows, COARSE_PX, cols, COARSE_PX).mean((1, 3)))


def refine(values: np.ndarray, shape: Shape) -> np.ndarray:
    """Spread coarse cells back over the world, bilinearly, float32."""
    row = (np.arange(shape[0]) + 0.5) / COARSE_PX - 0.5
    col = (np.arange(shape[1]) + 0.5) / COARSE_PX - 0.5
    fine = _blend(row, values.shape[0]) @ values.astype(np.float32) @ _blend(col, values.shape[1]).T
    return np.asarray(fine, np.float32)


def _blend(at: np.ndarray, size: int) -> np.ndarray:
    """Matrix of linear interpolation at fractional positions of a row of `size` values."""
    at = np.clip(at, 0, size - 1)
    base = np.minimum(at.astype(int), size - 2)
    matrix = np.zeros((len(at), size), np.float32)
    matrix[np.arange(len(at)), base] = 1 - (at - base)
    matrix[np.arange(len(at)), base + 1] = at - base
    return matrix
