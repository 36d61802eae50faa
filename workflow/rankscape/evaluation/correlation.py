"""Pearson and Spearman correlation, sign kept, also under weights of the places or given other samples."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

_ROUNDING = 1e-12
"""Values closer to each other than this share of the largest are equal: their mean is not exact."""
_EQUAL = 1e-15
"""Variance of a part, where that of the whole is 1, that is no more than rounding."""
_EXPLAINED = 1e-10
"""A row of which controls leave a smaller share of the squares is wholly explained by them."""


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Return the Pearson correlation of two samples.

    Args:
        x: Finite numbers, shape (n,).
        y: Finite numbers, shape (n,).

    Returns:
        Correlation in [-1, 1]; NaN where one of the samples is constant.
    """
    return float(weighted_correlation(np.asarray(x, float), np.asarray(y, float), np.ones(len(x))))


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Return the Spearman correlation of two samples: Pearson's of their average ranks (Spearman 1904; Kendall 1945).

    Args:
        x: Finite numbers, shape (n,).
        y: Finite numbers, shape (n,).

    Returns:
        Correlation in [-1, 1]; NaN where one of the samples is constant.
    """
    return pearson(rankdata(x), rankdata(y))


def is_constant(x: np.ndarray) -> bool:
    """Say whether all values of a sample are the same, or there is none."""
    return len(x) == 0 or bool(np.all(x == x[0]))


def weighted_correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the correlation where place i counts `weights[i]` times.

    Args:
        x: Shape (..., n).
        y: Shape (n,).
        weights: Not negative, not all zero; shape (n,).

    Returns:
        Correlations in [-1, 1], shape (...); NaN where one of the samples is constant under the weights.
    """
    total = weights.sum()
    dx = x - (x @ weights / total)[..., None]
    dy = y - (y @ weights / total)
    spread_x, spread_y = _spread(x, dx, weights), _spread(y, dy, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.clip(dx @ (weights * dy) / (spread_x * spread_y), -1.0, 1.0))


def weighted_products(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted sums of products of deviations from the mean, float64, shape (rows, rows)."""
    deviations = rows - (rows @ weights / weights.sum())[:, None]
    return np.asarray((deviations * weights) @ deviations.T)


def correlation_with_last(products: np.ndarray, smallest: float) -> np.ndarray:
    """Correlate rows with the last one from their sums of products.

    Args:
        products: As `weighted_products` returns them, shape (rows, rows).
        smallest: Sums of squares that are no larger are the rounding of equal values.

    Returns:
        Shape (rows - 1,); NaN where one of the samples is constant.
    """
    squares = np.diag(products)
    known = np.where(squares > smallest, squares, np.nan)
    return np.asarray(np.clip(products[:-1, -1] / np.sqrt(known[:-1] * known[-1]), -1.0, 1.0))


def partial_correlation(products: np.ndarray, controls: Sequence[int]) -> np.ndarray:
    """Correlate rows with the last one, both freed of what the controls explain of them by least squares.

    Of ranks this is Spearman's partial correlation.

    Args:
        products: As `weighted_products` returns them, shape (rows, rows); the last row is the reference.
        controls: Rows that the others are freed of.

    Returns:
        Shape (rows - 1,); NaN for the controls, without controls, and where nothing is left to compare.
    """
    if not controls:
        return np.full(len(products) - 1, np.nan)
    shared = products[:, list(controls)]
    # A pseudo-inverse, for controls may be multiples of each other.
    rest = products - shared @ np.linalg.pinv(shared[list(controls)], rcond=_EXPLAINED, hermitian=True) @ shared.T
    own, whole = np.diag(rest).copy(), np.diag(products)
    own[own <= _EXPLAINED * whole] = np.nan
    found = np.clip(rest[:-1, -1] / np.sqrt(own[:-1] * own[-1]), -1.0, 1.0)
    found[list(controls)] = np.nan
    return np.asarray(found)


def moment_correlation(moments: np.ndarray) -> np.ndarray:
    """Return correlations from sums of 1, x, y, x², y² and xy.

    Args:
        moments: Shape (samples, 6), of samples whose means and deviations are about 0 and 1 all together.

    Returns:
        float64, shape (samples,); NaN where one of the samples is constant or empty.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y, xx, yy, xy = (moments[:, 1:] / moments[:, :1]).T
        spread_x, spread_y = (np.where(own > _EQUAL, own, np.nan) for own in (xx - x * x, yy - y * y))
        return np.asarray(np.clip((xy - x * y) / np.sqrt(spread_x * spread_y), -1.0, 1.0))


def moments_of(x: np.ndarray, y: np.ndarray, block: np.ndarray, blocks: int) -> np.ndarray:
    """Sum 1, x, y, x², y² and xy of every block, each sample first brought to mean 0 and deviation 1.

    Args:
        x: Finite numbers, shape (n,).
        y: Finite numbers, shape (n,).
        block: Block of each place, 0 ... blocks - 1, shape (n,).
        blocks: Number of blocks.

    Returns:
        float64, shape (blocks, 6).
    """
    if not len(x):
        return np.zeros((blocks, 6))
    x, y = ((own - own.mean()) / max(float(own.std()), _ROUNDING * float(np.abs(own).max()), 1e-300) for own in (x, y))
    terms = (np.ones(len(x)), x, y, x * x, y * y, x * y)
    return np.column_stack([np.bincount(block, term, minlength=blocks) for term in terms])


def _spread(x: np.ndarray, dx: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Root of the weighted sum of squares; NaN where it is no more than the rounding of equal values."""
    spread = np.sqrt((dx * dx) @ weights)
    rounding = _ROUNDING * np.abs(x).max(axis=-1) * np.sqrt(weights.sum())
    return np.where(spread > rounding, spread, np.nan)


class WeightedRanks:
    """Average ranks of one sample under integer weights, re-ranked exactly for every set of weights.

    The sample is sorted once; each call then takes linear time.
    """

    def __init__(self, x: np.ndarray) -> None:
        values, self._group = np.unique(x, return_inverse=True)
        self._groups = len(values)

    def ranks(self, weights: np.ndarray) -> np.ndarray:
        """Return the average ranks in the sample in which place i stands `weights[i]` times.

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
