"""Ridge regression from features to scores, its penalty chosen by cross-validation (docs/vision.md).

As MOSAIKS fits it to random convolutional features (Rolf et al., Nature Communications 2021, Methods).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rankscape.foundation.errors import TableError

PENALTIES = tuple(np.logspace(-4, 3, 9).tolist())
"""Penalties that are tried."""


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
    features: np.ndarray,
    labels: np.ndarray,
    parts: np.ndarray,
    penalties: Sequence[float] = PENALTIES,
    weights: np.ndarray | None = None,
) -> Ridge:
    """Fit weights w that minimise |y - X w|² + penalty |w|², without an intercept, on centred X and y.

    The penalty is that with the smallest mean squared error over the parts, each predicted from the others and clipped
    to the range of their labels; of equal ones the largest. All of X is held in memory; `gram.py` does the same for
    more rows than fit.

    Args:
        features: Shape (n, d), finite.
        labels: Shape (n,), finite.
        parts: Number of the part that each row is held out with, shape (n,); see `folds`. Rows of one place
            belong into one part.
        penalties: Penalties to try, above 0.
        weights: How often each row counts, in every sum and mean, shape (n,); rows of weight 0 are left out. None
            counts each once.

    Raises:
        TableError: If shapes do not fit, a value is not finite, a penalty is not above 0, or there is one part only.
    """
    x, y = np.asarray(features, np.float64), np.asarray(labels, np.float64)
    counts = np.ones(np.shape(y)) if weights is None else np.asarray(weights, np.float64)
    check_rows(x, y, parts, counts)
    x, y, parts, counts = (values[counts > 0] for values in (x, y, np.asarray(parts), counts))
    check_choice(parts, penalties)
    errors = np.zeros(len(penalties))
    for part in np.unique(parts):
        held = parts == part
        for place, fold in enumerate(_solve(x[~held], y[~held], counts[~held], penalties)):
            errors[place] += float(counts[held] @ (fold.predict(x[held]) - y[held]) ** 2)
    errors /= counts.sum()
    chosen = _solve(x, y, counts, [best_penalty(errors, penalties)])[0]
    return replace(chosen, errors=tuple(errors.tolist()))


def best_penalty(errors: np.ndarray, penalties: Sequence[float]) -> float:
    """Return the penalty of the smallest error; of equal ones the largest."""
    return float(max(np.asarray(penalties)[errors == errors.min()].tolist()))


def _solve(x: np.ndarray, y: np.ndarray, counts: np.ndarray, penalties: Sequence[float]) -> list[Ridge]:
    """Fit one ridge a penalty, from one decomposition of the smaller of X'X and X X'."""
    centre, mean = np.average(x, 0, counts), float(np.average(y, weights=counts))
    root = np.sqrt(counts)
    centred, aim = (x - centre) * root[:, None], (y - mean) * root
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


def check_rows(x: np.ndarray, y: np.ndarray, parts: np.ndarray, weights: np.ndarray) -> None:
    """Refuse rows that no ridge can be fitted to.

    Raises:
        TableError: If shapes do not fit, a value is not finite, or a weight is negative.
    """
    if x.ndim != 2 or y.shape != (len(x),) or not np.shape(parts) == np.shape(weights) == y.shape:
        raise TableError(
            "Ridge needs a row of features, a label, a part and a weight each: "
            f"{x.shape}, {y.shape}, {np.shape(parts)}, {np.shape(weights)}."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise TableError("Ridge needs finite features and labels: leave out patches that are not usable.")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise TableError("Ridge needs finite weights of 0 or more.")


def check_choice(parts: np.ndarray, penalties: Sequence[float]) -> None:
    """Refuse to choose a penalty where that is impossible.

    Raises:
        TableError: If a penalty is not above 0, or there is one part only.
    """
    if not len(penalties) or min(penalties) <= 0:
        raise TableError(f"Ridge needs penalties above 0, not {list(penalties)}.")
    if len(np.unique(parts)) < 2:
        raise TableError("Ridge needs two parts at least to choose its penalty: give more rows, or more places.")
