"""Correlations of predictors with a reference, signs kept: of samples, under weights, and of resampled blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from rankscape.evaluation.ranks import WeightedRanks, concordance, tau_of_draws
from rankscape.spatial.blocks import block_bootstrap

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
    return weighted_correlation(np.asarray(x, float), np.asarray(y, float), np.ones(len(x)))


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


def weighted_correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Return the correlation of two samples, shape (n,), where place i counts `weights[i]` times.

    Returns:
        Correlation in [-1, 1]; NaN where one of the samples is constant under the weights.
    """
    rows = np.stack([x, y])
    return float(_correlation_with_last(_products(rows, weights), rows, weights)[0])


def _products(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sums of products of deviations from the mean, float64, shape (rows, rows)."""
    deviations = rows - (rows @ weights / weights.sum())[:, None]
    return np.asarray((deviations * weights) @ deviations.T)


def _correlation_with_last(products: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Correlations of all rows but the last with the last one, from their products; NaN where one is constant."""
    squares = np.diag(products)
    smallest = (_ROUNDING * np.abs(rows).max(axis=1)) ** 2 * weights.sum()
    known = np.where(squares > smallest, squares, np.nan)
    return np.asarray(np.clip(products[:-1, -1] / np.sqrt(known[:-1] * known[-1]), -1.0, 1.0))


def _partial_correlation(products: np.ndarray, controls: Sequence[int]) -> np.ndarray:
    """Correlate rows with the last one, both freed of what the controls explain of them by least squares.

    Of ranks this is Spearman's partial correlation.

    Args:
        products: As `_products` returns them, shape (rows, rows); the last row is the reference.
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


@dataclass(frozen=True)
class Correlations:
    """Statistics of every draw; float64, shape (draws, predictors), NaN where a draw left nothing to compare."""

    pearson: np.ndarray
    spearman: np.ndarray
    kendall: np.ndarray
    """To first order (`tau_of_draws`)."""
    log_pearson: np.ndarray
    """Pearson's correlation of the logarithms, over the places where both are positive."""
    partial: np.ndarray
    """Spearman's partial correlation given `controls`; NaN for the controls themselves."""


@dataclass(frozen=True)
class PairedSamples:
    """What is compared: predictors, the reference, and both on a logarithmic scale."""

    predictors: np.ndarray
    """Finite numbers, shape (predictors, n)."""
    reference: np.ndarray
    """Finite numbers, shape (n,)."""
    raw_reference: np.ndarray
    """The reference before its transform, shape (n,)."""
    controls: tuple[int, ...] = ()
    """Predictors that the partial correlations are given."""

    def logarithms(self, predictor: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Logarithms of predictor and reference where both are positive, and where that is (bool, shape (n,))."""
        positive = (self.predictors[predictor] > 0) & (self.raw_reference > 0)
        return np.log(self.predictors[predictor][positive]), np.log(self.raw_reference[positive]), positive

    def estimate(self) -> Correlations:
        """The statistics of the sample itself, shapes (1, predictors)."""
        whole = np.zeros(len(self.reference), np.int64)
        return Correlations(*_BlockSums.of(self, whole, 1).statistics(np.ones((1, 1))).swapaxes(0, 1))

    def bootstrap(self, blocks: np.ndarray, draws: int, seed: int) -> Correlations:
        """Correlate in samples of whole blocks (`block_bootstrap`).

        All but Kendall's are exact in every draw: for Spearman, all places are ranked anew.

        Args:
            blocks: Number of the block that holds each place, shape (n,).
            draws: Number of draws.
            seed: Seed of the draws.

        Returns:
            The correlations of every draw; predictors share the draws, so that they can be compared draw by draw.
        """
        names, block = np.unique(blocks, return_inverse=True)
        sums = _BlockSums.of(self, block, len(names))
        return Correlations(*block_bootstrap(sums.statistics, len(names), draws, seed).swapaxes(0, 1))


@dataclass(frozen=True)
class _BlockSums:
    """What every draw needs of the sample, computed once: all but ranks are sums over blocks."""

    rankers: list[WeightedRanks]
    """Of the predictors, then of the reference."""
    block: np.ndarray
    """Block of each place, 0 ... blocks - 1, int64, shape (n,)."""
    controls: tuple[int, ...]
    moments: list[np.ndarray]
    log_moments: list[np.ndarray]
    concordances: list[np.ndarray]

    @classmethod
    def of(cls, compared: PairedSamples, block: np.ndarray, blocks: int) -> "_BlockSums":
        logarithms = [compared.logarithms(place) for place in range(len(compared.predictors))]
        return cls(
            [WeightedRanks(row) for row in (*compared.predictors, compared.reference)],
            block,
            compared.controls,
            [_moments(row, compared.reference, block, blocks) for row in compared.predictors],
            [_moments(x, y, block[positive], blocks) for x, y, positive in logarithms],
            [concordance(row, compared.reference).sums(block, blocks) for row in compared.predictors],
        )

    def statistics(self, counts: np.ndarray) -> np.ndarray:
        """The fields of `Correlations` of draws, shape (draws, 5, predictors).

        Args:
            counts: How often each block is drawn, float64, shape (draws, blocks).
        """
        pearson, logs = (
            np.stack([_moment_correlation(counts @ own) for own in moments], axis=1)
            for moments in (self.moments, self.log_moments)
        )
        kendall = np.stack([tau_of_draws(sums, counts) for sums in self.concordances], axis=1)
        spearman, partial = np.stack([self._of_ranks(own[self.block]) for own in counts], axis=1)
        return np.stack([pearson, spearman, kendall, logs, partial], axis=1)

    def _of_ranks(self, weights: np.ndarray) -> np.ndarray:
        """Spearman's and the partial correlation under weights of the places, shape (2, predictors)."""
        ranks = np.stack([ranker.ranks(weights) for ranker in self.rankers])
        products = _products(ranks, weights)
        return np.stack(
            [_correlation_with_last(products, ranks, weights), _partial_correlation(products, self.controls)]
        )


def _moments(x: np.ndarray, y: np.ndarray, block: np.ndarray, blocks: int) -> np.ndarray:
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


def _moment_correlation(moments: np.ndarray) -> np.ndarray:
    """Return correlations from sums of 1, x, y, x², y² and xy.

    Args:
        moments: Shape (samples, 6), of samples whose means and deviations are about 0 and 1 all together.

    Returns:
        float64, shape (samples,); NaN where one of the samples is constant or empty.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y, xx, yy, xy = (moments[:, 1:] / moments[:, :1]).T
        var_x, var_y = (np.where(own > _EQUAL, own, np.nan) for own in (xx - x * x, yy - y * y))
        return np.asarray(np.clip((xy - x * y) / np.sqrt(var_x * var_y), -1.0, 1.0))
