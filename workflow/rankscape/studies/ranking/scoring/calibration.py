"""Bringing scores to the scale of the targets, and their uncertainty to that of their errors.

**Scores.** An order fixes which score is higher, not by how much. Networks of several seeds may agree on every place
and differ in their scores, so that mean and ensemble standard deviation say little. Platt's two numbers suffice (Platt
1999): they are monotone, so no place changes; they keep scores in (0, 1); and they go into the head's own weights, so
that a model is stored and used as any other. Isotonic regression would make steps, in which different images get equal
scores.

**Uncertainty.** Networks trained on the same data are overconfident. On held-out patches the distance r of a score from
its target is known, and so is the ensemble standard deviation s; two numbers join them,

    score_std^2 = a^2 + (b s)^2,   a, b >= 0,

those of the largest Gaussian likelihood of r, the least mean of log(score_std^2) + r^2 / score_std^2. It is the scaling
of a predicted deviation by likelihood (Kuleshov et al., ICML 2018; Laves et al., MIDL 2020) with a floor: what all
networks miss alike, and all there is for a single network, whose ensemble standard deviation is 0.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from rankscape.studies.ranking.scoring.network import ScoreNetwork
from rankscape.studies.ranking.scoring.samples import levels_of, targets_of
from rankscape.studies.ranking.scoring.training import FitResult, ScoreTask, predict_samples

_NEAREST = 1e-6
"""Scores in float32 can reach 0 and 1, whose logits are infinite."""
_SLOPES = (0.02, 20.0)
"""A slope above 0 keeps the order; two levels told apart without a mistake would ask for an infinite one."""
_SHIFT = 50.0


def calibrate(network: ScoreNetwork, task: ScoreTask, fit: FitResult) -> FitResult:
    """Bring a trained network to the scale of the targets of the patches that it was trained on.

    Args:
        network: Network with its best weights; its head changes.
        task: Patches and settings.
        fit: History of the network.

    Returns:
        The history with the new scores of the held-out patches, and the calibration.
    """
    training = task.training
    slope, shift = logistic_fit(predict_samples(network, training, task), targets_of(training), levels_of(training))
    network.rescale(slope, shift)
    return replace(fit, scores=predict_samples(network, task.validation, task), calibration=(slope, shift))


def logistic_fit(scores: np.ndarray, targets: np.ndarray, levels: np.ndarray) -> tuple[float, float]:
    """Fit sigmoid(slope * logit(score) + shift) to the targets: least cross-entropy, every level counting alike.

    Args:
        scores: Scores in [0, 1] of the patches trained on, shape (n,).
        targets: Target of every patch in [0, 1], shape (n,).
        levels: Level of every patch, shape (n,).

    Returns:
        Slope, above 0, and shift.
    """
    held = np.clip(scores.astype(np.float64), _NEAREST, 1 - _NEAREST)
    logits = np.log(held) - np.log1p(-held)
    _, place, counts = np.unique(levels, return_inverse=True, return_counts=True)
    weights = 1 / (counts[place] * len(counts))

    def cost(values: np.ndarray) -> tuple[float, np.ndarray]:
        raised = values[0] * logits + values[1]
        # -t log p - (1 - t) log(1 - p) of p = sigmoid(raised), without overflow; its slope in `raised` is p - t.
        error = 0.5 * (1 + np.tanh(raised / 2)) - targets
        losses = np.logaddexp(0, raised) - targets * raised
        return float(weights @ losses), np.array([weights @ (error * logits), weights @ error])

    found = minimize(cost, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[_SLOPES, (-_SHIFT, _SHIFT)])
    return float(found.x[0]), float(found.x[1])


FEWEST = 10
"""Fewer held-out patches say too little of the error to calibrate by."""
LEVELS = (0.68, 0.9)
"""Central intervals whose coverage is recorded."""
_SMALLEST = 1e-4
"""Smallest deviation; one of 0 would make any error impossible."""


@dataclass(frozen=True)
class Calibration:
    """How score_std follows from the ensemble standard deviation."""

    floor: float
    """Deviation a where the networks agree."""
    factor: float
    """Factor b of the ensemble standard deviation."""

    def deviation(self, ensemble_std: np.ndarray) -> np.ndarray:
        """Return score_std for ensemble standard deviations of any shape; NaN stays NaN."""
        return np.asarray(np.hypot(self.floor, self.factor * ensemble_std))

    def to_document(self) -> dict[str, float]:
        """Return both numbers as JSON."""
        return asdict(self)


def fit_calibration(errors: np.ndarray, ensemble_std: np.ndarray) -> Calibration:
    """Fit floor and factor by the largest Gaussian likelihood.

    Args:
        errors: Score less target of held-out patches, shape (n,).
        ensemble_std: Standard deviation of the networks' scores, shape (n,).
    """
    squares, deviations = errors.astype(np.float64) ** 2, ensemble_std.astype(np.float64) ** 2
    size, wide = max(squares.mean(), _SMALLEST**2), float(deviations.mean())
    if wide == 0:
        return Calibration(float(np.sqrt(size)), 0.0)
    # In units in which both numbers are about 1; the likelihood has more than one hill, so each of three starts counts.
    columns = np.stack([np.full(len(deviations), size), deviations * (size / wide)], 1)
    bounds = [(_SMALLEST**2 / size, None), (0.0, None)]
    found = [
        minimize(_cost(columns, squares), start, jac=True, method="L-BFGS-B", bounds=bounds)
        for start in ((1.0, 0.0), (0.5, 0.5), (0.1, 1.0))
    ]
    share = min(found, key=lambda one: float(one.fun)).x
    return Calibration(float(np.sqrt(share[0] * size)), float(np.sqrt(share[1] * size / wide)))


def coverage_record(
    errors: np.ndarray, ensemble_std: np.ndarray, places: np.ndarray, chance: np.random.Generator
) -> dict[str, Any]:
    """Say how often the target lies in the central intervals of a normal distribution around the score.

    So that it is not measured on what it was fitted to, the held-out patches are cut in halves, by place if there are
    two places at least, and the intervals of each half come from the calibration of the other.

    Args:
        errors: Score less target of held-out patches, shape (n,).
        ensemble_std: Standard deviation of the networks' scores, shape (n,).
        places: Place of each patch, shape (n,).
        chance: Source of the halves.

    Returns:
        `patches`, what the `halves` are of, and for `ensemble_std` itself and for score_std the share of targets within
        the intervals of 68 and 90 percent.
    """
    by_place = len(np.unique(places)) > 1
    first = _half(places if by_place else np.arange(len(errors)), chance)
    deviation = np.empty(len(errors))
    for held in (first, ~first):
        deviation[held] = fit_calibration(errors[~held], ensemble_std[~held]).deviation(ensemble_std[held])
    return {
        "patches": len(errors),
        "halves": "places" if by_place else "patches",
        "ensemble_std": _coverage(errors, ensemble_std),
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
