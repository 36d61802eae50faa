"""Bringing scores that were trained on an order alone to the scale of the targets.

An order fixes which score is higher, not by how much, so networks of several seeds may agree on every place and differ
in their scores; their mean and spread would then say little. Platt's two numbers suffice (Platt 1999): they are
monotone, so no place changes; they keep scores in (0, 1); and they go into the head's own weights, so that a model is
stored and used as any other. Isotonic regression would make steps, in which different images get equal scores.
"""

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from rankscape.studies.ranking.scoring.network import ScoreNetwork
from rankscape.studies.ranking.scoring.samples import levels_of, targets_of
from rankscape.studies.ranking.scoring.training import Fit, Lesson, predict_pool

_NEAREST = 1e-6
"""Scores in float32 can reach 0 and 1, whose logits are infinite."""
_SLOPES = (0.02, 20.0)
"""A slope above 0 keeps the order; two levels told apart without a mistake would ask for an infinite one."""
_SHIFT = 50.0


def calibrate(network: ScoreNetwork, lesson: Lesson, fit: Fit) -> Fit:
    """Bring a trained network to the scale of the targets of the patches that it was trained on.

    Args:
        network: Network with its best weights; its head changes.
        lesson: Patches and settings.
        fit: History of the network.

    Returns:
        The history with the new scores of the held-out patches, and the calibration.
    """
    training = lesson.training
    slope, shift = logistic_fit(predict_pool(network, training, lesson), targets_of(training), levels_of(training))
    network.rescale(slope, shift)
    return replace(fit, scores=predict_pool(network, lesson.validation, lesson), calibration=(slope, shift))


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
