"""Places in a ranking, with intervals from joint draws of all scores."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

_CHUNK = 64
"""Draws ranked at a time."""


@dataclass(frozen=True)
class Ranks:
    """Ranks, 1 the highest score; float64, shape (n,), NaN where there is no score or, for ends, no interval."""

    rank: np.ndarray
    """Rank of the score; of equal scores each the best of theirs."""
    low: np.ndarray
    """Best rank of the interval."""
    high: np.ndarray
    """Worst rank of the interval."""


def ranks_with_intervals(
    scores: np.ndarray, covariance: np.ndarray, *, confidence: float, draws: int, seed: int
) -> Ranks:
    """Rank scores, and say between which ranks each lies.

    All scores are drawn together from a normal distribution around the estimates with the covariance of their errors
    (Goldstein and Spiegelhalter 1996); every draw is ranked; the interval holds the percentiles of each one's ranks.

    Args:
        scores: NaN where there is none; shape (n,).
        covariance: Of the errors; NaN on the diagonal where it is not known; shape (n, n).
        confidence: Coverage, between 0 and 1.
        draws: Number of draws.
        seed: Seed of the draws.

    Returns:
        Ranks among the scores that are given.
    """
    given, known = np.isfinite(scores), np.isfinite(np.diag(covariance))
    rank, low, high = np.full((3, len(scores)), np.nan)
    rank[given] = rankdata(-scores[given], method="min")
    both = given & known
    if both.any():
        drawn = _drawn_ranks(scores[given], covariance[np.ix_(given, given)], draws, seed)
        tail = (1 - confidence) / 2
        ends = np.quantile(drawn, [tail, 1 - tail], axis=0, method="inverted_cdf")
        low[given], high[given] = ends
        low[~known], high[~known] = np.nan, np.nan
    # The score itself is one of the orders that cannot be excluded.
    return Ranks(rank, np.fmin(low, np.where(both, rank, np.nan)), np.fmax(high, np.where(both, rank, np.nan)))


def _drawn_ranks(scores: np.ndarray, covariance: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Ranks of every draw, int32, shape (draws, n)."""
    root = _root(np.where(np.isfinite(covariance), covariance, 0.0))
    chance = np.random.default_rng([seed, len(scores)])
    result = np.empty((draws, len(scores)), np.int32)
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        drawn = scores + chance.standard_normal((size, len(scores))) @ root.T
        result[start : start + size] = rankdata(-drawn, method="min", axis=1)
    return result


def _root(covariance: np.ndarray) -> np.ndarray:
    """A matrix A with A A' = covariance; where rounding or cells left it not quite one, the nearest with its variances.

    Negative eigenvalues of the correlations become 0, and rows are scaled to length 1 again (Rebonato and Jäckel 2000).
    """
    spread = np.sqrt(np.diag(covariance))
    scale = np.where(spread > 0, spread, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    length = np.linalg.norm(root, axis=1, keepdims=True)
    unit: np.ndarray = np.divide(root, length, out=np.zeros_like(root), where=length > 0)
    return unit * spread[:, None]
