"""Ridge regression on more rows than fit into memory, from sums of products (docs/vision.md).

The same minimum as `ridge.fit_ridge`. The rows come in blocks and are read twice: once to add up X'X and X'y of every
part, and once to see how well each penalty predicts the part that was left out. Memory does not grow with the rows: a
block, and for d features about 8 bytes x (parts + 6) d².
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rankscape.learning.ridge import PENALTIES, Ridge, best_penalty, check_choice, check_rows


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
