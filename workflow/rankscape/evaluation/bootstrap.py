"""Spatial block bootstrap of correlations: whole blocks of land are drawn with replacement.

Neighbouring places resemble each other, so that places drawn one by one would give intervals that are far too narrow.
Whole blocks keep the likeness within a draw (Künsch 1989; for spatial data Lahiri 2003).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rankscape.evaluation.correlation import (
    WeightedRanks,
    correlation_with_last,
    moment_correlation,
    moments_of,
    partial_correlation,
    weighted_products,
)
from rankscape.evaluation.kendall import concordance, tau_of_draws

_CHUNK = 256
"""Draws of which the block counts are held at a time."""
_ROUNDING = 1e-12
"""Ranks that vary by no more than this share of the largest are equal."""


@dataclass(frozen=True)
class Draws:
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
class Samples:
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

    def estimate(self) -> Draws:
        """The statistics of the sample itself, shapes (1, predictors)."""
        whole = np.zeros(len(self.reference), np.int64)
        return _Prepared.of(self, whole, 1).statistics(np.ones((1, 1)))


@dataclass(frozen=True)
class _Prepared:
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
    def of(cls, samples: Samples, block: np.ndarray, blocks: int) -> "_Prepared":
        logarithms = [samples.logarithms(place) for place in range(len(samples.predictors))]
        return cls(
            [WeightedRanks(row) for row in (*samples.predictors, samples.reference)],
            block,
            samples.controls,
            [moments_of(row, samples.reference, block, blocks) for row in samples.predictors],
            [moments_of(x, y, block[positive], blocks) for x, y, positive in logarithms],
            [concordance(row, samples.reference).sums(block, blocks) for row in samples.predictors],
        )

    def statistics(self, counts: np.ndarray) -> Draws:
        """Statistics of draws; how often each block is drawn, float64, shape (draws, blocks)."""
        pearson, logs = (
            np.stack([moment_correlation(counts @ own) for own in moments], axis=1)
            for moments in (self.moments, self.log_moments)
        )
        kendall = np.stack([tau_of_draws(sums, counts) for sums in self.concordances], axis=1)
        spearman, partial = np.stack([self._of_ranks(own[self.block]) for own in counts], axis=1)
        return Draws(pearson, spearman, kendall, logs, partial)

    def _of_ranks(self, weights: np.ndarray) -> np.ndarray:
        """Spearman's and the partial correlation under weights of the places, shape (2, predictors)."""
        ranks = np.stack([ranker.ranks(weights) for ranker in self.rankers])
        products = weighted_products(ranks, weights)
        smallest = (_ROUNDING * weights.sum()) ** 2 * weights.sum()
        return np.stack([correlation_with_last(products, smallest), partial_correlation(products, self.controls)])


def bootstrap_correlations(samples: Samples, blocks: np.ndarray, draws: int, seed: int) -> Draws:
    """Correlate predictors with a reference in samples of whole blocks.

    As many blocks as there are, are drawn with replacement; a place counts as often as its block was drawn. All but
    Kendall's are exact in every draw: for Spearman, all places are ranked anew.

    Args:
        samples: Predictors and reference.
        blocks: Number of the block that holds each place, shape (n,).
        draws: Number of draws.
        seed: Seed of the draws.

    Returns:
        The correlations of every draw; predictors share the draws, so that they can be compared draw by draw.
    """
    names, block = np.unique(blocks, return_inverse=True)
    prepared = _Prepared.of(samples, block, len(names))
    return _joined([prepared.statistics(counts) for counts in _block_counts(len(names), draws, seed)])


def _joined(chunks: Sequence[Draws]) -> Draws:
    names = ("pearson", "spearman", "kendall", "log_pearson", "partial")
    return Draws(*(np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in names))


def _block_counts(blocks: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each block is drawn, float64, shape (some draws, blocks), until all draws are done."""
    generator = np.random.default_rng([seed, blocks])
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        yield generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=size).astype(np.float64)
