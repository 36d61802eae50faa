"""Intervals of correlations on land where neighbours resemble each other.

The bootstrap of whole blocks misses the likeness across the borders of blocks, so that its standard errors are too
small, by a fifth and more for blocks as wide as the range. How much it misses follows from the variograms, and the
error is widened by that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from rankscape.evaluation.correlation import pearson
from rankscape.spatial.variogram import (
    PlacePairs,
    Variogram,
    fit_variogram,
    normal_scores,
    place_pairs,
    variogram,
)

_ANCHORS = 300
"""Places whose likeness with all others is looked at; it varies little from place to place."""
_WIDEST = 16.0
"""The variance is widened by no more: beyond, blocks are so small that something else is wrong."""
_ONE = 1 - 1e-12
"""A correlation of 1 has no Fisher transform."""


@dataclass(frozen=True)
class Pair:
    """Variograms of a predictor's and the reference's normal scores, and of their sum and difference."""

    reference: Variogram
    predictor: Variogram
    total: Variogram
    difference: Variogram
    correlation: float
    """Of the normal scores."""

    def unrelated(self, distance_m: np.ndarray) -> np.ndarray:
        """Correlation of what two places add to a correlation, if the two fields are unrelated; of the same shape.

        The product of the two fields' own correlations (Clifford, Richardson and Hémon 1989).
        """
        return np.asarray(self.reference.correlation(distance_m) * self.predictor.correlation(distance_m))

    def influence(self, distance_m: np.ndarray) -> np.ndarray:
        """Correlation of what two places add to Fisher's z, whatever the two fields have in common; of the same shape.

        With the sum s and the difference d of fields of variance 1, z = ln(Var s / Var d) / 2, and a place adds
        (s²/Var s - d²/Var d) / 2. For Gaussian fields the correlation of two such terms is
        (r_s² + r_d²) / 2 - (r_x - r_y)² / (4 (1 - r²)), which is r_x r_y for unrelated fields.
        """
        squares = [one.correlation(distance_m) ** 2 for one in (self.total, self.difference)]
        apart = (self.reference.correlation(distance_m) - self.predictor.correlation(distance_m)) ** 2
        found = (squares[0] + squares[1]) / 2 - apart / (4 * max(1 - self.correlation**2, 1e-6))
        return np.asarray(np.clip(found, 0.0, 1.0))


def pairs_of(
    x_m: np.ndarray, y_m: np.ndarray, predictors: Sequence[np.ndarray], reference: np.ndarray, seed: int
) -> list[Pair | None]:
    """Measure how predictors and the reference vary over the land; None where one of the variograms is unknown."""
    lags = place_pairs(x_m, y_m, seed=seed)
    own = variogram(x_m, y_m, reference, pairs=lags)
    if own is None:
        return [None for _ in predictors]
    theirs = [variogram(x_m, y_m, values, pairs=lags) for values in predictors]
    return [
        None if one is None else _paired(lags, one, own, *map(_standard, (values, reference)))
        for one, values in zip(theirs, predictors, strict=True)
    ]


def _paired(lags: PlacePairs, predictor: Variogram, reference: Variogram, x: np.ndarray, y: np.ndarray) -> Pair:
    total, difference = (fit_variogram(lags.semivariogram(values)) for values in (x + y, x - y))
    correlation = pearson(x, y)
    if total is None or difference is None:  # one is the other, or its opposite
        return Pair(reference, predictor, reference, reference, correlation)
    return Pair(reference, predictor, total, difference, correlation)


def _standard(values: np.ndarray) -> np.ndarray:
    """Normal scores of variance 1."""
    scores = normal_scores(values)
    return np.asarray(scores / scores.std())


@dataclass(frozen=True)
class Likeness:
    """What spatial correlation does to the correlation of one predictor with the reference."""

    inflation: float
    """By how much the variance is larger than the bootstrap's, at least 1."""
    effective_n: float
    """Independent places that would tell as much of two unrelated fields (Clifford, Richardson and Hémon 1989)."""


def likenesses(
    x_m: np.ndarray, y_m: np.ndarray, blocks: np.ndarray, pairs: Sequence[Pair | None], seed: int
) -> list[Likeness | None]:
    """Measure what spatial correlation does to the correlation of predictors with the reference.

    The variance of a correlation is to first order the mean A, over all pairs of places, of the correlation c of what
    two places add to it (`Pair.influence`). The bootstrap of blocks sees only pairs within a block, less what the
    deviations from the sample's mean take away: its expected variance is
    E = mean over pairs [same block] c - 2 mean_i w_b(i) c_i + A Σ w_b², where w_b is the share of places in
    block b and c_i the mean of c over the pairs of place i. The inflation is A / E. For two unrelated fields 1 + 1/A is
    the effective size.

    Args:
        x_m: Easting in metres, shape (n,).
        y_m: Northing in metres, shape (n,).
        blocks: Block of each place, shape (n,).
        pairs: Variograms of each predictor and the reference.
        seed: Seed of the choice of places looked at.

    Returns:
        For each predictor; None where its variograms are unknown.
    """
    size = len(x_m)
    _, block, counts = np.unique(blocks, return_inverse=True, return_counts=True)
    shares = counts / size
    anchors = np.random.default_rng([seed, size]).choice(size, min(size, _ANCHORS), replace=False)
    distance = np.hypot(x_m[anchors, None] - x_m, y_m[anchors, None] - y_m)
    within = block[anchors, None] == block
    own, squares = shares[block[anchors]], float((shares**2).sum())
    return [
        None
        if pair is None
        else Likeness(
            _inflation(pair.influence(distance), within, own, squares), 1 + 1 / float(pair.unrelated(distance).mean())
        )
        for pair in pairs
    ]


def _inflation(likeness: np.ndarray, within: np.ndarray, own: np.ndarray, squares: float) -> float:
    each = likeness.mean(axis=1)
    variance = float(each.mean())
    seen = float((likeness * within).mean() - 2 * (own * each).mean() + squares * variance)
    return max(1.0, variance / max(seen, variance / _WIDEST))


def effective_blocks(blocks: np.ndarray) -> float:
    """Blocks of equal size that would weigh as much: one over the sum of their squared shares of the places."""
    _, counts = np.unique(blocks, return_counts=True)
    return float(counts.sum() ** 2 / (counts**2).sum())


def interval(
    value: float, drawn: np.ndarray, confidence: float, *, blocks: float, inflation: float, fisher: bool = True
) -> tuple[float, float] | None:
    """Return an interval around a statistic from its bootstrap draws.

    The standard error of the draws, widened by the root of the inflation, times Student's t of one less than the
    effective blocks: the error is itself estimated from so few. Correlations are compared on Fisher's scale
    (z = artanh r, Fisher 1921), on which their spread does not depend on their size.

    Args:
        value: The statistic of the sample.
        drawn: The statistic in every draw, shape (draws,); NaN where it had none.
        confidence: Coverage, between 0 and 1.
        blocks: Effective blocks, more than 1.
        inflation: By how much the variance is larger than the draws'.
        fisher: False for what is no correlation, such as the difference of two.

    Returns:
        Lower and upper end, or None where fewer than nine draws of ten had the statistic, or the sample has none.
    """
    given = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or len(given) < 0.9 * len(drawn):
        return None
    scale = np.arctanh if fisher else np.asarray
    back = np.tanh if fisher else np.asarray
    bound = _ONE if fisher else np.inf
    error = np.std(scale(np.clip(given, -bound, bound)), ddof=1) * np.sqrt(inflation)
    middle = scale(np.clip(value, -bound, bound))
    reach = student.ppf((1 + confidence) / 2, max(blocks - 1, 1)) * error
    low, high = back(middle - reach), back(middle + reach)
    return min(float(low), value), max(float(high), value)


def squared(ends: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return the interval of the square of what lies between two ends."""
    if ends is None:
        return None
    low, high = sorted(end**2 for end in ends)
    return 0.0 if ends[0] <= 0 <= ends[1] else low, high


def described(value: float, ends: tuple[float, float] | None) -> dict[str, float | None]:
    """Return a statistic and its interval as documents have them; None for what cannot be given."""
    low, high = ends or (None, None)
    return {"value": value if np.isfinite(value) else None, "low": low, "high": high}
