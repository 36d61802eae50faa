"""The half-quadratic iteration behind the weighted ensembles: distances give weights, weights give merged ranks.

Few judges are kept as inner products of their deviations from the mean, G = D Dᵀ: then an iteration takes (judges)²
steps and never touches a rank. Many judges are passed over in blocks that stay in the processor's cache, once an
iteration, without any copy of the ranks. Sums are taken block by block in one order, so that the number of threads
changes no bit.
"""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from rankscape.studies.ranking.orders.ballots import not_finite, uniform

AGREED = 1e-20
"""Mean squared distance, relative to the squared ranks, below which judges agree but for rounding."""
_BLOCK_NUMBERS = 1 << 17
"""Ranks in a block: a megabyte."""
_SPAN = 2
"""Judges for each cluster up to which inner products are the shorter way."""
_MUCH_LONGER = 8
"""Clusters for each judge from which on deviations are not looked at one by one."""
_WIDE = 0.01
"""Mean square of the judges' deviations, as a share of their ranks', at which little cancels in inner products."""
_ROUNDING = 1e-14
"""Taken off every squared distance, as a share of the judges' mean square, so that none is mere rounding."""
_CANCELLED = 1e-6
"""Squared step, as a share of the judges' mean square, below which it is not the difference of larger numbers."""
_BLOCKS_A_THREAD = 8
"""A thread with fewer blocks costs more than it does."""

Alphas = Callable[[np.ndarray, float], np.ndarray]
"""From squared distances of judges, shape (k,), and the mean squared distance of all, to each judge's alpha."""


class InnerProducts:
    """Few ranks: merged ranks are weights over the judges, and distances follow from inner products."""

    def __init__(self, ranks: np.ndarray, *, from_mean: bool) -> None:
        judges, clusters = ranks.shape
        self._ranks = ranks = ranks.astype(np.float64, copy=False)
        if judges <= _SPAN * clusters:
            gram, spread = _inner_products(ranks)
            self._norms = gram.diagonal().copy()
            gram *= -2.0
            self._fall_of: Callable[[np.ndarray], np.ndarray] = gram.dot
        else:
            centre = centre_of(ranks)
            deviations, spread = ranks - centre, float(centre.dot(centre))
            self._norms = np.einsum("mn,mn->m", deviations, deviations)
            self._fall_of = partial(_through, deviations)
        # A product of short vectors costs less than a sum or a number.
        self._ones, self._zeros = np.ones(judges), np.zeros(judges)
        self._mean_norm = float(self._norms.dot(self._ones)) / judges
        self.agreed = self._mean_norm <= AGREED * max(1.0, spread)
        self._from_zero = not from_mean
        self._weights = self._before = uniform(judges)
        # -2 G w and wᵀG w; the mean's inner product with every deviation is 0.
        self._fall, self._height = self._zeros, 0.0
        self.alpha, self.total, self.moved, self.mean_square = self._zeros, 0.0, math.inf, 0.0

    def squares(self) -> np.ndarray:
        """Return squared distances to the merged ranks, shape (judges,); 0 where they are but rounding."""
        if self._from_zero:
            return np.asarray(np.einsum("mn,mn->m", self._ranks, self._ranks, dtype=np.float64))
        squares = self._norms + self._fall
        squares += self._height - _ROUNDING * self._mean_norm
        return np.maximum(squares, self._zeros, out=squares)

    def weigh(self, alphas: Alphas, *, again: bool = False) -> None:  # noqa: ARG002
        """Set every judge's `alpha`, and their `total`."""
        squares = self.squares()
        self.mean_square = float(squares.mean()) if self._from_zero else self._mean_norm + self._height
        self.alpha = alphas(squares, self.mean_square)
        self.total = float(self.alpha.dot(self._ones))

    def move(self) -> None:
        """Set the merged ranks by the alphas; `moved` is how far that is (Euclidean)."""
        weights = self.alpha / self.total
        fall = self._fall_of(weights)
        height = float(weights.dot(fall)) * -0.5
        # |y' - y|² by three inner products; where these nearly cancel, from the change itself.
        squared = height + self._height + float(weights.dot(self._fall))
        if self._from_zero:
            squared, self._from_zero = float(((weights @ self._ranks) ** 2).sum()), False
        elif squared <= _CANCELLED * self._mean_norm:
            squared = max(0.0, float((weights - self._weights).dot(fall - self._fall)) * -0.5)
        self.moved = math.sqrt(squared)
        self._before, self._weights, self._fall, self._height = self._weights, weights, fall, height

    def largest_move(self) -> float:
        """Return the largest change of any rank by the last move."""
        return float(np.abs((self._weights - self._before) @ self._ranks).max())

    def place(self) -> np.ndarray:
        """Return the state of the iteration, for comparison with an earlier one; see `apart`."""
        return self._weights

    def apart(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return the distance of two places in ranks, as a share of the judges' own spread."""
        change = one - other
        return math.sqrt(max(0.0, change.dot(self._fall_of(change)) * -0.5) / self._mean_norm)

    def ranks(self) -> np.ndarray:
        """Return the merged ranks, shape (clusters,)."""
        return np.asarray(self._weights @ self._ranks)

    def close(self) -> None:
        """Nothing is held."""


class Blocks:
    """Many judges: one pass over blocks of them gives weights and merged ranks."""

    def __init__(self, ranks: np.ndarray, *, from_mean: bool) -> None:
        self._ranks = ranks
        judges, clusters = ranks.shape
        self._rows = max(1, _BLOCK_NUMBERS // clusters)
        self._starts = range(0, judges, self._rows)
        self._threads = min(threads(), len(self._starts) // _BLOCKS_A_THREAD) or 1
        self._held = ExitStack()
        if self._threads > 1:
            self._held.enter_context(threadpool_limits(1, "blas"))
            self._pool = self._held.enter_context(ThreadPoolExecutor(self._threads))
        self._centre = centre_of(ranks)
        self._norms, self.alpha, self._spare = (np.empty(judges) for _ in range(3))
        self._sums, self._totals = np.empty((len(self._starts), clusters)), np.empty(len(self._starts))
        self._each(self._measure)
        self._mean_norm = float(self._norms.sum()) / judges
        self.agreed = self._mean_norm <= AGREED * max(1.0, float(self._centre @ self._centre))
        self._at = np.zeros(clusters) if from_mean else -self._centre
        self._before = self._at
        self.total, self.moved, self.mean_square = 0.0, math.inf, 0.0

    def squares(self) -> np.ndarray:
        """Return squared distances to the merged ranks, shape (judges,)."""
        squares = np.empty(len(self._ranks))

        def fill(_: int, rows: slice, deviations: np.ndarray) -> None:
            squares[rows] = self._distances(rows, deviations)

        self._each(fill)
        return squares

    def weigh(self, alphas: Alphas, *, again: bool = False) -> None:
        """Set every judge's `alpha`, and their `total`; the array before stays as it is, but for `again`."""
        if not again:
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
        """Return the state of the iteration, for comparison with an earlier one; see `apart`."""
        return self._at

    def apart(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return the distance of two places in ranks, as a share of the judges' own spread."""
        return float(np.linalg.norm(one - other)) / math.sqrt(self._mean_norm)

    def ranks(self) -> np.ndarray:
        """Return the merged ranks, shape (clusters,)."""
        return np.asarray(self._at + self._centre)

    def close(self) -> None:
        """End the threads."""
        self._held.close()

    def _measure(self, _: int, rows: slice, deviations: np.ndarray) -> None:
        np.einsum("mn,mn->m", deviations, deviations, out=self._norms[rows])

    def _distances(self, rows: slice, deviations: np.ndarray) -> np.ndarray:
        squares = deviations @ (-2 * self._at)
        squares += self._norms[rows]
        squares += self._at @ self._at - _ROUNDING * self._mean_norm
        np.maximum(squares, 0.0, out=squares)
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
        else:
            list(self._pool.map(run, [blocks[first :: self._threads] for first in range(self._threads)]))


def _through(deviations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """-2 D Dᵀ w without D Dᵀ."""
    return np.asarray(deviations.dot(weights.dot(deviations) * -2.0))


def _inner_products(ranks: np.ndarray) -> tuple[np.ndarray, float]:
    """Return inner products of the judges' deviations from the mean, and the squared length of a vector of ranks."""
    if len(ranks) * _MUCH_LONGER <= ranks.shape[1]:
        # Without a look at every deviation; good where the judges' spread is not tiny beside the ranks.
        # A matrix times itself takes numpy's symmetric product, which is half as fast on few long rows.
        half = len(ranks) // 2
        with np.errstate(invalid="ignore"):  # Ranks that are not finite are refused below.
            plain = np.concatenate([ranks[:half] @ ranks.T, ranks[half:] @ ranks.T])
            rows = np.add.reduce(plain) / len(plain)
            gram = plain - (rows + rows[:, None])
            gram += np.add.reduce(rows) / len(rows)
        spread = float(plain[0, 0])
        if gram.trace() > _WIDE * len(ranks) * spread:
            return np.asarray(gram), spread
    centre = centre_of(ranks)
    deviations = ranks - centre
    return np.asarray(deviations @ deviations.T), float(centre.dot(centre))


def centre_of(ranks: np.ndarray) -> np.ndarray:
    """Return the mean ranks, float64, shape (clusters,).

    Raises:
        ValueError: If a rank is not finite: then its sum is not, and no other look at all ranks is needed.
    """
    centre = np.add.reduce(ranks, axis=0, dtype=np.float64)
    centre /= len(ranks)
    if not math.isfinite(np.add.reduce(centre)):
        raise not_finite(ranks)
    return np.asarray(centre)


def judges_of(ranks: np.ndarray, *, from_mean: bool) -> InnerProducts | Blocks:
    """Return judges in the form that is faster for so many of them; to be closed.

    Args:
        ranks: Shape (judges, clusters).
        from_mean: Start at the mean; otherwise at 0.

    Raises:
        ValueError: If a rank is not finite.
    """
    judges, clusters = ranks.shape
    few = ranks.size <= _BLOCK_NUMBERS or (judges <= _SPAN * clusters and judges**2 <= _BLOCK_NUMBERS)
    return InnerProducts(ranks, from_mean=from_mean) if few else Blocks(ranks, from_mean=from_mean)


def threads() -> int:
    """Return how many threads may run: this process's cores, or fewer by OMP_NUM_THREADS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(allowed)) if allowed.isdigit() and int(allowed) > 0 else cores
