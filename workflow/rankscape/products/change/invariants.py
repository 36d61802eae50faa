"""Pseudo-invariant places: those whose appearance changed least, whatever light and sensor did to both images.

Schott, Salvaggio and Volchok, "Radiometric scene normalization using pseudoinvariant features", Remote Sensing of
Environment 26, 1988. How they are found: iteratively reweighted multivariate alteration detection (Nielsen, "The
regularized iteratively reweighted MAD method for change detection in multi- and hyperspectral data", IEEE Transactions
on Image Processing 16, 2007; used for radiometry by Canty and Nielsen, Remote Sensing of Environment 112, 2008).
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, stats

_CHUNK = 64
_ROUNDS, _SETTLED = 50, 1e-4
_RIDGE = 1e-9
"""Share of a feature's variance that is added to it, so that equal bands do not make a matrix singular."""
_LEAST = 1e-12
_PER_FEATURE = 3
"""Reweighting ends when so few places a feature count."""
LEVELS = 10
"""Places are chosen among those of each tenth of the score, so that every level is stood for."""


@dataclass(frozen=True)
class Radiometry:
    """Relative radiometric normalization: from pixels of the earlier date to the light and sensor of the later one."""

    gain: np.ndarray
    """Factor of each band, float64, shape (bands,)."""
    offset: np.ndarray
    """What is added to each band, in the pixels' units."""

    def applied(self, pixels: np.ndarray) -> np.ndarray:
        """Return normalized pixels, of the same type and shape (..., bands); pixels without data stay so."""
        seen = (pixels != 0).any(axis=-1, keepdims=True)
        moved = np.where(seen, pixels * self.gain + self.offset, pixels)
        if np.issubdtype(pixels.dtype, np.integer):
            limits = np.iinfo(pixels.dtype)
            moved = np.where(seen, np.clip(np.rint(moved), 1, limits.max), moved)
        else:
            moved = np.where(seen, np.clip(moved, 0, 1), moved)
        return np.asarray(moved, pixels.dtype)


def appearance_of(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Measure the appearance of patches: mean and standard deviation of each band over the pixels with data.

    Both follow a change of gain and haze linearly, so that what is found by them does not depend on either.

    Args:
        array: Patches, shape (patches, height, width, bands).
        rows: Positions of the patches to measure, shape (n,).

    Returns:
        float64, shape (n, 2 * bands), the means first.
    """
    parts = [_appearance(np.asarray(array[rows[at : at + _CHUNK]], np.float64)) for at in range(0, len(rows), _CHUNK)]
    return np.concatenate(parts) if parts else np.empty((0, 2 * array.shape[-1]))


def _appearance(pixels: np.ndarray) -> np.ndarray:
    seen = np.isfinite(pixels).all(-1, keepdims=True) & (pixels != 0).any(-1, keepdims=True)
    count = np.maximum(seen.sum((1, 2)), 1)
    mean = np.where(seen, pixels, 0).sum((1, 2)) / count
    away = np.where(seen, pixels - mean[:, None, None], 0)
    return np.concatenate([mean, np.sqrt((away**2).sum((1, 2)) / count)], axis=1)


def appearance_distance(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return how much the appearance of each place changed, beyond what any linear change of all features explains.

    The features of both dates are turned into pairs of canonical variates with correlations r_k. The distance of a
    place is sum_k (u_k - v_k)² / (2 (1 - r_k)), chi-squared with as many degrees of freedom as features where nothing
    changed (Nielsen 2007, eqs. 6 and 15). Places are weighted by their probability of no change, and the variates found
    anew, until the correlations settle.

    Args:
        before: Features of the appearance at the earlier date, shape (n, features).
        after: Those at the later date, of the same shape.

    Returns:
        float64, shape (n,); only its order is used here.
    """
    features = before.shape[1]
    weights, distance, last = np.ones(len(before)), np.zeros(len(before)), np.zeros(features)
    for _ in range(_ROUNDS):
        if weights.sum() < _PER_FEATURE * features:
            break
        distance, correlations = _alteration(before, after, weights)
        if np.abs(correlations - last).max() < _SETTLED:
            break
        last, weights = correlations, stats.chi2.sf(distance, features)
    return distance


def _alteration(before: np.ndarray, after: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share = weights / weights.sum()
    x, y = before - share @ before, after - share @ after
    x_root, y_root = _root(x, share), _root(y, share)
    between = linalg.solve_triangular(x_root, (x * share[:, None]).T @ y, lower=True)
    between = linalg.solve_triangular(y_root, between.T, lower=True).T
    left, correlations, right = linalg.svd(between)
    u = linalg.solve_triangular(x_root, x.T, lower=True).T @ left
    v = linalg.solve_triangular(y_root, y.T, lower=True).T @ right.T
    correlations = np.clip(correlations, 0, 1)
    return ((u - v) ** 2 / np.maximum(2 * (1 - correlations), _LEAST)).sum(axis=1), correlations


def _root(away: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Lower Cholesky factor of the weighted covariance."""
    covariance = (away * share[:, None]).T @ away
    scale = np.maximum(np.diag(covariance), _LEAST)
    return np.asarray(linalg.cholesky(covariance + np.diag(_RIDGE * scale + _LEAST**2), lower=True))


def invariant_places(distance: np.ndarray, before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """Choose the places whose appearance changed least, a share of those of each level of the score.

    The level is the mean of the ranks at both dates, which favours neither.

    Args:
        distance: How much each appearance changed, shape (n,).
        before: Scores at the earlier date.
        after: Scores at the later date.
        share: Share of the places to choose.

    Returns:
        bool, shape (n,).
    """
    chosen = np.zeros(len(distance), bool)
    for members in np.array_split(np.argsort(level_of(before, after), kind="stable"), LEVELS):
        nearest = members[np.argsort(distance[members], kind="stable")]
        chosen[nearest[: round(share * len(nearest))]] = True
    return chosen


def level_of(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the mean of a place's ranks at both dates, float64, shape (n,)."""
    return np.asarray((stats.rankdata(before) + stats.rankdata(after)) / 2)


def narrowing(share: float, features: int) -> float:
    """Return by how much choosing the least changed appearances may narrow the deviation of the scores among them.

    Where nothing changed, the distances are chi-squared with p = `features` degrees of freedom. Among the share s with
    the smallest, each feature's variance is F_{p+2}(q_s) / s of what it is among all, q_s the s-quantile of chi²_p (the
    factor that makes the minimum covariance determinant consistent: Croux and Haesbroeck 1999). If all of the score's
    noise came from what the features show, its deviation would be narrowed as much: the deviation is divided by this.
    """
    edge = stats.chi2.ppf(share, features)
    return float(np.sqrt(stats.chi2.cdf(edge, features + 2) / share))


def fit_radiometry(before: np.ndarray, after: np.ndarray) -> Radiometry:
    """Fit gain and offset of each band on pseudo-invariant places, by orthogonal regression of the patches' means.

    Both dates have noise, so that neither is the cause of the other (Canty and Nielsen 2008, section 3.2). A band
    that does not vary keeps its gain.

    Args:
        before: Mean of each band at the earlier date, shape (n, bands).
        after: The same at the later date.
    """
    x, y = before - before.mean(0), after - after.mean(0)
    xx, yy, xy = (x * x).mean(0), (y * y).mean(0), (x * y).mean(0)
    varies = xy > _LEAST
    slope = (yy - xx + np.sqrt((yy - xx) ** 2 + 4 * xy**2)) / (2 * np.where(varies, xy, 1))
    gain = np.where(varies, slope, 1.0)
    return Radiometry(gain, after.mean(0) - gain * before.mean(0))
