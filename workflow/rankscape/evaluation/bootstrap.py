"""Spatial block bootstrap of correlations: whole blocks of land are drawn with replacement.

Neighbouring places resemble each other, so that places drawn one by one would give intervals that are far too narrow.
Whole blocks keep the likeness within a draw (Künsch 1989; for spatial data Lahiri 2003).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rankscape.evaluation.correlation import WeightedRanks, partial_correlation, weighted_correlation
from rankscape.evaluation.kendall import Concordance, concordance

_CHUNK = 256
"""Draws of which the block counts are held at a time."""
_CHUNK_WEIGHTS = 8_000_000
"""Weights of places held at a time: 64 MB."""


@dataclass(frozen=True)
class Draws:
    """Statistics of every draw; float64, shape (draws, predictors), NaN where a draw left nothing to compare."""

    pearson: np.ndarray
    spearman: np.ndarray
    kendall: np.ndarray
    """To first order (`Concordance.weighted`)."""
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
        return _statistics(self, _Prepared.of(self), np.ones((1, len(self.reference))))


@dataclass(frozen=True)
class _Prepared:
    """What every draw needs of the sample, computed once."""

    rankers: list[WeightedRanks]
    """Of the predictors, then of the reference."""
    concordances: list[Concordance]
    logarithms: list[tuple[np.ndarray, np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, samples: Samples) -> "_Prepared":
        count = len(samples.predictors)
        return cls(
            [WeightedRanks(row) for row in (*samples.predictors, samples.reference)],
            [concordance(row, samples.reference) for row in samples.predictors],
            [samples.logarithms(place) for place in range(count)],
        )


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
    prepared = _Prepared.of(samples)
    names, block = np.unique(blocks, return_inverse=True)
    chunks = [
        _statistics(samples, prepared, counts[:, block])
        for counts in _block_counts(len(names), draws, seed, block.size)
    ]
    return _joined(chunks)


def _statistics(samples: Samples, prepared: _Prepared, weights: np.ndarray) -> Draws:
    """Statistics under each row of weights, shape (draws, n)."""
    size = len(weights), len(samples.predictors)
    pearson, spearman, kendall, logs, partial = np.full((5, *size), np.nan)
    for column, one in enumerate(prepared.concordances):
        kendall[:, column] = one.weighted(weights)
    for place, own in enumerate(weights):
        ranks = np.stack([ranker.ranks(own) for ranker in prepared.rankers])
        pearson[place] = weighted_correlation(samples.predictors, samples.reference, own)
        spearman[place] = weighted_correlation(ranks[:-1], ranks[-1], own)
        partial[place] = partial_correlation(ranks, own, samples.controls)
        logs[place] = [_of_logarithms(*logarithms, own) for logarithms in prepared.logarithms]
    return Draws(pearson, spearman, kendall, logs, partial)


def _of_logarithms(x: np.ndarray, y: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> float:
    own = weights[positive]
    return float(weighted_correlation(x, y, own)) if own.any() else np.nan


def _joined(chunks: Sequence[Draws]) -> Draws:
    names = ("pearson", "spearman", "kendall", "log_pearson", "partial")
    return Draws(*(np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in names))


def _block_counts(blocks: int, draws: int, seed: int, places: int) -> Iterator[np.ndarray]:
    """How often each block is drawn, float64, shape (some draws, blocks), until all draws are done."""
    generator = np.random.default_rng([seed, blocks])
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        counts = generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=size).astype(np.float64)
        yield from np.array_split(counts, max(1, size * places // _CHUNK_WEIGHTS))
