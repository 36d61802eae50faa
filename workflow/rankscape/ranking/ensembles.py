"""Merging the ranks of many orders into one, so that a few bad judges do little harm (docs/ranking.md).

All methods are weighted means of the judges' rank vectors and differ in the weights. All are half-quadratic
iterations after Mohammadi & Rezaei (Omega 2020): distances of the judges to the merged ranks give weights, weights
give merged ranks, until neither changes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MAX_ITERATIONS = 1000
TOLERANCE = 1e-9
_AGREED = 1e-20
"""Mean squared distance, relative to the squared ranks, below which judges agree but for rounding."""

Exponents = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From squared distances and counts, each of shape (draws, judges), to the logarithm of each judge's alpha."""


@dataclass(frozen=True)
class Merged:
    """Merged ranks and what each judge counts for."""

    ranks: np.ndarray
    """float64, shape (clusters,); 1 is the most developed."""
    weights: np.ndarray
    """float64, shape (judges,); they sum to 1."""
    iterations: int
    """Iterations taken."""
    scale: float | None
    """Scale of the last iteration in ranks (sigma); None for methods without one."""

    @property
    def effective_judges(self) -> float:
        """Number of equally weighted judges that would count as much: 1/sum(weights²)."""
        return float(1 / (self.weights**2).sum())


def mean(ranks: np.ndarray) -> Merged:
    """Merge by the plain mean: the Borda count, and no protection from bad judges.

    Args:
        ranks: Average ranks, shape (judges, clusters).

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    ranks = _checked(ranks)
    return Merged(ranks.mean(axis=0), np.full(len(ranks), 1 / len(ranks)), 1, None)


def robust(ranks: np.ndarray) -> Merged:
    """Merge with a scale that follows the spread of the judges; the default.

    With e_m the Euclidean distance of judge m to the merged ranks: alpha_m = exp(-e_m²/mean(e²)), weights alpha
    over its sum, started at the mean. Welsch's function with a scale so wide that honest judges keep most of their
    weight: on ten real human orders the effective number of judges is 8.3.

    Args:
        ranks: Average ranks, shape (judges, clusters).

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    return _single(_checked(ranks), robust_exponents, from_mean=True, scale=_robust_scale)


def welsch(ranks: np.ndarray) -> Merged:
    """Merge as Mohammadi & Rezaei (Omega 2020) do, with Welsch's function.

    sigma = sum(e²)/(2 M²) over M judges, alpha_m = exp(-e_m²/(2 sigma²)), started at 0. The scale is small where judges
    agree well, so it leans on few of them.

    Args:
        ranks: Average ranks, shape (judges, clusters).

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    return _single(_checked(ranks), welsch_exponents, from_mean=False, scale=_welsch_sigma)


def report(ranks: np.ndarray, sigma: float = 20.0, tolerance: float = 1e-6) -> Merged:
    """Merge as the Sichuan report does (Gong, Zheng & Xie 2024), flaw included; only for reproducing it.

    alpha_m = 1 - exp(-e_m²/sigma²) gives the *outlier* the most weight. At some scales it runs into a cycle of two;
    after 1,000 iterations the last ranks stand. The mean where all judges agree (the report divides 0 by 0).

    Args:
        ranks: The report's own ranks (`PartialOrder.report_ranks`), shape (judges, clusters).
        sigma: Scale in ranks.
        tolerance: Largest change of any merged rank at which it stops.

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    ranks = _checked(ranks)
    merged = ranks.mean(axis=0)
    weights = np.full(len(ranks), 1 / len(ranks))
    for iteration in range(1, MAX_ITERATIONS + 1):
        alpha = -np.expm1(-((ranks - merged) ** 2).sum(axis=1) / sigma**2)
        if alpha.sum() <= _AGREED:
            return Merged(merged, weights, iteration, sigma)
        weights = alpha / alpha.sum()
        previous, merged = merged, weights @ ranks
        if np.abs(merged - previous).max() <= tolerance:
            break
    return Merged(merged, weights, iteration, sigma)


def robust_exponents(squares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return log alpha = -e²/mean(e²); shapes (draws, judges)."""
    return np.asarray(-squares / _mean_square(squares, counts))


def welsch_exponents(squares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return log alpha = -e²/(2 sigma²), sigma = sum(e²)/(2 M²); shapes (draws, judges)."""
    sigma = _mean_square(squares, counts) / (2 * counts.sum(axis=1, keepdims=True))
    return np.asarray(-squares / (2 * sigma**2))


def _mean_square(squares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    mean_square = (counts * squares).sum(axis=1, keepdims=True) / counts.sum(axis=1, keepdims=True)
    return np.where(mean_square > 0, mean_square, np.inf)


def _robust_scale(squares: np.ndarray) -> float:
    return float(np.sqrt(squares.mean() / 2))


def _welsch_sigma(squares: np.ndarray) -> float:
    return float(squares.mean() / (2 * len(squares)))


def _single(
    ranks: np.ndarray, exponents: Exponents, *, from_mean: bool, scale: Callable[[np.ndarray], float]
) -> Merged:
    merged, weights, iterations, squares = iterate(ranks, np.ones((1, len(ranks))), exponents, from_mean=from_mean)
    return Merged(merged[0], weights[0], int(iterations[0]), scale(squares[0]))


def iterate(
    ranks: np.ndarray, counts: np.ndarray, exponents: Exponents, *, from_mean: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Run the half-quadratic iteration for many draws of the judges at once.

    Args:
        ranks: Shape (judges, clusters).
        counts: How often each judge counts in each draw, shape (draws, judges); every draw holds a judge.
        exponents: The method.
        from_mean: Start at the draw's mean; otherwise at 0.

    Returns:
        Merged ranks (draws, clusters), weights (draws, judges), iterations (draws,), and the squared distances
        (draws, judges) that gave the last weights.
    """
    centre = ranks.mean(axis=0)
    # Distances are computed as |x|² - 2 x·y + |y|² around the mean, where the squares are small and little cancels.
    deviations = ranks - centre
    norms = np.einsum("mn,mn->m", deviations, deviations)
    agreed = _AGREED * max(1.0, float(centre @ centre))
    state = _State(counts, (_shares(counts) @ deviations) if from_mean else np.tile(-centre, (len(counts), 1)))
    for _ in range(MAX_ITERATIONS):
        active = np.flatnonzero(state.active)
        if not active.size:
            break
        here = state.merged[active]
        squares = norms - 2 * here @ deviations.T + np.einsum("dn,dn->d", here, here)[:, None]
        squares = np.where(squares > agreed, squares, 0.0)
        state.step(active, squares, exponents(squares, counts[active]), deviations)
    return state.merged + centre, state.weights, state.iterations, state.squares


class _State:
    """Where every draw's iteration stands."""

    def __init__(self, counts: np.ndarray, start: np.ndarray) -> None:
        self.counts = counts
        self.merged = start
        self.weights = _shares(counts)
        self.alpha = np.zeros(counts.shape)
        self.squares = np.zeros(counts.shape)
        self.iterations = np.zeros(len(counts), int)
        self.active = np.ones(len(counts), bool)

    def step(self, rows: np.ndarray, squares: np.ndarray, exponents: np.ndarray, deviations: np.ndarray) -> None:
        """Set weights and merged ranks of the draws in `rows`; those that no longer change rest."""
        weights = _softmax(exponents, self.counts[rows])
        alpha, merged = np.exp(exponents), weights @ deviations
        moved = np.linalg.norm(merged - self.merged[rows], axis=1)
        turned = np.linalg.norm(alpha - self.alpha[rows], axis=1)
        self.weights[rows], self.merged[rows], self.alpha[rows] = weights, merged, alpha
        self.squares[rows] = squares
        self.iterations[rows] += 1
        self.active[rows] = (moved >= TOLERANCE) | (turned >= TOLERANCE)


def _softmax(exponents: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Weights alpha/sum(alpha), also where every alpha is too small for a float."""
    largest = np.where(counts > 0, exponents, -np.inf).max(axis=1, keepdims=True)
    return _shares(counts * np.exp(np.minimum(exponents - largest, 0.0)))


def _shares(counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _checked(ranks: np.ndarray) -> np.ndarray:
    matrix = np.asarray(ranks, np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ValueError(f"ranks must be a finite matrix (judges, clusters), not of shape {matrix.shape}")
    return matrix
