"""Ridge regression from features to scores, its penalty chosen by cross-validation (docs/vision.md).

As MOSAIKS fits it to random convolutional features (Rolf et al., Nature Communications 2021, Methods).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rankscape.foundation.errors import TableError

PENALTIES = tuple(np.logspace(-4, 3, 9).tolist())
"""Penalties that are tried."""
FOLDS = 5
"""Parts of the cross-validation."""


@dataclass(frozen=True)
class Ridge:
    """A fitted ridge regression."""

    weights: np.ndarray
    """Weight of each feature, float64, shape (d,)."""
    centre: np.ndarray
    """Mean of each feature over the training data, float64, shape (d,)."""
    mean: float
    """Mean of the training labels."""
    lowest: float
    """Smallest training label."""
    highest: float
    """Largest training label."""
    penalty: float
    """The penalty that was chosen."""
    errors: tuple[float, ...]
    """Mean squared error of each penalty over the parts held out."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict labels, within the range of the training labels.

        Args:
            features: Shape (n, d).

        Returns:
            float64, shape (n,).
        """
        raw = (np.asarray(features, np.float64) - self.centre) @ self.weights + self.mean
        predicted: np.ndarray = raw.clip(self.lowest, self.highest)
        return predicted


def fit_ridge(
    features: np.ndarray, labels: np.ndarray, parts: np.ndarray, penalties: Sequence[float] = PENALTIES
) -> Ridge:
    """Fit weights w that minimise |y - X w|² + penalty |w|², without an intercept, on centred X and y.

    The penalty is that with the smallest mean squared error over the parts, each predicted from the others and clipped
    to the range of their labels; of equal ones the largest.

    Args:
        features: Shape (n, d), finite.
        labels: Shape (n,), finite.
        parts: Number of the part that each row is held out with, shape (n,); see `chance_parts`. Rows of one place
            belong into one part.
        penalties: Penalties to try, above 0.

    Raises:
        TableError: If shapes do not fit, a value is not finite, a penalty is not above 0, or there is one part only.
    """
    x, y = np.asarray(features, np.float64), np.asarray(labels, np.float64)
    _check(x, y, parts, penalties)
    errors = np.zeros(len(penalties))
    for part in np.unique(parts):
        held = parts == part
        for place, fold in enumerate(_solve(x[~held], y[~held], penalties)):
            errors[place] += float(((fold.predict(x[held]) - y[held]) ** 2).sum())
    errors /= len(y)
    chosen = _solve(x, y, [max(np.asarray(penalties)[errors == errors.min()].tolist())])[0]
    return replace(chosen, errors=tuple(errors.tolist()))


def chance_parts(rows: int, generator: np.random.Generator, parts: int = FOLDS) -> np.ndarray:
    """Draw the part of each row, int64, shape (rows,); parts are equally large, give or take one."""
    return generator.permutation(np.arange(rows) % parts)


def _solve(x: np.ndarray, y: np.ndarray, penalties: Sequence[float]) -> list[Ridge]:
    """Fit one ridge a penalty, from one decomposition of the smaller of X'X and X X'."""
    centre, mean = x.mean(0), float(y.mean())
    centred, aim = x - centre, y - mean
    wide = x.shape[1] > len(x)
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    # Rounding takes eigenvalues of 0 a little below it, where a small penalty must not meet them.
    values, turned = values.clip(0), vectors.T @ (aim if wide else centred.T @ aim)
    solved = []
    for penalty in penalties:
        inner = vectors @ (turned / (values + penalty))
        weights = centred.T @ inner if wide else inner
        solved.append(Ridge(weights, centre, mean, float(y.min()), float(y.max()), float(penalty), ()))
    return solved


def _check(x: np.ndarray, y: np.ndarray, parts: np.ndarray, penalties: Sequence[float]) -> None:
    if x.ndim != 2 or y.shape != (len(x),) or np.shape(parts) != y.shape:
        raise TableError(
            f"Ridge needs a row of features, a label and a part each: {x.shape}, {y.shape}, {np.shape(parts)}."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise TableError("Ridge needs finite features and labels: leave out patches that are not usable.")
    if not len(penalties) or min(penalties) <= 0:
        raise TableError(f"Ridge needs penalties above 0, not {list(penalties)}.")
    if len(np.unique(parts)) < 2:
        raise TableError("Ridge needs two parts at least to choose its penalty: give more rows, or more places.")
