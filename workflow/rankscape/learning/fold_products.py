"""Ridge without some folds, for many sets of folds held out, from products that are made once.

With fewer features than rows, sums of products of each fold (`FoldSums`); else products of rows (`FoldRows`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, blas, cho_factor, cho_solve

from rankscape.foundation.errors import TableError

CHUNK = 4096
"""Rows that are read at once."""
_TILE = 256
"""Columns of a matrix that are changed at once."""
_SMALLEST = 1e-12
"""Features whose variance is a smaller share of their square are constant."""

Candidate = tuple[float, ...]
"""A penalty for each block of features."""
Held = tuple[int, ...]
"""Folds held out together, ascending."""


class Solved(NamedTuple):
    """Ridges of all tasks without some folds."""

    held: Held
    candidate: Candidate
    weights: np.ndarray
    """Of each feature as it is, shape (d, tasks)."""
    intercepts: np.ndarray
    """Shape (tasks,)."""
    errors: dict[int, np.ndarray]
    """Squared errors in each fold held out, shape (tasks,)."""


@dataclass
class _FoldTotals:
    """Sums of products of the rows of a fold, of values from which shifts were subtracted."""

    n: float
    x: np.ndarray
    y: np.ndarray
    xy: np.ndarray
    yy: np.ndarray
    xx: np.ndarray
    """In Fortran's order; the lower triangle is filled in once all rows are added."""

    @classmethod
    def of_none(cls, d: int, tasks: int) -> "_FoldTotals":
        return cls(0, np.zeros(d), np.zeros(tasks), np.zeros((d, tasks)), np.zeros(tasks), np.zeros((d, d), order="F"))

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        self.n += len(x)
        self.x += x.sum(0)
        self.y += y.sum(0)
        self.xy += x.T @ y
        self.yy += (y**2).sum(0)
        # In place: large matrices would take longer to add than to multiply.
        self.xx = blas.dsyrk(1.0, x.T, beta=1.0, c=self.xx, overwrite_c=True)

    def close(self) -> None:
        """Copy the upper triangle of `xx` into the lower one."""
        for start in range(0, len(self.xx), _TILE):
            part = slice(start, start + _TILE)
            self.xx[part, part] += np.triu(self.xx[part, part], 1).T
            self.xx[start + _TILE :, part] = self.xx[part, start + _TILE :].T


class FoldSums:
    """Sums of products by fold, for fewer features than rows; features are read once, `CHUNK` rows at a time."""

    def __init__(
        self, features: np.ndarray, labels: np.ndarray, folds: np.ndarray, known: np.ndarray,
        widths: tuple[int, ...], standardise: bool,
    ) -> None:  # fmt: skip
        """Add up the rows that have labels.

        Args:
            features: Shape (n, d).
            labels: Shape (n, tasks).
            folds: Shape (n,).
            known: Rows that have labels, bool, shape (n,).
            widths: Widths of the blocks of features.
            standardise: Whether features are divided by their deviation over the rows trained on.

        Raises:
            TableError: If a feature is not finite.
        """
        self.names: list[int] = np.unique(folds[known]).tolist()
        self.widths, self.standardise = widths, standardise
        # Products of values far from 0 would lose the digits in which rows differ.
        self.shift, self.base = _finite(features[:CHUNK]).mean(0), labels[known].mean(0)
        self.sums = {fold: _FoldTotals.of_none(features.shape[1], labels.shape[1]) for fold in self.names}
        for start in range(0, len(features), CHUNK):
            part = slice(start, start + CHUNK)
            x, y, own = _finite(features[part], self.shift), labels[part] - self.base, known[part]
            for fold in np.unique(folds[part][own]).tolist():
                rows = own & (folds[part] == fold)
                self.sums[fold].add(x[rows], y[rows])
        for sums in self.sums.values():
            sums.close()

    def solve(self, wanted: Mapping[Held, Collection[Candidate]], final: Collection[Held]) -> Iterator[Solved]:  # noqa: ARG002
        """Solve for all tasks.

        Args:
            wanted: Candidates by the folds held out.
            final: Folds held out of models; the others only judge a penalty, and may be less exact.
        """
        for held, candidates in wanted.items():
            if len(candidates):
                trained = TrainedSums.without(self, held)
                gram = trained.gram()
                for one in candidates:
                    yield trained.solved(one, _weights(gram, trained.diagonal(one), trained.aim))


@dataclass(frozen=True)
class TrainedSums:
    """Sums over the rows trained on."""

    data: FoldSums
    held: Held
    """Folds that they do not lie in."""
    n: float
    centre: np.ndarray
    """Mean of each feature, shape (d,)."""
    mean: np.ndarray
    """Mean label of each task, shape (tasks,)."""
    scale: np.ndarray
    """Deviation of each feature, 1 where it is constant or features are not standardised; shape (d,)."""
    aim: np.ndarray
    """Products of centred features and labels, shape (d, tasks)."""

    @classmethod
    def without(cls, data: FoldSums, held: Held) -> "TrainedSums":
        """Join the sums of the other folds."""
        kept = [sums for fold, sums in data.sums.items() if fold not in held]
        n = float(sum(one.n for one in kept))
        x, y = (np.sum([getattr(one, name) for one in kept], 0) for name in ("x", "y"))
        centre = x / n
        variance = (np.sum([one.xx.diagonal() for one in kept], 0) - x * centre) / n
        aim = np.sum([one.xy for one in kept], 0) - np.outer(centre, y)
        return cls(data, held, n, centre, y / n, _scale(variance, centre + data.shift, data.standardise), aim)

    def gram(self) -> np.ndarray:
        """Products of centred features, shape (d, d), in Fortran's order."""
        kept = [sums.xx for fold, sums in self.data.sums.items() if fold not in self.held]
        total = kept[0].copy(order="F")
        for one in kept[1:]:
            total += one
        for start in range(0, len(total), _TILE):
            part = slice(start, start + _TILE)
            total[:, part] -= np.outer(self.centre * self.n, self.centre[part])
        return total

    def diagonal(self, candidate: Candidate) -> np.ndarray:
        """What penalties of scaled features add to the diagonal of `gram`, shape (d,)."""
        return np.asarray(np.repeat(candidate, self.data.widths) * self.scale**2)

    def solved(self, candidate: Candidate, w: np.ndarray, images: Mapping[int, np.ndarray] | None = None) -> Solved:
        """Put weights together with what follows from them; `images` are products with each fold held out."""
        base = self.data.base + self.mean - (self.data.shift + self.centre) @ w
        errors = {fold: self._errors(fold, w, None if images is None else images[fold]) for fold in self.held}
        return Solved(self.held, candidate, w, base, errors)

    def _errors(self, fold: int, w: np.ndarray, image: np.ndarray | None) -> np.ndarray:
        """Squared errors that weights make in a fold, from its sums alone, shape (tasks,)."""
        own, c, a = self.data.sums[fold], self.centre, self.mean
        image = own.xx @ w if image is None else image
        level = c @ w
        squares = own.yy - 2 * a * own.y + own.n * a**2
        cross = own.xy - np.outer(c, own.y) - np.outer(own.x, a) + own.n * np.outer(c, a)
        quadratic = (w * image).sum(0) - 2 * level * (own.x @ w) + own.n * level**2
        return np.asarray((squares - 2 * (w * cross).sum(0) + quadratic).clip(0))


class FoldRows:
    """The rows themselves, for more features than rows; arguments as for `FoldSums`."""

    def __init__(
        self, features: np.ndarray, labels: np.ndarray, folds: np.ndarray, known: np.ndarray,
        widths: tuple[int, ...], standardise: bool,
    ) -> None:  # fmt: skip
        """Read the rows that have labels."""
        self.names: list[int] = np.unique(folds[known]).tolist()
        self.widths, self.standardise = widths, standardise
        self.x, self.y, self.folds, self.base = _finite(features)[known], labels[known], folds[known], labels[0]

    def solve(self, wanted: Mapping[Held, Collection[Candidate]], final: Collection[Held]) -> Iterator[Solved]:  # noqa: ARG002
        """Solve for all tasks; as `FoldSums.solve`."""
        for held, candidates in wanted.items():
            if len(candidates):
                yield from self._without(held, candidates)

    def _without(self, held: Held, candidates: Iterable[Candidate]) -> Iterator[Solved]:
        used = ~np.isin(self.folds, held)
        centre, mean = self.x[used].mean(0), self.y[used].mean(0)
        scale = _scale(self.x[used].var(0), centre, self.standardise)
        x, edges = (self.x[used] - centre) / scale, np.cumsum((0, *self.widths))
        products = [x[:, a:b] @ x[:, a:b].T for a, b in pairwise(edges)]
        for one in candidates:
            total = np.sum([product / penalty for product, penalty in zip(products, one, strict=True)], 0)
            w = x.T @ _weights(total, np.ones(len(x)), self.y[used] - mean)
            w /= (np.repeat(one, self.widths) * scale)[:, None]
            base = mean - centre @ w
            missed = {fold: self.x[self.folds == fold] @ w + base - self.y[self.folds == fold] for fold in held}
            yield Solved(held, one, w, base, {fold: (by**2).sum(0) for fold, by in missed.items()})


def _finite(features: np.ndarray, shift: np.ndarray | float = 0.0) -> np.ndarray:
    found: np.ndarray = np.subtract(features, shift, dtype=np.float64)
    if not np.isfinite(found).all():
        raise TableError("Ridge needs finite features: leave out patches that are not usable.")
    return found


def _scale(variance: np.ndarray, centre: np.ndarray, standardise: bool) -> np.ndarray:
    if not standardise:
        return np.ones_like(variance)
    moves = variance > _SMALLEST * (centre**2 + variance)
    return np.sqrt(np.where(moves, variance, 1.0))


def factorise(matrix: np.ndarray, added: np.ndarray) -> Any:
    """Cholesky factor of a symmetric matrix, once numbers are added to its diagonal; for `cho_solve`.

    Raises:
        scipy.linalg.LinAlgError: If it is not positive definite.
    """
    ridge = matrix.copy(order="F")
    ridge[np.diag_indices_from(ridge)] += added
    factor: Any = cho_factor(ridge, overwrite_a=True, check_finite=False)
    return factor


def _weights(matrix: np.ndarray, added: np.ndarray, aim: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(cho_solve(factorise(matrix, added), aim, check_finite=False))
    except LinAlgError:
        # A small penalty may be less than the rounding of large products.
        ridge = matrix + np.diag(added)
        unit = np.sqrt(ridge.diagonal())[:, None]
        values, vectors = np.linalg.eigh(ridge / unit / unit.T)
        floor = np.finfo(float).eps * len(values) * values[-1]
        return np.asarray(vectors @ ((vectors.T @ (aim / unit)) / np.maximum(values, floor)[:, None]) / unit)
