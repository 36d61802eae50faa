"""Spatially correlated errors: of weighted means of places, and of the coefficients of regressions.

A mean Σ w_i x_i whose errors have the standard deviations s_i and the correlation ρ(d_ij) has the variance
Σ_ij w_i s_i ρ(d_ij) w_j s_j = w' Σ w (Cressie 1993, section 3.2), with ρ(d) = exp(-3 d / range): 0.05 at the range.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist
from scipy.stats import chi2

_EXACT_PIECES = 8_000
"""Up to so many pieces every pair of them counts; of more, districts are seen through cells by each other."""
_EXACT_ROWS = 2_048
"""Up to so many pieces a district's own variance is exact; of more, so many rows of it are drawn."""
_CELLS_ACROSS = 6
"""Cells across a district, as others see it."""
_CELLS_PER_RANGE = 12
"""A cell need not be smaller than this part of the range: the correlation falls by a fifth across it."""
_REACH = 3.0
"""Ranges beyond which errors count as unrelated: the correlation is e^-9 there."""
_CHUNK_PAIRS = 8_000_000
"""Pairs of places looked at together: 64 MB."""
EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the Earth (Moritz, Geodetic Reference System 1980)."""
_CHUNK = 1000


@dataclass(frozen=True)
class Shares:
    """Weighted errors of means, sorted by mean; arrays of n rows, one a place in a mean."""

    mean: np.ndarray
    """Number of the mean, int64, ascending."""
    xyz_m: np.ndarray
    """The place, geocentric, in metres, float64, shape (n, 3); distances are chords."""
    mass: np.ndarray
    """Weight of the place in the mean times the standard deviation of its error, float64."""
    means: int
    """Number of means; those without places have no variance."""


def covariance(shares: Shares, range_m: float) -> np.ndarray:
    """Covariance of the errors of weighted means, in memory that does not grow with the square of the places.

    Up to 8,000 places in all, it is exact. Beyond, a mean's own variance is exact up to 2,048 places, and from 2,048 of
    its rows above that, drawn evenly by mass (an unbiased estimate); and means see each other through cells: the
    places of a mean in a cube of a sixth of its extent, or a twelfth of the range if that is more, count as one at
    their centre of mass.

    Args:
        shares: What the means are made of.
        range_m: Practical range of the errors' correlation; 0 for unrelated errors.

    Returns:
        float64, shape (means, means), symmetric.
    """
    if len(shares.mean) <= _EXACT_PIECES:
        result = _sums(shares, range_m)
    else:
        result = _sums(_cells(shares, range_m), range_m)
        np.fill_diagonal(result, _own(shares, range_m))
    return np.asarray((result + result.T) / 2)


def correlation(distance_m: np.ndarray, range_m: float) -> np.ndarray:
    """Return exp(-3 d / range), float64; 1 at distance 0 and 0 elsewhere where the range is 0."""
    if range_m == 0:
        return np.asarray(distance_m == 0, float)
    return np.asarray(np.exp(distance_m * (-3 / range_m)))


def _sums(shares: Shares, range_m: float) -> np.ndarray:
    """Sum mass x correlation x mass over the places of every two means that are near each other."""
    result = np.zeros((shares.means, shares.means))
    for number, rows in _groups(shares):
        centre = shares.xyz_m[rows].mean(axis=0)
        radius = np.linalg.norm(shares.xyz_m[rows] - centre, axis=1).max()
        apart = np.linalg.norm(shares.xyz_m - centre, axis=1)
        near = np.flatnonzero(apart <= radius + _REACH * range_m + 1)
        pulled = _pulled(shares, rows, near, range_m) * shares.mass[near]
        result[number] = np.bincount(shares.mean[near], pulled, minlength=shares.means)
    return result


def _own(shares: Shares, range_m: float) -> np.ndarray:
    """Variance of every mean by itself, float64, shape (means,)."""
    result = np.zeros(shares.means)
    for number, rows in _groups(shares):
        own = np.arange(len(shares.mean))[rows]
        mass = shares.mass[rows]
        if len(own) <= _EXACT_ROWS or not mass.any():
            result[number] = _pulled(shares, rows, own, range_m) @ mass
            continue
        # Systematic sampling in proportion to mass: each drawn row stands for the same part of the sum.
        steps = (np.arange(_EXACT_ROWS) + 0.5) / _EXACT_ROWS * mass.sum()
        drawn = own[np.minimum(np.searchsorted(np.cumsum(mass), steps), len(own) - 1)]
        result[number] = _pulled(shares, rows, drawn, range_m).mean() * mass.sum()
    return result


def _pulled(shares: Shares, rows: slice, places: np.ndarray, range_m: float) -> np.ndarray:
    """Sum of mass x correlation of the rows of one mean at other places, float64, shape (places,)."""
    source, mass = shares.xyz_m[rows], shares.mass[rows]
    step = max(1, _CHUNK_PAIRS // len(mass))
    parts = [
        correlation(cdist(shares.xyz_m[places[start : start + step]], source), range_m) @ mass
        for start in range(0, len(places), step)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _groups(shares: Shares) -> list[tuple[int, slice]]:
    """The rows of every mean that has some."""
    ends = np.searchsorted(shares.mean, np.arange(shares.means + 1))
    return [(n, slice(ends[n], ends[n + 1])) for n in range(shares.means) if ends[n] < ends[n + 1]]


def _cells(shares: Shares, range_m: float) -> Shares:
    """The same means with their places joined in cells, each at its centre of mass."""
    parts = [_joined(number, shares.xyz_m[rows], shares.mass[rows], range_m) for number, rows in _groups(shares)]
    mean, xyz, mass = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Shares(mean, xyz, mass, shares.means)


def _joined(
    number: int, xyz: np.ndarray, mass: np.ndarray, range_m: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    side = max(float(np.ptp(xyz, axis=0).max()) / _CELLS_ACROSS, range_m / _CELLS_PER_RANGE, 1.0)
    _, cell = np.unique(np.floor((xyz - xyz.min(axis=0)) / side), axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    total, count = np.bincount(cell, mass), np.bincount(cell)
    weight = np.where(total[cell] > 0, mass / np.where(total[cell] > 0, total[cell], 1), 1 / count[cell])
    centre = np.stack([np.bincount(cell, weight * axis) for axis in xyz.T], axis=1)
    return np.full(len(total), number, np.int64), centre, total


@dataclass(frozen=True)
class SpatialCheck:
    """Spatial autocorrelation of the residuals of a model."""

    neighbours: int
    """Nearest places that count as neighbours."""
    moran: float
    """Moran's I: 0 where neighbours' residuals are uncorrelated, near 1 where they are equal."""
    expected: float
    """Its expectation for unrelated values, -1/(n - 1)."""
    statistic: float
    """Lagrange multiplier of a spatial error, chi-squared with 1 degree of freedom where there is none."""
    p: float
    """Chance of such a statistic without a spatial error."""


def spatial_check(residuals: np.ndarray, points: np.ndarray, neighbours: int) -> SpatialCheck:
    """Measure the spatial autocorrelation of residuals over the nearest places.

    With weights W of 1/k for each of the k nearest places: I = e'We / e'e (Moran 1950; Cliff and Ord 1981), and the
    Lagrange multiplier LM = (e'We / (e'e/n))^2 / tr(W'W + WW) (Burridge 1980; Anselin 1988).

    Args:
        residuals: Residual e of each place, shape (n,).
        points: Places on the unit sphere, shape (n, 3).
        neighbours: k; fewer where there are no more places.

    Returns:
        Moran's I and the Lagrange multiplier with its p-value.
    """
    count = min(neighbours, len(points) - 1)
    weights = _nearest(points, count)
    energy = float(residuals @ residuals)
    lagged = float(residuals @ (weights @ residuals))
    trace = float((weights * weights).sum() + (weights * weights.T).sum())
    statistic = (lagged / (energy / len(residuals))) ** 2 / trace
    expected = -1 / (len(residuals) - 1)
    return SpatialCheck(count, lagged / energy, expected, statistic, float(chi2.sf(statistic, 1)))


def _nearest(points: np.ndarray, count: int) -> csr_array:
    """Weight 1/count of the nearest other places of each place, shape (n, n)."""
    _, found = KDTree(points).query(points, count + 1)
    itself = found == np.arange(len(points))[:, None]
    itself[~itself.any(axis=1), -1] = True  # places of one position: the place itself need not be among the nearest
    columns = found[~itself]
    rows = np.repeat(np.arange(len(points)), count)
    return csr_array((np.full(len(rows), 1 / count), (rows, columns)), shape=(len(points),) * 2)


def conley_covariance(scores: np.ndarray, bread: np.ndarray, points: np.ndarray, reach_m: float) -> np.ndarray:
    """Return the covariance of coefficients whose errors are correlated up to a distance.

    V = B [sum over i, j of K(d_ij) s_i s_j'] B with K falling linearly from 1 at distance 0 to 0 at `reach_m`
    (Conley 1999), great-circle distances, and no small-sample correction.

    Args:
        scores: Row of the design times residual of each place, shape (n, k).
        bread: B, the inverse of the design's cross product, shape (k, k).
        points: Places on the unit sphere, shape (n, 3).
        reach_m: Distance beyond which errors are unrelated, in metres.

    Returns:
        float64, shape (k, k); a variance may be negative, since this kernel is not positive definite in the plane.
    """
    tree = KDTree(points)
    chord = 2 * np.sin(min(reach_m / EARTH_RADIUS_M, np.pi) / 2)
    middle = np.zeros((scores.shape[1],) * 2)
    for start in range(0, len(points), _CHUNK):
        part = slice(start, start + _CHUNK)
        pairs = KDTree(points[part]).sparse_distance_matrix(tree, chord, output_type="coo_matrix").tocsr()
        distance_m = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(pairs.data / 2, 1))
        pairs.data = np.maximum(1 - distance_m / reach_m, 0)
        middle += scores[part].T @ (pairs @ scores)
    return np.asarray(bread @ middle @ bread)
