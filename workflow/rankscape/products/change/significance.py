"""How much scores differ between two dates where nothing changed, and which changes stand out of that."""

from typing import TypeVar

import numpy as np
from scipy import stats

_PER_KNOT = 20
"""Invariant places that each point of the effect's curve, and of the noise's, is the median of."""
_PER_TAIL = 100
"""Invariant places that each level's tails are told from: fewer show none."""
_LEVELS = 5
_LEAST_NOISE = 1e-4
_NORMAL_MAD = float(stats.norm.ppf(0.75))
_TAILS = (3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 30.0, 100.0)
"""Degrees of freedom that are tried; the last is as good as normal."""
Tail = TypeVar("Tail", float, np.ndarray)
"""Degrees of freedom of Student's t."""


def noise_of(change: np.ndarray, level: np.ndarray, invariant: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the change of places that did not change, by their level.

    In each fifth of the invariant places it is 1.4826 times the median absolute deviation, between them interpolated.

    Args:
        change: Change of every place, shape (n,).
        level: Level of every place.
        invariant: Which places stand for no change.
    """
    own, away = level[invariant], change[invariant]
    groups = groups_of(own, _LEVELS)
    middles = [float(np.median(own[members])) for members in groups]
    spreads = [spread_of(away[members]) for members in groups]
    return np.asarray(np.maximum(np.interp(level, middles, spreads), _LEAST_NOISE))


def groups_of(level: np.ndarray, most: int, least: int = _PER_KNOT) -> list[np.ndarray]:
    """Positions of places in groups of neighbouring levels: `most` groups, or fewer, of `least` places or more."""
    count = min(most, max(1, len(level) // least))
    return np.array_split(np.argsort(level, kind="stable"), count)


def spread_of(values: np.ndarray) -> float:
    """Return the standard deviation of normal values whose median absolute deviation is that of these."""
    return float(stats.median_abs_deviation(values) / _NORMAL_MAD)


def tails_of(z: np.ndarray, level: np.ndarray, invariant: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Return how heavy the tails of the noise are at every place, by its level.

    Scores end at 0 and 1. Near the ends most places stay within a hair, so that the few that do not look enormous;
    in the middle such tails would hide changes from one end of the scale to the other.

    Args:
        z: Change of every place in units of its noise, shape (n,).
        level: Level of every place.
        invariant: Which places stand for no change.

    Returns:
        Degrees of freedom of Student's t at every place, interpolated between groups of levels by their inverse; and
        those of the groups, the lowest level first.
    """
    own = level[invariant]
    groups = groups_of(own, _LEVELS, _PER_TAIL)
    found = [tail_of(z[invariant][members]) for members in groups]
    middles = [float(np.median(own[members])) for members in groups]
    return 1 / np.interp(level, middles, 1 / np.array(found)), found


def tail_of(z: np.ndarray) -> float:
    """Return the degrees of freedom of Student's t that z of places without change follows best.

    Its quartiles are those of the normal that the median absolute deviation stands for; of `_TAILS` the likeliest is
    taken. Scores of real images have heavier tails than the normal, which would call far too much significant.
    """
    return max(_TAILS, key=lambda tail: float((stats.t.logpdf(z * _scale(tail), tail) + np.log(_scale(tail))).sum()))


def _scale(tail: Tail) -> Tail:
    scale: Tail = stats.t.ppf(0.75, tail) / _NORMAL_MAD
    return scale


def p_values(change: np.ndarray, noise: np.ndarray, least: float, tail: Tail) -> np.ndarray:
    """Test of each place that its change is no larger than the least one of interest, either way.

    p = P(T > (|c| - d) / s) + P(T > (|c| + d) / s), the largest over all changes of at most d (McCarthy and Smyth,
    "Testing significance relative to a fold-change threshold is a TREAT", Bioinformatics 25, 2009).

    Args:
        change: Change c of every place, shape (n,).
        noise: Standard deviation s of the change of places that did not change. How much the networks differ about the
            size of a change is no part of it: where nothing changed, they agree about both dates alike.
        least: Least change of interest d.
        tail: Degrees of freedom of T, one for all or one a place.
    """
    size, unit = np.abs(change), noise / _scale(tail)
    return np.asarray(stats.t.sf((size - least) / unit, tail) + stats.t.sf((size + least) / unit, tail)).clip(max=1)


def least_called(noise: float, least: float, tail: float, level: float) -> float | None:
    """Return the least change whose p is at most `level` at a place of this noise; None where no score changes so much.

    Scores lie between 0 and 1, so that no change is larger than 1.
    """
    sizes = np.linspace(0, 1, 1001)
    enough = p_values(sizes, np.full(len(sizes), noise), least, tail) <= level
    return float(sizes[enough.argmax()]) if enough.any() else None
