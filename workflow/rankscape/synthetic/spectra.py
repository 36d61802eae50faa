"""Reflectance of what covers the invented land: typical summer values of Sentinel-2, bands `BANDS`."""

import numpy as np

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
