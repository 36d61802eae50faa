"""The range of spatial autocorrelation: the semivariogram and the model that is fitted to it.

The semivariance of a distance is half the mean squared difference of places so far apart (Matheron 1963). It rises from
the nugget (noise, and what varies within a place) to the sill, and reaches it at the range: places farther apart than
that tell something new. Resampling and averaging over a region need that distance.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from scipy.special import ndtri
from scipy.stats import rankdata

Model = Literal["exponential", "spherical"]
_MODELS: tuple[Model, ...] = ("exponential", "spherical")
_FEWEST_PLACES = 30
"""Below so many places a variogram says nothing (Webster and Oliver 1992 ask for more than 100)."""
_FEWEST_PAIRS = 30
"""Lags with fewer pairs are left out (Journel and Huijbregts 1978)."""
_FEWEST_LAGS = 4
"""A model of three numbers needs more lags than that."""
_CANDIDATES = 200
"""Ranges tried, from the smallest to twice the largest lag, each 3 % above the last or so."""


@dataclass(frozen=True)
class Semivariogram:
    """Semivariance by distance, as measured."""

    lags_m: np.ndarray
    """Mean distance of the pairs of each lag, ascending, float64, shape (lags,)."""
    semivariances: np.ndarray
    """In squared units of the values, float64, shape (lags,)."""
    pairs: np.ndarray
    """Pairs of places in each lag, int64, shape (lags,)."""


@dataclass(frozen=True)
class Variogram:
    """A model of the semivariance: nugget + (sill - nugget) f(distance / range)."""

    model: Model
    nugget: float
    """Semivariance of places next to each other."""
    sill: float
    """Semivariance of places far apart, the nugget included."""
    range_m: float
    """Distance at which the model has all (spherical) or 95 % (exponential) of its rise; 0 where it does not rise."""
    longest_m: float
    """Longest lag that was measured; a range above it is a guess."""

    def semivariance(self, distance_m: np.ndarray) -> np.ndarray:
        """Semivariance at distances above 0, float64, of the same shape."""
        if self.range_m == 0:
            return np.full(np.shape(distance_m), self.sill)
        return self.nugget + (self.sill - self.nugget) * _rise(self.model, np.asarray(distance_m, float), self.range_m)

    def correlation(self, distance_m: np.ndarray) -> np.ndarray:
        """Correlation of two places by their distance (1 - semivariance / sill), 1 at distance 0; same shape."""
        distance = np.asarray(distance_m, float)
        apart = 1 - self.semivariance(distance) / self.sill if self.sill > 0 else np.zeros(distance.shape)
        return np.where(distance > 0, apart, 1.0)


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Give values the places of a normal sample by their average ranks (van der Waerden 1952), float64, shape (n,).

    A skewed reference such as radiance then weighs no more than any other, whatever its transform.
    """
    return np.asarray(ndtri(rankdata(values) / (len(values) + 1)))


@dataclass(frozen=True)
class PlacePairs:
    """Pairs of places, from which any number of samples at these places are measured."""

    first: np.ndarray
    """One place of each pair, int64, shape (pairs,)."""
    second: np.ndarray
    """The other place of each pair."""
    lag: np.ndarray
    """Number of the lag that each pair belongs to, int64, shape (pairs,)."""
    lags_m: np.ndarray
    """Mean distance of the pairs of each lag, float64, shape (lags,); NaN where there is none."""
    counts: np.ndarray
    """Pairs in each lag, int64, shape (lags,)."""

    def semivariogram(self, values: np.ndarray) -> Semivariogram:
        """Measure the semivariance of values, finite numbers, shape (n,), in the lags with pairs enough."""
        numbers = np.asarray(values, float)
        squares = np.bincount(self.lag, (numbers[self.first] - numbers[self.second]) ** 2, minlength=len(self.counts))
        kept = self.counts >= _FEWEST_PAIRS
        return Semivariogram(self.lags_m[kept], squares[kept] / (2 * self.counts[kept]), self.counts[kept])


def place_pairs(
    x_m: np.ndarray,
    y_m: np.ndarray,
    *,
    lags: int = 20,
    longest_m: float | None = None,
    pairs: int = 60_000,
    seed: int = 0,
) -> PlacePairs:
    """Pair places up, so that every distance has pairs.

    Lags grow geometrically from the distance of neighbours, so that short ranges show in wide regions. Where there are
    more pairs of places than `pairs`, as many are drawn, equally many for each lag: a place, a direction, a distance,
    and the place nearest to where these lead.

    Args:
        x_m: Easting in metres, shape (n,).
        y_m: Northing in metres, shape (n,).
        lags: Number of lags.
        longest_m: Longest distance; by default half the diagonal of the places' box.
        pairs: Most pairs.
        seed: Seed of the draws.
    """
    xy = np.column_stack([x_m, y_m]).astype(float)
    first, second, distance = _pairs(xy, lags, longest_m, pairs, seed)
    if not len(distance):
        return PlacePairs(first, second, first, np.zeros(0), np.zeros(0, np.int64))
    edges = np.geomspace(distance.min(), distance.max() * (1 + 1e-9), lags + 1)
    lag = np.clip(np.searchsorted(edges, distance, side="right") - 1, 0, lags - 1)
    counts = np.bincount(lag, minlength=lags)
    total = np.bincount(lag, distance, minlength=lags)
    means = np.divide(total, counts, out=np.full(lags, np.nan), where=counts > 0)
    return PlacePairs(first, second, lag, means, counts)


def _pairs(
    xy: np.ndarray, lags: int, longest_m: float | None, most: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two places and their distance in metres for every pair, none above the longest distance."""
    size = len(xy)
    longest = float(np.hypot(*np.ptp(xy, axis=0))) / 2 if longest_m is None else longest_m
    if size * (size - 1) // 2 <= most:
        first, second = np.triu_indices(size, 1)
        distance = pdist(xy)
    else:
        first, second = _drawn_pairs(xy, lags, longest, most, seed)
        distance = np.hypot(*(xy[first] - xy[second]).T)
    kept = (distance > 0) & (distance <= longest)
    return first[kept], second[kept], distance[kept]


def _drawn_pairs(xy: np.ndarray, lags: int, longest: float, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng([seed, len(xy)])
    tree = cKDTree(xy)
    some = xy[generator.choice(len(xy), min(len(xy), 1000), replace=False)]
    nearest = tree.query(some, k=2)[0][:, 1]
    shortest = float(np.median(nearest[nearest > 0])) if (nearest > 0).any() else longest / 1000
    edges = np.geomspace(min(shortest, longest / 2), longest, lags + 1)
    each = most // lags
    distance = generator.uniform(np.repeat(edges[:-1], each), np.repeat(edges[1:], each))
    angle = generator.uniform(0, 2 * np.pi, len(distance))
    first = generator.integers(0, len(xy), len(distance))
    aim = xy[first] + distance[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return first, np.asarray(tree.query(aim)[1])


def fit_variogram(measured: Semivariogram) -> Variogram | None:
    """Fit an exponential and a spherical model by weighted least squares and return the closer one.

    Lags weigh by their pairs over their squared semivariance (Cressie 1985, with the measured semivariance in place of
    the model's). For each of a fine grid of ranges nugget and rise, neither negative, are solved for exactly, so that
    the fit has no starting values and always ends the same way.

    Args:
        measured: Semivariances by distance.

    Returns:
        The model; None where there are too few lags, or nothing varies.
    """
    known = measured.semivariances > 0
    if known.sum() < _FEWEST_LAGS:
        return None
    lags, semivariances = measured.lags_m[known], measured.semivariances[known]
    weights = measured.pairs[known] / semivariances**2
    ranges = np.geomspace(lags.min(), 2 * lags.max(), _CANDIDATES)[:, None]
    best: tuple[float, Variogram] | None = None
    for model in _MODELS:
        nugget, rise, misfit = _closest(_rise(model, lags, ranges), semivariances, weights)
        place = int(np.argmin(misfit))
        if best is None or misfit[place] < best[0] * (1 - 1e-9):
            reach = float(ranges[place, 0]) if rise[place] > 0 else 0.0
            sill = float(nugget[place] + rise[place])
            best = float(misfit[place]), Variogram(model, float(nugget[place]), sill, reach, float(lags.max()))
    return None if best is None else best[1]


def _closest(
    shapes: np.ndarray, semivariances: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nugget, rise and misfit, neither negative, of every curve; shapes (curves, lags) to (curves,).

    Of two numbers that must not be negative the least squares are the free ones, or those with the one or the other 0.
    """
    of_lag, of_both, of_shape = weights.sum(), shapes @ weights, shapes**2 @ weights
    level, slope = weights @ semivariances, shapes @ (weights * semivariances)
    determinant = np.maximum(of_lag * of_shape - of_both**2, 1e-12 * of_lag * of_shape)
    free = (of_shape * level - of_both * slope) / determinant, (of_lag * slope - of_both * level) / determinant
    none = np.zeros(len(shapes))
    choices = [free, (none, slope / of_shape), (none + level / of_lag, none)]
    misfits = []
    for nugget, rise in choices:
        rest = semivariances - nugget[:, None] - rise[:, None] * shapes
        misfits.append(np.where((nugget >= 0) & (rise >= 0), rest**2 @ weights, np.inf))
    chosen = np.argmin(misfits, axis=0)
    nuggets, rises = (np.choose(chosen, [choice[part] for choice in choices]) for part in (0, 1))
    return nuggets, rises, np.min(misfits, axis=0)


def _rise(model: Model, distance: np.ndarray, range_m: "float | np.ndarray") -> np.ndarray:
    """From 0 to 1 over the range; the exponential model has .95 there."""
    ratio = distance / range_m
    if model == "exponential":
        return np.asarray(1 - np.exp(-3 * ratio))
    inside = np.minimum(ratio, 1.0)
    return np.asarray(1.5 * inside - 0.5 * inside**3)


def variogram(
    x_m: np.ndarray, y_m: np.ndarray, values: np.ndarray, *, pairs: PlacePairs | None = None, seed: int = 0
) -> Variogram | None:
    """Measure and fit the variogram of the normal scores of values at places: of their order, not of their scale.

    Args:
        x_m: Easting in metres, shape (n,).
        y_m: Northing in metres, shape (n,).
        values: Finite numbers, shape (n,).
        pairs: Pairs of these places, where they were drawn before.
        seed: Seed of the pairs that are drawn where there are many places.

    Returns:
        The model; None where fewer than 30 places are given, all are one place, or have one value.
    """
    if len(values) < _FEWEST_PLACES or np.all(values == values[0]):
        return None
    return fit_variogram((pairs or place_pairs(x_m, y_m, seed=seed)).semivariogram(normal_scores(values)))


def correlation_length(x_m: np.ndarray, y_m: np.ndarray, values: np.ndarray, *, seed: int = 0) -> float | None:
    """Return the range of the spatial autocorrelation of values in metres: the practical range of their variogram.

    Args:
        x_m: Easting in metres, shape (n,).
        y_m: Northing in metres, shape (n,).
        values: Finite numbers, shape (n,).
        seed: Seed of the pairs that are drawn where there are many places.

    Returns:
        The range, at most twice the longest lag that was measured; 0 where neighbours are no more correlated than
        any two places; None where no model can be fitted.
    """
    fitted = variogram(x_m, y_m, values, seed=seed)
    return None if fitted is None else fitted.range_m
