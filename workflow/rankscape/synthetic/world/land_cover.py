"""Reflectance of covers, and what grows where nobody has changed the land: forest, rock, steppe, badlands, water."""

from dataclasses import dataclass

import numpy as np

from rankscape.synthetic.world.primitives import Stroke, coverage, fractal, rise
from rankscape.synthetic.world.terrain import Zones, illumination, slope

BANDS = ("B02", "B03", "B04", "B08")
"""Blue, green, red, near infrared."""

_TABLE = {
    # what             blue   green  red    nir
    "conifer":        (0.022, 0.040, 0.023, 0.230),
    "broadleaf":      (0.028, 0.058, 0.032, 0.370),
    "highland_grass": (0.048, 0.096, 0.072, 0.320),
    "grazed":         (0.074, 0.114, 0.106, 0.290),
    "steppe":         (0.094, 0.132, 0.158, 0.265),
    "shrub":          (0.046, 0.070, 0.062, 0.235),
    "badlands":       (0.135, 0.188, 0.246, 0.335),
    "rock":           (0.168, 0.192, 0.207, 0.260),
    "gravel":         (0.205, 0.225, 0.235, 0.280),
    "meadow":         (0.040, 0.085, 0.055, 0.380),
    "water":          (0.046, 0.052, 0.030, 0.018),
    "soil_dark":      (0.078, 0.103, 0.132, 0.205),
    "soil_light":     (0.128, 0.178, 0.222, 0.305),
    "stubble":        (0.118, 0.180, 0.214, 0.325),
    "fallow":         (0.080, 0.122, 0.126, 0.275),
    "sparse_crop":    (0.066, 0.106, 0.092, 0.310),
    "maize":          (0.034, 0.068, 0.038, 0.420),
    "alfalfa":        (0.036, 0.090, 0.044, 0.490),
    "grain":          (0.062, 0.118, 0.096, 0.370),
    "orchard":        (0.034, 0.062, 0.044, 0.340),
    "greenhouse":     (0.255, 0.262, 0.248, 0.360),
    "asphalt":        (0.102, 0.108, 0.112, 0.140),
    "concrete":       (0.172, 0.185, 0.192, 0.235),
    "dirt_road":      (0.145, 0.190, 0.222, 0.290),
    "garden":         (0.038, 0.070, 0.044, 0.350),
    "lawn":           (0.040, 0.088, 0.052, 0.430),
    "bare_yard":      (0.120, 0.155, 0.180, 0.245),
    "roof_white":     (0.400, 0.410, 0.415, 0.430),
    "roof_grey":      (0.240, 0.250, 0.255, 0.280),
    "roof_slate":     (0.105, 0.106, 0.108, 0.130),
    "roof_blue":      (0.250, 0.225, 0.180, 0.250),
    "roof_tile":      (0.098, 0.128, 0.210, 0.270),
    "roof_brown":     (0.084, 0.100, 0.122, 0.170),
    "roof_rust":      (0.072, 0.092, 0.142, 0.200),
    "roof_mud":       (0.112, 0.146, 0.182, 0.250),
    "shadow":         (0.030, 0.032, 0.030, 0.050),
}  # fmt: skip


def spectrum(name: str) -> np.ndarray:
    """Return the reflectance of one cover, float32, shape (4,)."""
    return np.array(_TABLE[name], np.float32)


def palette(*names: str) -> np.ndarray:
    """Return the reflectances of several covers, float32, shape (covers, 4)."""
    return np.stack([spectrum(name) for name in names])


def lay(canvas: np.ndarray, share: np.ndarray, colour: np.ndarray) -> None:
    """Lay a cover over the land, in place.

    Args:
        canvas: Reflectance, float32, shape (4, height, width).
        share: Part of each pixel that is covered, shape (height, width).
        colour: Reflectance of the cover, shape (4,) or (4, height, width).
    """
    for band in range(len(canvas)):
        canvas[band] += share * (colour[band] - canvas[band])


@dataclass(frozen=True)
class Nature:
    """The land before people, arrays of the world's shape."""

    reflectance: np.ndarray
    """float32, shape (4, height, width), without shading."""
    light: np.ndarray
    """Sunlight on the slope relative to flat land, float32."""
    slope: np.ndarray
    """Metres a metre, float32."""
    plateau: np.ndarray
    """Share of highland, float32 in [0, 1]."""
    forest: np.ndarray
    water: np.ndarray
    arable: np.ndarray
    """How well the land suits fields, float32 in [0, 1]."""
    river_px: np.ndarray
    """Distance to the nearest river, float32."""


def grow(
    elevation: np.ndarray, zone: Zones, rivers: list[Stroke], river_px: np.ndarray, rng: np.random.Generator
) -> Nature:
    """Cover the relief.

    Args:
        elevation: Height in metres, of the world's shape.
        zone: Kinds of relief.
        rivers: Rivers as lines.
        river_px: Distance to the nearest river in pixels.
        rng: Source of the patchiness.
    """
    shape = elevation.shape
    steep, light = slope(elevation), illumination(elevation)
    patchy, fine = fractal(shape, 70, rng, 2.0), fractal(shape, 5, rng, 1.6)
    forest = _forest(elevation, zone, steep, patchy, river_px, light)
    canvas = _ground(zone, patchy, fine, rng)
    rock = np.maximum(rise(elevation + 110 * patchy, 1010, 1130) * zone.mountain, rise(steep + 0.12 * fine, 0.8, 1.3))
    lay(canvas, forest, _woods(fine, patchy))
    lay(canvas, rock * (1 - 0.85 * forest), _toned("rock", 0.09 * fractal(shape, 12, rng, 2.0) + 0.05 * patchy))
    water = _water(shape, rivers, zone, rng)
    gravel = coverage(rivers, shape, widen_px=3.5) * rise(fractal(shape, 30, rng, 2.2), -0.1, 0.5)
    lay(canvas, gravel, spectrum("gravel"))
    lay(canvas, water, spectrum("water"))
    free = (1 - zone.plateau) * (1 - zone.hills) * (1 - np.maximum(forest, rock)) * (1 - water)
    return Nature(canvas, light, steep, zone.plateau, forest, water, rise(steep, 0.20, 0.08) * free, river_px)


def _toned(cover: str, change: np.ndarray) -> np.ndarray:
    """Reflectance of a cover, brighter or darker from place to place, shape (4, height, width)."""
    return np.asarray(spectrum(cover)[:, None, None] * (1 + change), np.float32)


def _forest(
    elevation: np.ndarray, zone: Zones, steep: np.ndarray, patchy: np.ndarray, river_px: np.ndarray, light: np.ndarray
) -> np.ndarray:
    """Forest of the mountain flanks, thicker on shaded slopes, and of the river banks."""
    flank = zone.mountain * rise(elevation, 390, 480) * rise(elevation + 80 * patchy, 1080, 960) * 1.5
    shade = 0.35 * (1 - light)
    bank = 0.9 * rise(river_px, 11, 4) * (1 - 0.7 * zone.plateau)
    favour = np.maximum(flank + shade, bank) + 0.30 * patchy - 0.25 * rise(steep, 0.6, 1.0)
    return rise(favour, 0.55, 0.8)


def _ground(zone: Zones, patchy: np.ndarray, fine: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Open land: steppe with shrubs in the lowland, badlands on dry hills, grass on the plateaus."""
    shape = patchy.shape
    dry = fractal(shape, 160, rng, 2.4)
    canvas = np.empty((4, *shape), np.float32)
    canvas[:] = _toned("steppe", 0.05 * dry + 0.05 * fine)
    lay(canvas, zone.hills * rise(dry + 0.6 * patchy, -0.9, 0.5), _toned("badlands", 0.07 * fine))
    shrubs = rise(fractal(shape, 6, rng, 2.0) + 0.5 * patchy, 0.2, 0.9)
    lay(canvas, 0.8 * shrubs * (1 - zone.plateau), spectrum("shrub"))
    grass = _toned("highland_grass", 0.07 * patchy + 0.05 * dry + 0.03 * fine)
    lay(canvas, np.maximum(zone.plateau, 0.8 * zone.mountain), grass)
    return canvas


def _woods(fine: np.ndarray, patchy: np.ndarray) -> np.ndarray:
    mix = rise(patchy, -0.8, 1.2)[None]
    colour = spectrum("conifer")[:, None, None] * (1 - mix) + spectrum("broadleaf")[:, None, None] * mix
    return np.asarray(colour * (1 + 0.12 * fine), np.float32)


def _water(shape: tuple[int, int], rivers: list[Stroke], zone: Zones, rng: np.random.Generator) -> np.ndarray:
    lakes = rise(fractal(shape, 90, rng, 3.0), 2.15, 2.25) * zone.plateau * (1 - zone.mountain)
    return np.asarray(np.maximum(coverage(rivers, shape), lakes))
