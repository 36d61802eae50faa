"""From the spread of the networks to the error that a score has: score_std, calibrated on held-out patches.

Networks that learned from the same patches and labels agree more than they are right. On patches that none of them was
trained on, the distance r of a score from its target is known, and so is the spread s; two numbers join them,

    score_std^2 = a^2 + (b s)^2,   a, b >= 0,

those of the largest Gaussian likelihood of r, the least mean of log(score_std^2) + r^2 / score_std^2. It is the scaling
of a predicted deviation by likelihood (Kuleshov et al., ICML 2018; Laves et al., MIDL 2020) with a floor: what all
networks miss alike, and all there is for a single network, whose spread is 0.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

FEWEST = 10
"""Fewer held-out patches say too little of the error to calibrate by."""
LEVELS = (0.68, 0.9)
"""Central intervals whose coverage is recorded."""
_SMALLEST = 1e-4
"""Smallest deviation; one of 0 would make any error impossible."""


@dataclass(frozen=True)
class Calibration:
    """How score_std follows from the spread."""

    floor: float
    """Deviation a where the networks agree."""
    factor: float
    """Factor b of the spread."""

    def deviation(self, spread: np.ndarray) -> np.ndarray:
        """Return score_std for spreads of any shape; NaN stays NaN."""
        return np.asarray(np.hypot(self.floor, self.factor * spread))

    def to_document(self) -> dict[str, float]:
        """Return both numbers as JSON."""
        return asdict(self)


def fit_calibration(errors: np.ndarray, spread: np.ndarray) -> Calibration:
    """Fit floor and factor by the largest Gaussian likelihood.

    Args:
        errors: Score less target of held-out patches, shape (n,).
        spread: Spread of their scores, shape (n,).
    """
    squares, spreads = errors.astype(np.float64) ** 2, spread.astype(np.float64) ** 2
    size, wide = max(squares.mean(), _SMALLEST**2), float(spreads.mean())
    if wide == 0:
        return Calibration(float(np.sqrt(size)), 0.0)
    # In units in which both numbers are about 1; the likelihood has more than one hill, so each of three starts counts.
    columns = np.stack([np.full(len(spreads), size), spreads * (size / wide)], 1)
    bounds = [(_SMALLEST**2 / size, None), (0.0, None)]
    found = [
        minimize(_cost(columns, squares), start, jac=True, method="L-BFGS-B", bounds=bounds)
        for start in ((1.0, 0.0), (0.5, 0.5), (0.1, 1.0))
    ]
    share = min(found, key=lambda one: float(one.fun)).x
    return Calibration(float(np.sqrt(share[0] * size)), float(np.sqrt(share[1] * size / wide)))


def coverage_record(
    errors: np.ndarray, spread: np.ndarray, places: np.ndarray, chance: np.random.Generator
) -> dict[str, Any]:
    """Say how often the target lies in the central intervals of a normal distribution around the score.

    So that it is not measured on what it was fitted to, the held-out patches are cut in halves, by place if there are
    two places at least, and the intervals of each half come from the calibration of the other.

    Args:
        errors: Score less target of held-out patches, shape (n,).
        spread: Spread of their scores, shape (n,).
        places: Place of each patch, shape (n,).
        chance: Source of the halves.

    Returns:
        `patches`, what the `halves` are of, and for the spread itself and for score_std the share of targets within the
        intervals of 68 and 90 percent.
    """
    by_place = len(np.unique(places)) > 1
    first = _half(places if by_place else np.arange(len(errors)), chance)
    deviation = np.empty(len(errors))
    for held in (first, ~first):
        deviation[held] = fit_calibration(errors[~held], spread[~held]).deviation(spread[held])
    return {
        "patches": len(errors),
        "halves": "places" if by_place else "patches",
        "spread": _coverage(errors, spread),
        "score_std": _coverage(errors, deviation),
    }


def _half(groups: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Choose whole groups that together have about half of the members, bool, shape (n,)."""
    numbers, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = chance.permutation(len(numbers))
    before = np.cumsum(sizes[order]) - sizes[order] / 2
    return np.isin(inverse, order[before <= len(groups) / 2])


def _coverage(errors: np.ndarray, deviation: np.ndarray) -> dict[str, float]:
    reach = {level: norm.ppf((1 + level) / 2) * deviation for level in LEVELS}
    return {f"within_{100 * level:.0f}": float(np.mean(np.abs(errors) <= far)) for level, far in reach.items()}


def _cost(columns: np.ndarray, squares: np.ndarray) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    def cost(shares: np.ndarray) -> tuple[float, np.ndarray]:
        variance = columns @ shares
        slope = (1 / variance - squares / variance**2) / len(squares)
        return float(np.mean(np.log(variance) + squares / variance)), columns.T @ slope

    return cost
