"""Ridge without some folds, for many sets of folds held out, from products that are made once.

With fewer features than rows, sums of products of each fold (`FoldSums`); else products of rows (`FoldRows`).

Many features: one factorisation of a penalty, that of all rows, serves all sets of folds. Products of most rows are
nearly a share of those of all, so that conjugate gradients which it preconditions need few steps (Golub and Van Loan,
Matrix Computations, 11.5).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, blas, cho_factor, cho_solve

from rankscape.foundation.errors import TableError

CHUNK = 4096
"""Rows that are read at once."""
_SMALLEST = 1e-12
"""Features whose variance is a smaller share of their square are constant."""
_FEATURES_PER_TASK = 300
"""Features for each task from which one factorisation is faster than one for each set of folds."""
_ROWS_PER_FEATURE = 2.5
"""Rows trained on for each feature from which conjugate gradients need few steps."""
_STEPS = 60
"""Most steps of conjugate gradients; what is not solved then is factorised instead."""
_TO_JUDGE, _TO_PREDICT = 1e-8, 1e-12
"""Relative residuals at which a penalty can be judged, and at which a model is final."""

Candidate = tuple[float, ...]
"""A penalty for each block of features."""
Held = tuple[int, ...]
"""Folds held out together, ascending."""


@dataclass(frozen=True)
class _Trained:
    """What rows trained on have in common."""

    data: Any
    held: Held
    """Folds that they do not lie in."""
    centre: np.ndarray
    """Mean of each feature, shape (d,)."""
    mean: np.ndarray
    """Mean label of each task, shape (tasks,)."""
    scale: np.ndarray
    """Deviation of each feature, 1 where it is constant or features are not standardised; shape (d,)."""

    def intercepts(self, weights: np.ndarray) -> np.ndarray:
        """Intercepts of weights, shape (d, tasks); shape (tasks,)."""
        return np.asarray(self.data.base + self.mean - (self.data.shift + self.centre) @ weights)


@dataclass
class _Sums:
    """Sums of products of the rows of a fold, of values from which shifts were subtracted."""

    n: float
    x: np.ndarray
    y: np.ndarray
    xy: np.ndarray
    yy: np.ndarray
    xx: np.ndarray
    """In Fortran's order; the lower triangle is filled in once all rows are added."""

    @classmethod
    def of_none(cls, d: int, tasks: int) -> "_Sums":
        zeros = (np.zeros(shape) for shape in (d, tasks, (d, tasks), tasks))
        return cls(0, *zeros, np.zeros((d, d), order="F"))

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
        for start in range(0, len(self.xx), CHUNK):
            part = slice(start, start + CHUNK)
            self.xx[part, part] += np.triu(self.xx[part, part], 1).T
            self.xx[start + CHUNK :, part] = self.xx[part, start + CHUNK :].T


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
            standardise: Whether features are divided by their deviation.

        Raises:
            TableError: If a feature is not finite.
        """
        self.names: list[int] = np.unique(folds[known]).tolist()
        self.widths, self.standardise = widths, standardise
        # Products of values far from 0 would lose the digits in which rows differ.
        self.shift, self.base = finite(features[:CHUNK]).mean(0), labels[known].mean(0)
        self.sums = {fold: _Sums.of_none(features.shape[1], labels.shape[1]) for fold in self.names}
        for start in range(0, len(features), CHUNK):
            part = slice(start, start + CHUNK)
            x = finite(features[part]) - self.shift
            for fold in np.unique(folds[part][known[part]]).tolist():
                rows = known[part] & (folds[part] == fold)
                self.sums[fold].add(x[rows], labels[part][rows] - self.base)
        for sums in self.sums.values():
            sums.close()

    def solve(
        self, wanted: Mapping[Held, Collection[Candidate]], final: Collection[Held]
    ) -> Iterator[tuple["_TrainedSums", Candidate, np.ndarray]]:
        """Yield what was trained without each set of folds, a candidate, and its weights, shape (d, tasks).

        Args:
            wanted: Candidates by the folds held out.
            final: Folds held out of models; the others only judge a penalty.
        """
        left = {held: list(candidates) for held, candidates in wanted.items() if len(candidates)}
        trained = {held: _TrainedSums.without(self, held) for held in left}
        for candidate in dict.fromkeys(one for own in left.values() for one in own) if self._shares(trained) else ():
            asked = [trained[held] for held, own in left.items() if candidate in own]
            for one, weights in zip(asked, self._together(asked, candidate, final), strict=True):
                if weights is not None:
                    left[one.held].remove(candidate)
                    yield one, candidate, weights
        for held, candidates in left.items():
            gram = trained[held].gram() if candidates else None
            for candidate in candidates:
                added = np.repeat(candidate, self.widths) * trained[held].scale ** 2
                yield trained[held], candidate, _solved(gram, added, trained[held].aim)

    def _shares(self, trained: Mapping[Held, "_TrainedSums"]) -> bool:
        d, tasks = len(self.shift), len(self.base)
        fewest = min((one.n for one in trained.values()), default=0.0)
        return d >= _FEATURES_PER_TASK * tasks and fewest >= _ROWS_PER_FEATURE * d

    @cached_property
    def _whole(self) -> tuple["_TrainedSums", np.ndarray]:
        whole = _TrainedSums.without(self, ())
        return whole, whole.gram()

    def _together(
        self, asked: list["_TrainedSums"], candidate: Candidate, final: Collection[Held]
    ) -> list[np.ndarray | None]:
        """Weights of each by one factorisation, shape (d, tasks); None where steps were too few."""
        (whole, gram), added = self._whole, np.repeat(candidate, self.widths)
        ridge = gram.copy(order="F")
        ridge[np.diag_indices_from(ridge)] += added * whole.scale**2
        try:
            factor = cho_factor(ridge, overwrite_a=True, check_finite=False)
        except LinAlgError:
            return [None] * len(asked)
        which = np.repeat(np.arange(len(asked)), len(self.base))
        exact = np.array([_TO_PREDICT if one.held in final else _TO_JUDGE for one in asked])
        beyond = partial(self._beyond, asked, added)
        weights, done = _iterated(beyond, factor, np.concatenate([one.aim.T for one in asked]), which, exact[which])
        return [weights[which == one].T if done[which == one].all() else None for one in range(len(asked))]

    def _beyond(self, asked: list["_TrainedSums"], added: np.ndarray, x: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Multiply rows by what the ridge matrix of all has beyond that of the set which each belongs to."""
        whole, _ = self._whole
        result = np.outer(x @ whole.centre, whole.centre * -whole.n)
        for one in np.unique(which):
            own, t = which == one, asked[one]
            result[own] += x[own] * (added * (whole.scale**2 - t.scale**2))
            result[own] += np.outer(x[own] @ t.centre, t.centre * t.n)
        for fold, sums in self.sums.items():
            own = np.flatnonzero([fold in asked[one].held for one in which])
            if len(own):
                result[own] += x[own] @ sums.xx
        return result


@dataclass(frozen=True)
class _TrainedSums(_Trained):
    """Sums over the rows trained on."""

    n: float
    aim: np.ndarray
    """Products of centred features and labels, shape (d, tasks)."""

    @classmethod
    def without(cls, data: FoldSums, held: Held) -> "_TrainedSums":
        kept = [sums for fold, sums in data.sums.items() if fold not in held]
        n, x, y = (np.asarray(sum(getattr(one, name) for one in kept)) for name in ("n", "x", "y"))
        centre = x / n
        squares = sum(one.xx.diagonal() for one in kept) - x * centre
        aim = sum(one.xy for one in kept) - np.outer(centre, y)
        scale = _scale(squares / n, centre + data.shift, data.standardise)
        return cls(data, held, centre, y / n, scale, float(n), aim)

    def gram(self) -> np.ndarray:
        """Products of centred features, shape (d, d), in Fortran's order."""
        kept = [sums.xx for fold, sums in self.data.sums.items() if fold not in self.held]
        total = kept[0].copy(order="F")
        for one in kept[1:]:
            total += one
        for start in range(0, len(total), CHUNK):
            total[:, start : start + CHUNK] -= np.outer(self.centre * self.n, self.centre[start : start + CHUNK])
        return total

    def errors(self, fold: int, w: np.ndarray) -> np.ndarray:
        """Squared errors that weights make in a fold held out, from its sums alone, shape (tasks,)."""
        own, c, a = self.data.sums[fold], self.centre, self.mean
        level = c @ w
        squares = own.yy - 2 * a * own.y + own.n * a**2
        cross = own.xy - np.outer(c, own.y) - np.outer(own.x, a) + own.n * np.outer(c, a)
        quadratic = (w * (own.xx @ w)).sum(0) - 2 * level * (own.x @ w) + own.n * level**2
        return np.asarray((squares - 2 * (w * cross).sum(0) + quadratic).clip(0))


def _iterated(
    beyond: Callable[[np.ndarray, np.ndarray], np.ndarray],
    factor: tuple[np.ndarray, bool],
    aims: np.ndarray,
    which: np.ndarray,
    exact: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Solve (M - B) w = aim for rows of aims at once, by conjugate gradients that a factorisation of M preconditions.

    Args:
        beyond: Multiplies rows by B, given to which set each belongs.
        factor: Of M. The product of M and a direction follows from residuals, so that M itself is not needed.
        aims: Shape (rows, d); LAPACK sees a row as its column and copies nothing.
        which: Set that each row belongs to, shape (rows,).
        exact: Relative residual at which a row is solved, shape (rows,).

    Returns:
        Shape (rows, d), and whether each is solved.
    """

    def solve(rows: np.ndarray) -> np.ndarray:
        return np.asarray(cho_solve(factor, rows.T, check_finite=False).T)

    left, weights = aims.copy(), np.zeros_like(aims)
    way, image = solve(left), left.copy()
    size = (left * way).sum(1)
    enough = exact**2 * size
    for _ in range(_STEPS):
        on = np.flatnonzero(size > enough)
        if not len(on):
            break
        moved = way[on]
        change = image[on] - beyond(moved, which[on])
        step = (size[on] / (moved * change).sum(1))[:, None]
        weights[on] += step * moved
        left[on] -= step * change
        solved = solve(left[on])
        new = (left[on] * solved).sum(1)
        further = (new / size[on])[:, None]
        way[on] = solved + further * moved
        image[on] = left[on] + further * image[on]
        size[on] = new
    return weights, size <= enough


class FoldRows:
    """The rows themselves, for more features than rows; arguments as for `FoldSums`."""

    def __init__(
        self, features: np.ndarray, labels: np.ndarray, folds: np.ndarray, known: np.ndarray,
        widths: tuple[int, ...], standardise: bool,
    ) -> None:  # fmt: skip
        """Read the rows that have labels."""
        self.names: list[int] = np.unique(folds[known]).tolist()
        self.x, self.y, self.folds = finite(features)[known], labels[known], folds[known]
        self.widths, self.standardise = widths, standardise
        self.shift, self.base = np.zeros(features.shape[1]), np.zeros(labels.shape[1])

    def solve(
        self, wanted: Mapping[Held, Collection[Candidate]], final: Collection[Held]  # noqa: ARG002
    ) -> Iterator[tuple["_TrainedRows", Candidate, np.ndarray]]:  # fmt: skip
        """Yield as `FoldSums.solve`."""
        edges = np.cumsum((0, *self.widths))
        for held, candidates in wanted.items():
            used = ~np.isin(self.folds, held)
            x, y = self.x[used], self.y[used]
            centre = x.mean(0)
            scale = _scale(x.var(0), centre, self.standardise)
            trained = _TrainedRows(self, held, centre, y.mean(0), scale)
            x = (x - centre) / scale
            products = [x[:, a:b] @ x[:, a:b].T for a, b in pairwise(edges)] if len(candidates) else []
            for candidate in candidates:
                total = sum(one / penalty for one, penalty in zip(products, candidate, strict=True))
                solved = x.T @ _solved(np.asarray(total), np.ones(len(x)), y - trained.mean)
                yield trained, candidate, solved / (np.repeat(candidate, self.widths) * scale)[:, None]


@dataclass(frozen=True)
class _TrainedRows(_Trained):
    """The rows trained on."""

    def errors(self, fold: int, weights: np.ndarray) -> np.ndarray:
        """Squared errors in a fold held out, shape (tasks,)."""
        own = self.data.folds == fold
        missed = self.data.x[own] @ weights + self.intercepts(weights) - self.data.y[own]
        return np.asarray((missed**2).sum(0))


def finite(features: np.ndarray) -> np.ndarray:
    """Return features as float64.

    Raises:
        TableError: If one is not finite.
    """
    found = np.asarray(features, np.float64)
    if not np.isfinite(found).all():
        raise TableError("Ridge needs finite features: leave out patches that are not usable.")
    return found


def _scale(variance: np.ndarray, centre: np.ndarray, standardise: bool) -> np.ndarray:
    if not standardise:
        return np.ones_like(variance)
    moves = variance > _SMALLEST * (centre**2 + variance)
    return np.sqrt(np.where(moves, variance, 1.0))


def _solved(matrix: np.ndarray, added: np.ndarray, aim: np.ndarray) -> np.ndarray:
    """Solve for a symmetric matrix, positive definite once numbers are added to its diagonal."""
    ridge = matrix.copy(order="F")
    ridge[np.diag_indices_from(ridge)] += added
    try:
        factor = cho_factor(ridge, overwrite_a=True, check_finite=False)
    except LinAlgError:
        # A small penalty may be less than the rounding of large products.
        ridge = matrix + np.diag(added)
        unit = np.sqrt(ridge.diagonal())[:, None]
        values, vectors = np.linalg.eigh(ridge / unit / unit.T)
        floor = np.finfo(float).eps * len(values) * values[-1]
        return np.asarray(vectors @ ((vectors.T @ (aim / unit)) / np.maximum(values, floor)[:, None]) / unit)
    return np.asarray(cho_solve(factor, aim, check_finite=False))
