"""Whether the residuals of a regression are correlated in space, and errors that allow for it."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import KDTree
from scipy.stats import chi2

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the Earth (Moritz, Geodetic Reference System 1980)."""
_CHUNK = 1000


@dataclass(frozen=True)
class SpatialCheck:
    """How alike the residuals of neighbours are."""

    neighbours: int
    """Nearest places that count as neighbours."""
    moran: float
    """Moran's I: 0 where neighbours' residuals are unrelated, near 1 where they are alike."""
    expected: float
    """Its expectation for unrelated values, -1/(n - 1)."""
    statistic: float
    """Lagrange multiplier of a spatial error, chi-squared with 1 degree of freedom where there is none."""
    p: float
    """Chance of such a statistic without a spatial error."""


def on_sphere(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Return places as points of the unit sphere.

    Args:
        longitude: Degrees, shape (n,).
        latitude: Degrees, shape (n,).

    Returns:
        float64, shape (n, 3).
    """
    east, north = np.radians(longitude), np.radians(latitude)
    return np.column_stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])


def spatial_check(residuals: np.ndarray, points: np.ndarray, neighbours: int) -> SpatialCheck:
    """Measure whether residuals resemble those of the nearest places.

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
    alike = float(residuals @ (weights @ residuals))
    trace = float((weights * weights).sum() + (weights * weights.T).sum())
    statistic = (alike / (energy / len(residuals))) ** 2 / trace
    expected = -1 / (len(residuals) - 1)
    return SpatialCheck(count, alike / energy, expected, statistic, float(chi2.sf(statistic, 1)))


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
