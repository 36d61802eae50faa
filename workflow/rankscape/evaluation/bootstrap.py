"""Spatial block bootstrap of correlations: whole blocks of land are drawn with replacement.

Neighbouring places resemble each other, so that places drawn one by one would give intervals that are far too narrow.
Whole blocks keep the likeness within a draw (Künsch 1989; for spatial data Lahiri 2003).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rankscape.evaluation.correlation import WeightedRanks, weighted_correlation

_CHUNK = 256
"""Draws of which the block counts are held at a time."""


@dataclass(frozen=True)
class Draws:
    """Correlations of every bootstrap draw."""

    pearson: np.ndarray
    """float64, shape (draws, predictors); NaN where a draw left a sample constant."""
    spearman: np.ndarray
    """float64, shape (draws, predictors); NaN likewise."""


def bootstrap_correlations(
    predictors: np.ndarray, reference: np.ndarray, blocks: np.ndarray, draws: int, seed: int
) -> Draws:
    """Correlate predictors with a reference in samples of whole blocks.

    As many blocks as there are, are drawn with replacement; a place counts as often as its block was drawn. Both
    correlations are exact in every draw: for Spearman, all places are ranked anew.

    Args:
        predictors: Finite numbers, shape (predictors, n).
        reference: Finite numbers, shape (n,).
        blocks: Number of the block that holds each place, shape (n,).
        draws: Number of draws.
        seed: Seed of the draws.

    Returns:
        The correlations of every draw; predictors share the draws, so that they can be compared draw by draw.
    """
    rankers = [WeightedRanks(row) for row in predictors]
    reference_ranker = WeightedRanks(reference)
    names, block = np.unique(blocks, return_inverse=True)
    pearson, spearman = np.empty((2, draws, len(predictors)))
    for place, counts in enumerate(_block_counts(len(names), draws, seed)):
        weights = counts[block]
        ranks = np.stack([ranker.ranks(weights) for ranker in rankers])
        pearson[place] = weighted_correlation(predictors, reference, weights)
        spearman[place] = weighted_correlation(ranks, reference_ranker.ranks(weights), weights)
    return Draws(pearson, spearman)


def _block_counts(blocks: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each block is drawn, float64, shape (blocks,), draw by draw."""
    generator = np.random.default_rng([seed, blocks])
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        yield from generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=size).astype(np.float64)


def percentile_interval(values: np.ndarray, confidence: float) -> tuple[float, float] | None:
    """Return the percentile interval of one statistic.

    Args:
        values: The statistic in every draw, shape (draws,); NaN where it had none.
        confidence: Coverage, between 0 and 1.

    Returns:
        Lower and upper end, or None where fewer than nine draws of ten had the statistic.
    """
    given = values[np.isfinite(values)]
    if len(given) < 0.9 * len(values):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(given, [tail, 1 - tail])
    return float(low), float(high)
