"""Metrics of a classifier against soft labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

_ALL = 1 - 1e-6
"""Labels are float32: what is above this is unanimous."""


def soft_label_metrics(
    log_p: np.ndarray, labels: np.ndarray, classes: Sequence[str], complements: Mapping[str, str]
) -> dict[str, Any]:
    """Compare probabilities p with soft labels q, such as the shares of annotators.

    - `loss`: cross-entropy, the mean of -sum over classes of q log p (log loss);
    - `accuracy`: share of samples whose most probable class has the largest label, alone or tied;
    - `unanimous`: the number of samples whose label is one class, and the accuracy on these;
    - `brier`: the mean of the sum over classes of (p - q)² (Brier 1950), from 0 to 2;
    - `auc`: for each class, the chance that a sample of it has a larger probability of it than one of the others has
      (area under the ROC curve): samples with more than half of the label against those with less, without ties;
    - `auc_unanimous`: the same of samples whose whole label is the class, against all others.

    An AUC is None where one side is empty.

    Args:
        log_p: Logarithms of the probabilities, float64, shape (n, classes).
        labels: Soft labels, shape (n, classes); rows sum to 1.
        classes: Classes in the order of the columns.
        complements: Names of further classes for `auc`, each all classes but one: that class by the name.

    Returns:
        The metrics as JSON values; of no unanimous sample the accuracy is None.
    """
    p, q = np.exp(log_p), labels.astype(np.float64)
    correct = q[np.arange(len(q)), log_p.argmax(1)] == q.max(1)
    unanimous = q.max(1) > _ALL
    sides = {name: (q[:, place], p[:, place]) for place, name in enumerate(classes)}
    sides |= {name: (1 - sides[other][0], 1 - sides[other][1]) for name, other in complements.items()}
    return {
        # A label of 0 must not multiply the infinite logarithm of a probability of 0.
        "loss": float(-(q * np.where(q > 0, log_p, 0.0)).sum(1).mean()),
        "accuracy": float(correct.mean()),
        "unanimous": {
            "patches": int(unanimous.sum()),
            "accuracy": float(correct[unanimous].mean()) if unanimous.any() else None,
        },
        "brier": float(((p - q) ** 2).sum(1).mean()),
        "auc": {name: auc(label[label != 0.5] > 0.5, own[label != 0.5]) for name, (label, own) in sides.items()},
        "auc_unanimous": {name: auc(label > _ALL, own) for name, (label, own) in sides.items()},
    }


def auc(belongs: np.ndarray, predicted: np.ndarray) -> float | None:
    """Return the area under the ROC curve; None where one side is empty.

    Args:
        belongs: bool, shape (n,).
        predicted: Higher where it belongs, shape (n,).
    """
    return float(roc_auc_score(belongs, predicted)) if belongs.any() and not belongs.all() else None
