"""Kendall's tau-b of large samples, and how much each place has to do with it."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata


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
    left half beside it. Among equal x the higher y stands first, so that none of them counts another.
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
