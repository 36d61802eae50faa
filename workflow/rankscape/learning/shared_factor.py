"""Ridge without many sets of folds by one factorisation of each penalty, that of all rows.

Products of most rows are nearly a share of those of all rows. So conjugate gradients that the factorisation
preconditions need few steps (Golub and Van Loan, Matrix Computations, 11.5). Systems are rows of matrices here: LAPACK
sees a row as its column and copies nothing.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_solve

from rankscape.learning.fold_products import Candidate, FoldSums, Held, Solved, TrainedSums, factorise

_FEATURES_PER_TASK = 300
"""Features for each task from which one factorisation is faster than one for each set of folds."""
_ROWS_PER_FEATURE = 2.5
"""Rows trained on for each feature from which few steps are enough."""
_STEPS = 60
"""Most steps; what is not solved then is factorised instead."""
_TO_JUDGE, _TO_PREDICT = 1e-7, 1e-12
"""Relative residuals at which a penalty can be judged, and at which a model is final."""
_EARLIER = 5
"""Earlier solutions that the next is guessed from."""

_Solution = tuple[np.ndarray, np.ndarray, np.ndarray]
"""What was added to the diagonal, shape (d,); weights and residuals, shape (tasks, d)."""


class SharedFactorSums(FoldSums):
    """Sums of products by fold; many features share one factorisation of each penalty."""

    def solve(self, wanted: Mapping[Held, Collection[Candidate]], final: Collection[Held]) -> Iterator[Solved]:
        """Solve for all tasks; as `FoldSums.solve`."""
        left = {held: dict.fromkeys(candidates) for held, candidates in wanted.items() if len(candidates)}
        trained = {held: TrainedSums.without(self, held) for held in left}
        if self._shares(trained.values()):
            # From the largest penalty, so that each solution is guessed from those before.
            for candidate in sorted({one for own in left.values() for one in own}, reverse=True):
                asked = [trained[held] for held, own in left.items() if candidate in own]
                for found in self._together(asked, candidate, final):
                    del left[found.held][candidate]
                    yield found
        yield from super().solve(left, final)

    def _shares(self, trained: Collection[TrainedSums]) -> bool:
        d, tasks = len(self.shift), len(self.base)
        fewest = min((one.n for one in trained), default=0.0)
        return d >= _FEATURES_PER_TASK * tasks and fewest >= _ROWS_PER_FEATURE * d

    @cached_property
    def _whole(self) -> tuple[TrainedSums, np.ndarray]:
        whole = TrainedSums.without(self, ())
        return whole, whole.gram()

    @cached_property
    def _earlier(self) -> dict[Held, deque[_Solution]]:
        """Solutions without a set of folds, of penalties before."""
        return defaultdict(partial(deque, maxlen=_EARLIER))

    def _together(
        self, asked: Sequence[TrainedSums], candidate: Candidate, final: Collection[Held]
    ) -> Iterator[Solved]:
        """Solve for all sets of folds at once; those that take too many steps are left out."""
        whole, gram = self._whole
        try:
            solve = partial(_solve, factorise(gram, whole.diagonal(candidate)))
        except LinAlgError:
            return
        guesses = [_guess(self._earlier[one.held], one.aim.T, one.diagonal(candidate)) for one in asked]
        start, left, size = (np.concatenate(part) for part in zip(*guesses, strict=True))
        new = size == 0
        size[new] = (left[new] * solve(left[new])).sum(1)
        which = np.repeat(np.arange(len(asked)), len(self.base))
        exact = np.array([_TO_PREDICT if one.held in final else _TO_JUDGE for one in asked])[which]
        beyond = partial(self._beyond, asked, candidate, which)
        found, left, done = _iterated(solve, beyond, start, left, exact**2 * size)
        images = {fold: (which[rows], image) for fold, rows, image in self._images(asked, which, found)}
        for number, one in enumerate(asked):
            own = which == number
            if done[own].all():
                self._earlier[one.held].append((one.diagonal(candidate), found[own], left[own]))
                of_folds = {fold: images[fold][1][images[fold][0] == number].T for fold in one.held}
                yield one.solved(candidate, found[own].T, of_folds)

    def _beyond(
        self, asked: Sequence[TrainedSums], candidate: Candidate, which: np.ndarray, x: np.ndarray, on: np.ndarray
    ) -> np.ndarray:
        """Multiply rows by what the matrix of all has beyond that of the set which each belongs to."""
        whole, which = self._whole[0], which[on]
        result = np.outer(x @ whole.centre, whole.centre * -whole.n)
        for number in np.unique(which):
            own, one = which == number, asked[number]
            result[own] += x[own] * (whole.diagonal(candidate) - one.diagonal(candidate))
            result[own] += np.outer(x[own] @ one.centre, one.centre * one.n)
        for _, rows, image in self._images(asked, which, x):
            result[rows] += image
        return result

    def _images(
        self, asked: Sequence[TrainedSums], which: np.ndarray, x: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Multiply rows by the products of each fold that their sets hold out; yield fold, rows and results."""
        for fold, sums in self.sums.items():
            rows = np.flatnonzero([fold in asked[one].held for one in which])
            if len(rows):
                yield fold, rows, x[rows] @ sums.xx


def _guess(
    known: Collection[_Solution], aims: np.ndarray, diagonal: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Guess solutions of (A + D) w = aim from those with other diagonals D.

    They say what A w is. So the best combination of them, in the norm of the new system (Galerkin), costs no product
    with A.

    Args:
        known: Earlier solutions.
        aims: Shape (tasks, d).
        diagonal: D, shape (d,).

    Returns:
        Solutions and residuals, shape (tasks, d), and the energy of the solutions, shape (tasks,); 0 if none is known.
    """
    start, left = np.zeros_like(aims), aims.copy()
    for task, aim in enumerate(aims if known else ()):
        ways = np.stack([found[task] for _, found, _ in known])
        images = np.stack([aim - rest[task] + (diagonal - before) * found[task] for before, found, rest in known])
        products = ways @ images.T
        unit = np.sqrt(np.maximum(products.diagonal(), np.finfo(float).tiny))
        share = np.linalg.lstsq(products / (unit * unit[:, None]), ways @ aim / unit, rcond=1e-13)[0] / unit
        start[task] = share @ ways
        left[task] -= share @ images
    return start, left, (start * aims).sum(1)


def _solve(factor: Any, rows: np.ndarray) -> np.ndarray:
    return np.asarray(cho_solve(factor, rows.T, check_finite=False).T)


def _iterated(
    solve: Callable[[np.ndarray], np.ndarray],
    beyond: Callable[[np.ndarray, np.ndarray], np.ndarray],
    weights: np.ndarray,
    left: np.ndarray,
    enough: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve (M - B) w = aim for many rows at once, by conjugate gradients.

    The product of M and a direction follows from the residuals, so that M itself is not needed.

    Args:
        solve: Multiplies rows by the inverse of M.
        beyond: Multiplies rows by B, another one for each, given their numbers.
        weights: Where to start, shape (rows, d).
        left: Residuals there, shape (rows, d).
        enough: Squared residual, in the norm of the inverse, at which a row is solved, shape (rows,).

    Returns:
        Weights, residuals, and whether each row is solved.
    """
    way, image = solve(left), left.copy()
    size = (left * way).sum(1)
    for _ in range(_STEPS):
        on = np.flatnonzero(size > enough)
        if not len(on):
            break
        moved = way[on]
        change = image[on] - beyond(moved, on)
        step = (size[on] / (moved * change).sum(1))[:, None]
        weights[on] += step * moved
        left[on] -= step * change
        solved = solve(left[on])
        new = (left[on] * solved).sum(1)
        further = (new / size[on])[:, None]
        way[on] = solved + further * moved
        image[on] = left[on] + further * image[on]
        size[on] = new
    return weights, left, size <= enough
