"""A permutation test that respects space: could a reference that knows nothing of the score agree as well by chance?

The reference's values are dealt out anew among the places so that neighbours stay as alike as they are. Values shuffled
freely would be noise, which agrees with nothing, and any two smooth maps would look significant. Surrogates of the same
variogram and the same values are Viladomat et al.'s (2014), who smooth permuted values; here fields are drawn.
"""

from collections.abc import Iterator

import numpy as np
from scipy.stats import rankdata

from rankscape.spatial.block_size import spacing
from rankscape.spatial.variogram import Variogram

_WIDEST_GRID = 512
"""Cells along the longer side of the grid that fields are drawn on; of wider regions a cell holds several places."""


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
    long as the region have, count as 0). The p-value is the share of the surrogates and the reference itself that agree
    with the predictor as closely as the reference does.

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
    ranks = _standard(np.stack([rankdata(row) for row in predictors]))
    reference_ranks = rankdata(reference)
    seen = np.abs(ranks @ _standard(reference_ranks))
    dealt = _standard(np.sort(reference_ranks))
    as_close = np.ones(len(predictors))
    for field in _fields(x_m, y_m, model, count, seed):
        surrogate = np.empty(len(field))
        surrogate[np.argsort(field, kind="stable")] = dealt
        as_close += np.abs(ranks @ surrogate) >= seen * (1 - 1e-12)
    return np.asarray(as_close / (count + 1))


def _standard(rows: np.ndarray) -> np.ndarray:
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
    likeness = model.correlation(np.hypot(away[0][:, None], away[1]).clip(min=1e-6 * cell_m))
    amplitude = np.sqrt(np.fft.fft2(likeness).real.clip(0) / (shape[0] * shape[1]))
    for start in range(0, count, 2):
        waves = generator.normal(size=shape) + 1j * generator.normal(size=shape)
        drawn = np.fft.fft2(amplitude * waves)[rows, cols]
        for part in (drawn.real, drawn.imag)[: count - start]:
            yield part + np.sqrt(nugget) * generator.normal(size=len(part))
