"""What neighbours alone say of a place: labels smoothed over the distance, the baseline of every spatial prediction."""

import numpy as np

_CHUNK = 512
"""Places predicted at once."""


def smooth(distances: np.ndarray, labels: np.ndarray, sigma: float) -> np.ndarray:
    """Predict places by the labels around them, with weights exp(-d² / 2 sigma²) (Rolf et al. 2021).

    Args:
        distances: From every place to every labelled one, in the unit of sigma, shape (n, m).
        labels: Shape (m,).
        sigma: Width of the kernel.

    Returns:
        float64, shape (n,); the mean of all labels where every weight vanishes.
    """
    weights = np.exp(-(distances**2) / (2 * sigma**2))
    total = weights.sum(1)
    found = np.divide(weights @ labels, total, out=np.full(len(weights), labels.mean()), where=total > 0)
    return np.asarray(found)


def great_circle_degrees(longitude: np.ndarray, latitude: np.ndarray, to: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Distances along great circles, float64, in degrees, shape (n, m).

    Args:
        longitude: Degrees, shape (n,).
        latitude: Degrees, shape (n,).
        to: Longitudes and latitudes of the other places, shape (m,) each.
    """
    east, north, east_to, north_to = (np.radians(one) for one in (longitude, latitude, *to))
    half = (
        np.sin((north[:, None] - north_to) / 2) ** 2
        + np.cos(north)[:, None] * np.cos(north_to) * np.sin((east[:, None] - east_to) / 2) ** 2
    )
    return np.asarray(np.degrees(2 * np.arcsin(np.sqrt(half.clip(0, 1)))))


def smooth_places(
    longitude: np.ndarray, latitude: np.ndarray, known: tuple[np.ndarray, np.ndarray], labels: np.ndarray, sigma: float
) -> np.ndarray:
    """Smooth the labels of known places at others, some at a time; sigma in degrees. Shapes as above."""
    parts = [slice(start, start + _CHUNK) for start in range(0, len(longitude), _CHUNK)]
    return np.concatenate(
        [smooth(great_circle_degrees(longitude[part], latitude[part], known), labels, sigma) for part in parts]
    )
