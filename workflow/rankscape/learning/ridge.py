"""Ridge regression from features to numbers, its penalty chosen by cross-validation (docs/methods/learning.md).

As MOSAIKS fits it to random convolutional features (Rolf et al., Nature Communications 2021, Methods). With more rows
than fit in memory, each part's sums of products are kept instead of rows, from which every fit follows exactly.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

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
    to the range of their labels; of equal ones the largest. All of X is held in memory; `fit_streamed` does the same
    for more rows than fit.

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


@dataclass(frozen=True)
class Rows:
    """Some rows of a regression."""

    features: np.ndarray
    """Shape (n, d), finite."""
    labels: np.ndarray
    """Shape (n,), finite."""
    parts: np.ndarray
    """Number of the part that each row is held out with, shape (n,)."""
    weights: np.ndarray
    """How often each row counts, shape (n,); rows of weight 0 are left out."""


@dataclass
class _Sums:
    """Sums over rows, of values from which `shift` (and `base` of the labels) was subtracted."""

    shift: np.ndarray
    base: float
    weight: float = 0.0
    lowest: float = np.inf
    highest: float = -np.inf
    y: float = 0.0
    x: np.ndarray = field(init=False)
    xy: np.ndarray = field(init=False)
    xx: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        dims = len(self.shift)
        self.x, self.xy, self.xx = np.zeros(dims), np.zeros(dims), np.zeros((dims, dims))

    def add(self, features: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None:
        x, y = features - self.shift, labels - self.base
        self.weight += float(weights.sum())
        self.lowest, self.highest = min(self.lowest, labels.min()), max(self.highest, labels.max())
        self.x += weights @ x
        self.y += float(weights @ y)
        self.xy += (weights * y) @ x
        x *= np.sqrt(weights)[:, None]
        self.xx += x.T @ x

    def join(self, other: "_Sums") -> None:
        self.weight += other.weight
        self.lowest, self.highest = min(self.lowest, other.lowest), max(self.highest, other.highest)
        self.x += other.x
        self.y += other.y
        self.xy += other.xy
        self.xx += other.xx

    def solve(self, penalties: Sequence[float]) -> list[Ridge]:
        """Fit one ridge a penalty; the sums are used up."""
        centre, mean = self.x / self.weight, self.y / self.weight
        self.xx -= np.outer(self.x, centre)
        values, vectors = np.linalg.eigh(self.xx)
        values, turned = values.clip(0), vectors.T @ (self.xy - self.x * mean)
        return [
            Ridge(
                vectors @ (turned / (values + penalty)), centre + self.shift, mean + self.base,
                float(self.lowest), float(self.highest), float(penalty), (),
            )
            for penalty in penalties
        ]  # fmt: skip


def fit_streamed(blocks: Callable[[], Iterable[Rows]], penalties: Sequence[float] = PENALTIES) -> Ridge:
    """Fit the ridge of `ridge.fit_ridge` to rows that are read block by block.

    Args:
        blocks: Gives the rows from the first, the same each time; it is called twice.
        penalties: Penalties to try, above 0.

    Raises:
        TableError: If shapes do not fit, a value is not finite, a penalty is not above 0, or there is one part only.
    """
    sums = _added(blocks)
    check_choice(np.array(list(sums)), penalties)
    folds = {part: _joined([own for other, own in sums.items() if other != part]).solve(penalties) for part in sums}
    errors = _errors(blocks, folds) / sum(own.weight for own in sums.values())
    chosen = _joined(list(sums.values())).solve([best_penalty(errors, penalties)])[0]
    return Ridge(**{**chosen.__dict__, "errors": tuple(errors.tolist())})


def _added(blocks: Callable[[], Iterable[Rows]]) -> dict[int, _Sums]:
    """Add up the rows of every part."""
    sums: dict[int, _Sums] = {}
    shift: np.ndarray | None = None
    base = 0.0
    for rows in _counted(blocks):
        if shift is None:
            # Products of values far from 0 would lose the digits in which rows differ.
            shift, base = rows.features.mean(0), float(rows.labels.mean())
        for part in np.unique(rows.parts).tolist():
            own = rows.parts == part
            sums.setdefault(part, _Sums(shift, base)).add(rows.features[own], rows.labels[own], rows.weights[own])
    return sums


def _joined(sums: Sequence[_Sums]) -> _Sums:
    total = _Sums(sums[0].shift, sums[0].base)
    for own in sums:
        total.join(own)
    return total


def _errors(blocks: Callable[[], Iterable[Rows]], folds: dict[int, list[Ridge]]) -> np.ndarray:
    """Sum the squared errors of every penalty over all rows, each predicted without its own part."""
    count = len(next(iter(folds.values())))
    slopes = {part: np.stack([ridge.weights for ridge in ridges], 1) for part, ridges in folds.items()}
    errors = np.zeros(count)
    for rows in _counted(blocks):
        for part in np.unique(rows.parts).tolist():
            own, ridge = rows.parts == part, folds[part][0]
            raw = (rows.features[own] - ridge.centre) @ slopes[part] + ridge.mean
            missed = raw.clip(ridge.lowest, ridge.highest) - rows.labels[own][:, None]
            errors += rows.weights[own] @ missed**2
    return errors


def _counted(blocks: Callable[[], Iterable[Rows]]) -> Iterable[Rows]:
    """Read blocks as float64, without the rows of weight 0."""
    for rows in blocks():
        values = [np.asarray(v, np.float64) for v in (rows.features, rows.labels, rows.weights)]
        check_rows(values[0], values[1], rows.parts, values[2])
        kept = values[2] > 0
        if kept.any():
            yield Rows(values[0][kept], values[1][kept], np.asarray(rows.parts)[kept], values[2][kept])
