"""The half-quadratic iteration behind the weighted ensembles: distances give weights, weights give merged ranks.

Few judges are kept as inner products of their deviations from the mean, G = D Dᵀ: then an iteration costs (judges)²
and never touches a rank. Many judges are passed over in blocks that stay in the processor's cache, once an iteration,
without any copy of the ranks. Sums are taken block by block in one order, so that the number of threads changes no bit.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
from threadpoolctl import threadpool_limits

AGREED = 1e-20
"""Mean squared distance, relative to the squared ranks, below which judges agree but for rounding."""
_BLOCK_NUMBERS = 1 << 17
"""Ranks in a block: a megabyte."""
_SPAN = 2
"""Judges for each cluster up to which inner products are the shorter way."""

Alphas = Callable[[np.ndarray, float], np.ndarray]
"""From squared distances of judges, shape (k,), and the mean squared distance of all, to each judge's alpha."""


class Span:
    """Few judges: merged ranks are weights over the judges, distances follow from inner products."""

    def __init__(self, ranks: np.ndarray, *, from_mean: bool) -> None:
        self._ranks = ranks
        self._centre = ranks.mean(axis=0, dtype=np.float64)
        self._deviations = ranks - self._centre
        self._gram = self._deviations @ self._deviations.T
        self._norms = self._gram.diagonal()
        self._mean_norm = float(self._norms.sum()) / len(ranks)
        self._agreed = AGREED * max(1.0, float(self._centre @ self._centre))
        self._weights = np.full(len(ranks), 1 / len(ranks)) if from_mean else None
        # The mean's inner product with every deviation is 0.
        self._pull, self._height = np.zeros(len(ranks)), 0.0
        self._before = np.zeros(len(ranks))
        self.alpha, self.total, self.moved, self.mean_square = np.zeros(len(ranks)), 0.0, 0.0, 0.0

    def squares(self) -> np.ndarray:
        """Return squared distances to the merged ranks, shape (judges,)."""
        if self._weights is None:
            return np.asarray(np.einsum("mn,mn->m", self._ranks, self._ranks, dtype=np.float64))
        squares = self._norms - 2 * self._pull
        squares += self._height
        squares[squares <= self._agreed] = 0.0
        return np.asarray(squares)

    def weigh(self, alphas: Alphas) -> None:
        """Set every judge's `alpha`, and their `total`."""
        squares = self.squares()
        if self._weights is None:
            self.mean_square = float(squares.sum()) / len(squares)
        else:
            self.mean_square = self._mean_norm + self._height
        self.alpha = alphas(squares, self.mean_square)
        self.total = float(self.alpha.sum())

    def move(self) -> None:
        """Set the merged ranks by the alphas; `moved` is how far that is (Euclidean)."""
        weights = self.alpha / self.total
        pull = self._gram @ weights
        if self._weights is None:
            self.moved = float(np.linalg.norm(weights @ self._deviations + self._centre))
        else:
            self.moved = max(0.0, float((weights - self._weights) @ (pull - self._pull))) ** 0.5
        self._before = self._before if self._weights is None else self._weights
        self._weights, self._pull = weights, pull
        self._height = max(0.0, float(weights @ pull))

    def largest_move(self) -> float:
        """Return the largest change of any rank by the last move."""
        return float(np.abs((self.place() - self._before) @ self._deviations).max())

    def place(self) -> np.ndarray:
        """Return where the iteration stands, for comparison with where it stood; see `apart`."""
        assert self._weights is not None
        return self._weights

    def apart(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return the distance of two places in ranks, as a share of the judges' own spread."""
        change = one - other
        return float((max(0.0, change @ self._gram @ change) / max(self._mean_norm, self._agreed)) ** 0.5)

    def ranks(self) -> np.ndarray:
        """Return the merged ranks, shape (clusters,)."""
        assert self._weights is not None
        return np.asarray(self._weights @ self._deviations + self._centre)


class Blocks:
    """Many judges: one pass over blocks of them gives weights and merged ranks."""

    def __init__(self, ranks: np.ndarray, *, from_mean: bool) -> None:
        self._ranks = ranks
        judges, clusters = ranks.shape
        self._rows = max(1, _BLOCK_NUMBERS // clusters)
        self._starts = range(0, judges, self._rows)
        self._threads = min(threads(), len(self._starts))
        self._centre = ranks.mean(axis=0, dtype=np.float64)
        self._norms, self.alpha, self._spare = (np.empty(judges) for _ in range(3))
        self._sums, self._totals = np.empty((len(self._starts), clusters)), np.empty(len(self._starts))
        self._each(self._measure)
        self._mean_norm = float(self._norms.sum()) / judges
        self._agreed = AGREED * max(1.0, float(self._centre @ self._centre))
        self._at = np.zeros(clusters) if from_mean else -self._centre
        self._before = self._at
        self.total, self.moved, self.mean_square = 0.0, 0.0, 0.0

    def squares(self) -> np.ndarray:
        """Return squared distances to the merged ranks, shape (judges,)."""
        squares = np.empty(len(self._ranks))

        def fill(_: int, rows: slice, deviations: np.ndarray) -> None:
            squares[rows] = self._distances(rows, deviations)

        self._each(fill)
        return squares

    def weigh(self, alphas: Alphas) -> None:
        """Set every judge's `alpha`, and their `total`."""
        self.alpha, self._spare = self._spare, self.alpha
        # Deviations sum to 0, so the mean squared distance is known before the pass.
        self.mean_square = self._mean_norm + float(self._at @ self._at)

        def fill(number: int, rows: slice, deviations: np.ndarray) -> None:
            alpha = alphas(self._distances(rows, deviations), self.mean_square)
            self.alpha[rows] = alpha
            self._sums[number], self._totals[number] = alpha @ deviations, alpha.sum()

        self._each(fill)
        self.total = float(self._totals.sum())

    def move(self) -> None:
        """Set the merged ranks by the alphas; `moved` is how far that is (Euclidean)."""
        self._before, self._at = self._at, self._sums.sum(axis=0) / self.total
        self.moved = float(np.linalg.norm(self._at - self._before))

    def largest_move(self) -> float:
        """Return the largest change of any rank by the last move."""
        return float(np.abs(self._at - self._before).max())

    def place(self) -> np.ndarray:
        """Return where the iteration stands, for comparison with where it stood; see `apart`."""
        return self._at

    def apart(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return the distance of two places in ranks, as a share of the judges' own spread."""
        return float(np.linalg.norm(one - other) / max(self._mean_norm, self._agreed) ** 0.5)

    def ranks(self) -> np.ndarray:
        """Return the merged ranks, shape (clusters,)."""
        return np.asarray(self._at + self._centre)

    def _measure(self, _: int, rows: slice, deviations: np.ndarray) -> None:
        np.einsum("mn,mn->m", deviations, deviations, out=self._norms[rows])

    def _distances(self, rows: slice, deviations: np.ndarray) -> np.ndarray:
        squares = deviations @ (-2 * self._at)
        squares += self._norms[rows]
        squares += self._at @ self._at
        squares[squares <= self._agreed] = 0.0
        return np.asarray(squares)

    def _each(self, work: Callable[[int, slice, np.ndarray], None]) -> None:
        """Do work on every block: its number, its judges, and their deviations from the mean."""

        def run(numbers: range) -> None:
            buffer = np.empty((self._rows, self._ranks.shape[1]))
            for number in numbers:
                block = self._ranks[self._starts[number] : self._starts[number] + self._rows]
                deviations = np.subtract(block, self._centre, out=buffer[: len(block)])
                work(number, slice(self._starts[number], self._starts[number] + len(block)), deviations)

        blocks = range(len(self._starts))
        if self._threads == 1:
            run(blocks)
            return
        with ExitStack() as stack:
            stack.enter_context(threadpool_limits(1, "blas"))
            pool = stack.enter_context(ThreadPoolExecutor(self._threads))
            list(pool.map(run, [blocks[first :: self._threads] for first in range(self._threads)]))


def judges_of(ranks: np.ndarray, *, from_mean: bool) -> Span | Blocks:
    """Return judges in the form that is faster for so many of them.

    Args:
        ranks: Shape (judges, clusters).
        from_mean: Start at the mean; otherwise at 0.
    """
    few = len(ranks) <= _SPAN * ranks.shape[1] and len(ranks) ** 2 <= _BLOCK_NUMBERS
    return Span(ranks, from_mean=from_mean) if few else Blocks(ranks, from_mean=from_mean)


def threads() -> int:
    """Return how many threads may run: this process's cores, or fewer by OMP_NUM_THREADS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(allowed)) if allowed.isdigit() and int(allowed) > 0 else cores
