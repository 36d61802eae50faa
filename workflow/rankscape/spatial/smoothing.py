"""What neighbours alone say of a place: labels smoothed over the distance, the baseline of every spatial prediction."""

from collections.abc import Sequence

import numpy as np

SIGMAS = tuple(np.logspace(-3, 2, 6).tolist())
"""Widths of the kernel that are tried, in degrees (Rolf et al. 2021)."""
_CHUNK = 512
"""Places predicted at once."""


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


def smooth_nested(
    longitude: np.ndarray,
    latitude: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    held: np.ndarray | None = None,
    sigmas: Sequence[float] = SIGMAS,
) -> tuple[np.ndarray, dict[int, float]]:
    """Predict every place by smoothing the labels of the other folds, sigma chosen inside them.

    Labels weigh exp(-d² / 2 sigma²), d in degrees of a great circle; where all weights vanish, the mean is taken.
    For every fold that is held out, each of the others is predicted from the rest in turn, and the width with the
    smallest squared error is taken.

    Args:
        longitude: Degrees, shape (n,).
        latitude: Degrees, shape (n,).
        labels: Shape (n,).
        folds: Fold of every place, shape (n,); three at least.
        held: Group of every place that is held out together, such as the colour of its square, shape (n,); a fold lies
            in one group. None holds out each fold alone.
        sigmas: Widths of the kernel to choose from, in degrees.

    Returns:
        Predictions, float64, shape (n,), and the width of every group in degrees.
    """
    names, fold = np.unique(folds, return_inverse=True)
    members = np.eye(len(names))[fold]
    sums = [_kernel_sums(longitude, latitude, np.hstack([members * labels[:, None], members]), one) for one in sigmas]
    predicted, chosen = np.empty(len(labels)), {}
    for group in np.unique(folds if held is None else held).tolist():
        own = (folds if held is None else held) == group
        outer, errors = set(fold[own].tolist()), np.zeros(len(sigmas))
        for inner in set(range(len(names))) - outer:
            part, rest = fold == inner, labels[~own & (fold != inner)]
            errors += [((_from_folds(one[part], outer | {inner}, rest) - labels[part]) ** 2).sum() for one in sums]
        best = int(errors.argmin())
        predicted[own] = _from_folds(sums[best][own], outer, labels[~own])
        chosen[group] = sigmas[best]
    return predicted, chosen


def _kernel_sums(longitude: np.ndarray, latitude: np.ndarray, columns: np.ndarray, sigma: float) -> np.ndarray:
    """Sums of columns over all places, weighted by the kernel around each; shape (n, columns)."""
    parts = [slice(start, start + _CHUNK) for start in range(0, len(longitude), _CHUNK)]
    found = []
    for part in parts:
        apart = great_circle_degrees(longitude[part], latitude[part], (longitude, latitude))
        found.append(np.exp(-(apart**2) / (2 * sigma**2)) @ columns)
    return np.concatenate(found)


def _from_folds(sums: np.ndarray, without: set[int], labels: np.ndarray) -> np.ndarray:
    """Smoothed labels from the sums of all folds but some; the mean of the labels where every weight vanishes."""
    folds = sums.shape[1] // 2
    used = [fold for fold in range(folds) if fold not in without]
    total = sums[:, folds:][:, used].sum(1)
    weighted = sums[:, :folds][:, used].sum(1)
    found: np.ndarray = np.divide(weighted, total, out=np.full(len(sums), labels.mean()), where=total > 0)
    return found
