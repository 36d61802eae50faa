"""Ranks: under weights, compared pairwise (Kendall), and with intervals from joint draws of all scores."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

_CHUNK = 64
"""Draws ranked at a time."""


class WeightedRanks:
    """Average ranks of one sample under integer weights, re-ranked exactly for every set of weights.

    The sample is sorted once; each call then takes linear time.
    """

    def __init__(self, x: np.ndarray) -> None:
        values, self._group = np.unique(x, return_inverse=True)
        self._groups = len(values)

    def ranks(self, weights: np.ndarray) -> np.ndarray:
        """Return the average ranks in the sample in which place i occurs `weights[i]` times.

        A value that fills b places after c lower ones gets c + (b + 1)/2, like any tied group. Places of weight 0 get
        the rank that they would share; they do not count.

        Args:
            weights: Whole numbers as float64, shape (n,).

        Returns:
            Ranks, float64, shape (n,); 1 is the lowest value.
        """
        filled = np.bincount(self._group, weights, minlength=self._groups)
        shared: np.ndarray = np.cumsum(filled) - (filled - 1) / 2
        return shared[self._group]


@dataclass(frozen=True)
class Concordance:
    """Of every place, how it compares with all others; float64, shape (n,) each."""

    agreeing: np.ndarray
    """Places in the same order in both samples, less those in the opposite order."""
    unequal_x: np.ndarray
    """Places with another value of the first sample."""
    unequal_y: np.ndarray
    """Places with another value of the second sample."""

    def sums(self, block: np.ndarray, blocks: int) -> np.ndarray:
        """Sum the three of every block (numbers 0 ... blocks - 1, shape (n,)), float64, shape (blocks, 3)."""
        parts = (self.agreeing, self.unequal_x, self.unequal_y)
        return np.column_stack([np.bincount(block, part, minlength=blocks) for part in parts])


def tau_of_draws(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return tau-b (Kendall 1945) of draws of whole blocks, to first order in how often a block is drawn.

    Sums over pairs are replaced by their projection on single places (Hájek 1968): what a place's pairs say is kept,
    how the change of two places works together is not. So a draw takes no time. The change is taken on Fisher's scale,
    artanh tau: there it cannot leave the scale, however few blocks there are.

    Args:
        sums: Of every block, as `Concordance.sums` returns them, shape (blocks, 3).
        counts: How often each block is drawn, shape (draws, blocks).

    Returns:
        float64, shape (draws,); NaN where one of the samples is constant.
    """
    both, x, y = sums.sum(axis=0)
    if x <= 0 or y <= 0:
        return np.full(len(counts), np.nan)
    tau = both / np.sqrt(x * y)
    if abs(tau) >= 1:
        return np.full(len(counts), np.sign(tau))
    more_both, more_x, more_y = (2 * (counts - 1) @ sums).T
    change = more_both / np.sqrt(x * y) - tau / 2 * (more_x / x + more_y / y)
    return np.asarray(np.tanh(np.arctanh(tau) + change / (1 - tau**2)))


def concordance(x: np.ndarray, y: np.ndarray) -> Concordance:
    """Compare every place with all others, in O(n log² n).

    Args:
        x: Finite numbers, shape (n,).
        y: Finite numbers, shape (n,).
    """
    x, y = (rankdata(values, "dense").astype(np.int64) for values in (x, y))
    same = _below(x, y) + _below(-x, -y)
    opposite = _below(x, -y) + _below(-x, y)
    return Concordance((same - opposite).astype(float), _unequal(x), _unequal(y))


def _unequal(x: np.ndarray) -> np.ndarray:
    _, group, count = np.unique(x, return_inverse=True, return_counts=True)
    return np.asarray(len(x) - count[group], float)


def _below(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of every place, how many have both a lower x and a lower y; int64, shape (n,).

    Bottom-up merging: places are sorted by x, and at each level each place of a right half counts the lower y of the
    left half beside it. Among equal x the higher y comes first, so that none of them counts another.
    """
    order = np.lexsort((-y, x))
    sorted_y = y[order] - y.min()
    size, span = len(x), int(sorted_y.max()) + 1
    place, found = np.arange(size), np.zeros(size, np.int64)
    half = 1
    while half < size:
        right = (place // half) % 2 == 1
        pair = place // (2 * half)
        lefts = np.sort(pair[~right] * span + sorted_y[~right])
        start = np.searchsorted(lefts, pair[right] * span)
        found[right] += np.searchsorted(lefts, pair[right] * span + sorted_y[right]) - start
        half *= 2
    result = np.empty(size, np.int64)
    result[order] = found
    return result


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
    deviation = np.sqrt(np.diag(covariance))
    scale = np.where(deviation > 0, deviation, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    length = np.linalg.norm(root, axis=1, keepdims=True)
    unit: np.ndarray = np.divide(root, length, out=np.zeros_like(root), where=length > 0)
    return unit * deviation[:, None]
