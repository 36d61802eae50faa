"""What spatial autocorrelation does to the correlation of two fields: its variance, and a permutation test.

The block bootstrap misses the autocorrelation across the borders of blocks. Its standard errors are too small, by a
fifth and more for blocks as wide as the range. How much it misses follows from the variograms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from rankscape.spatial.geometry import spacing
from rankscape.spatial.variogram import (
    PlacePairs,
    Variogram,
    fit_variogram,
    normal_scores,
    place_pairs,
    variogram,
)

_ANCHORS = 300
"""Places whose correlation with all others is computed; it varies little from place to place."""
_WIDEST = 16.0
"""Largest inflation of the variance: beyond, blocks are so small that something else is wrong."""
_WIDEST_GRID = 512
"""Cells along the longer side of the grid that fields are drawn on; of wider regions a cell holds several places."""


@dataclass(frozen=True)
class FieldPair:
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


def field_pairs(
    x_m: np.ndarray, y_m: np.ndarray, predictors: Sequence[np.ndarray], reference: np.ndarray, seed: int
) -> list[FieldPair | None]:
    """Fit the variograms of predictors and of a reference.

    Args:
        x_m: Easting in metres, shape (n,).
        y_m: Northing in metres, shape (n,).
        predictors: Finite numbers, each of shape (n,).
        reference: Finite numbers, shape (n,).
        seed: Seed of the pairs of places that are drawn.

    Returns:
        One for each predictor; None where one of the two variograms cannot be fitted.
    """
    lags = place_pairs(x_m, y_m, seed=seed)
    own = variogram(x_m, y_m, reference, pairs=lags)
    if own is None:
        return [None for _ in predictors]
    theirs = [variogram(x_m, y_m, values, pairs=lags) for values in predictors]
    return [
        None if one is None else _field_pair(lags, one, own, values, reference)
        for one, values in zip(theirs, predictors, strict=True)
    ]


def _field_pair(
    lags: PlacePairs, predictor: Variogram, reference: Variogram, x: np.ndarray, y: np.ndarray
) -> FieldPair:
    x, y = (scores / scores.std() for scores in (normal_scores(x), normal_scores(y)))
    total, difference = (fit_variogram(lags.semivariogram(values)) for values in (x + y, x - y))
    correlation = float(_unit(x) @ _unit(y))
    if total is None or difference is None:  # one is the other, or its opposite
        return FieldPair(reference, predictor, reference, reference, correlation)
    return FieldPair(reference, predictor, total, difference, correlation)


@dataclass(frozen=True)
class SpatialEffect:
    """What spatial autocorrelation does to the correlation of one predictor with the reference."""

    inflation: float
    """By how much the variance is larger than the bootstrap's, at least 1."""
    effective_n: float
    """Independent places that would tell as much of two unrelated fields (Clifford, Richardson and Hémon 1989)."""


def spatial_effects(
    x_m: np.ndarray, y_m: np.ndarray, blocks: np.ndarray, pairs: Sequence[FieldPair | None], seed: int
) -> list[SpatialEffect | None]:
    """Measure what spatial autocorrelation does to the correlations of predictors with the reference.

    The variance of a correlation is to first order the mean A, over all pairs of places, of the correlation c of what
    two places add to it (`FieldPair.influence`). The bootstrap of blocks sees only pairs within a block, less what the
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
        else SpatialEffect(
            _inflation(pair.influence(distance), within, own, squares), 1 + 1 / float(pair.unrelated(distance).mean())
        )
        for pair in pairs
    ]


def _inflation(influence: np.ndarray, within: np.ndarray, own: np.ndarray, squares: float) -> float:
    each = influence.mean(axis=1)
    variance = float(each.mean())
    seen = float((influence * within).mean() - 2 * (own * each).mean() + squares * variance)
    return max(1.0, variance / max(seen, variance / _WIDEST))


def permutation_p(
    x_m: np.ndarray,
    y_m: np.ndarray,
    predictors: np.ndarray,
    reference: np.ndarray,
    model: Variogram,
    count: int,
    seed: int,
) -> np.ndarray:
    """Return the two-sided p-value of Spearman's correlation of each predictor with the reference.

    A surrogate is the reference's ranks in the order of a Gaussian field with the reference's variogram, drawn
    independently of everything (circulant embedding, Dietrich and Newsam 1997; negative eigenvalues, which ranges as
    long as the region have, count as 0). So neighbours stay as alike as they are: values shuffled freely would be
    noise, and any two smooth maps would look significant. Viladomat et al. (2014) smooth permuted values instead. The
    p-value is the share of the surrogates and the reference itself that agree with the predictor as closely as the
    reference does.

    Args:
        x_m: Easting in metres, shape (n,).
        y_m: Northing in metres, shape (n,).
        predictors: Not constant, shape (predictors, n).
        reference: Not constant, shape (n,).
        model: Variogram of the reference.
        count: Number of surrogates.
        seed: Seed of the fields.

    Returns:
        float64, shape (predictors,), at least 1/(count + 1).
    """
    ranks = _unit(np.stack([rankdata(row) for row in predictors]))
    reference_ranks = rankdata(reference)
    seen = np.abs(ranks @ _unit(reference_ranks))
    sorted_ranks = _unit(np.sort(reference_ranks))
    as_close = np.ones(len(predictors))
    for field in _fields(x_m, y_m, model, count, seed):
        surrogate = np.empty(len(field))
        surrogate[np.argsort(field, kind="stable")] = sorted_ranks
        as_close += np.abs(ranks @ surrogate) >= seen * (1 - 1e-12)
    return np.asarray(as_close / (count + 1))


def _unit(rows: np.ndarray) -> np.ndarray:
    """Deviations of length 1, so that inner products are correlations."""
    deviations = rows - rows.mean(axis=-1, keepdims=True)
    return np.asarray(deviations / np.linalg.norm(deviations, axis=-1, keepdims=True))


def _fields(x_m: np.ndarray, y_m: np.ndarray, model: Variogram, count: int, seed: int) -> Iterator[np.ndarray]:
    """Gaussian fields at the places, float64, shape (n,), `count` of them."""
    generator = np.random.default_rng([seed, len(x_m)])
    cell_m = max(spacing(x_m, y_m), float(max(np.ptp(x_m), np.ptp(y_m))) / (_WIDEST_GRID - 1))
    rows = np.rint((y_m - y_m.min()) / cell_m).astype(np.int64)
    cols = np.rint((x_m - x_m.min()) / cell_m).astype(np.int64)
    shape = 2 * (int(rows.max()) + 1), 2 * (int(cols.max()) + 1)
    away = [np.minimum(np.arange(length), length - np.arange(length)) * cell_m for length in shape]
    nugget = model.nugget / model.sill if model.range_m > 0 else 1.0
    covariance = model.correlation(np.hypot(away[0][:, None], away[1]).clip(min=1e-6 * cell_m))
    amplitude = np.sqrt(np.fft.fft2(covariance).real.clip(0) / (shape[0] * shape[1]))
    for start in range(0, count, 2):
        waves = generator.normal(size=shape) + 1j * generator.normal(size=shape)
        drawn = np.fft.fft2(amplitude * waves)[rows, cols]
        for part in (drawn.real, drawn.imag)[: count - start]:
            yield part + np.sqrt(nugget) * generator.normal(size=len(part))
