"""Metrics of a classifier against soft labels (docs/methods/learning.md)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

INHABITED = "inhabited"
"""Name of all categories but the uninhabited one, together."""
_ALL = 1 - 1e-6
"""Shares are float32: what is above this is everybody."""


def category_measures(
    log_p: np.ndarray, shares: np.ndarray, categories: Sequence[str], uninhabited: str | None
) -> dict[str, Any]:
    """Compare probabilities p with soft labels q, the shares of the annotators.

    - `loss`: cross-entropy, the mean of -sum over categories of q log p (log loss);
    - `accuracy`: share of patches whose likeliest category has the largest share of the label, alone or tied;
    - `unanimous`: the number of patches on whose category all annotators agree, and the accuracy on these;
    - `brier`: the mean of the sum over categories of (p - q)² (Brier 1950), from 0 to 2;
    - `auc`: for each category, the chance that a patch of it has a larger probability of it than one of the others has
      (area under the ROC curve): patches with more than half of the label against those with less, without ties;
    - `auc_unanimous`: the same of patches that all annotators give to the category, against all others.

    Where there is an uninhabited category, the others together are `inhabited` in both. An AUC is None where one side
    is empty.

    Args:
        log_p: Logarithms of the probabilities, float64, shape (n, categories).
        shares: Soft labels, shape (n, categories); rows sum to 1.
        categories: Land categories in the order of the columns.
        uninhabited: The category without people.

    Returns:
        The measures as JSON values; of no unanimous patch the accuracy is None.
    """
    p, q = np.exp(log_p), shares.astype(np.float64)
    correct = q[np.arange(len(q)), log_p.argmax(1)] == q.max(1)
    unanimous = q.max(1) > _ALL
    sides = {name: (q[:, place], p[:, place]) for place, name in enumerate(categories)}
    if uninhabited is not None:
        sides[INHABITED] = tuple(1 - values for values in sides[uninhabited])  # type: ignore[assignment]
    return {
        # A label of 0 must not multiply the infinite logarithm of a probability of 0.
        "loss": float(-(q * np.where(q > 0, log_p, 0.0)).sum(1).mean()),
        "accuracy": float(correct.mean()),
        "unanimous": {
            "patches": int(unanimous.sum()),
            "accuracy": float(correct[unanimous].mean()) if unanimous.any() else None,
        },
        "brier": float(((p - q) ** 2).sum(1).mean()),
        "auc": {name: auc(share[share != 0.5] > 0.5, score[share != 0.5]) for name, (share, score) in sides.items()},
        "auc_unanimous": {name: auc(share > _ALL, score) for name, (share, score) in sides.items()},
    }


def auc(belongs: np.ndarray, score: np.ndarray) -> float | None:
    """Return the area under the ROC curve; None where one side is empty.

    Args:
        belongs: bool, shape (n,).
        score: Higher where it belongs, shape (n,).
    """
    return float(roc_auc_score(belongs, score)) if belongs.any() and not belongs.all() else None
