"""How well a classifier tells land categories from soft labels (docs/vision.md)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score


def category_measures(log_p: np.ndarray, shares: np.ndarray, categories: Sequence[str]) -> dict[str, Any]:
    """Compare probabilities p with soft labels q, the shares of the annotators.

    - `loss`: cross-entropy, the mean of -sum over categories of q log p;
    - `accuracy`: share of patches whose likeliest category has the largest share of the label, alone or tied;
    - `unanimous`: the number of patches on whose category all annotators agree, and the accuracy on these;
    - `brier`: the mean of the sum over categories of (p - q)² (Brier 1950), from 0 to 2;
    - `auc`: for each category, the chance that a patch of it has a larger probability of it than one of the others has
      (area under the ROC curve). A patch is of the category if it has more than half of the label; patches without
      such a majority are left out. None where either side is empty. For the uninhabited category this is the AUC of
      inhabited against uninhabited land.

    Args:
        log_p: Logarithms of the probabilities, float64, shape (n, categories).
        shares: Soft labels, shape (n, categories); rows sum to 1.
        categories: Land categories in the order of the columns.

    Returns:
        The measures as JSON values; of no unanimous patch the accuracy is None.
    """
    p, q = np.exp(log_p), shares.astype(np.float64)
    correct = q[np.arange(len(q)), log_p.argmax(1)] == q.max(1)
    unanimous, clear = q.max(1) == 1, q.max(1) > 0.5
    return {
        # A label of 0 must not multiply the infinite logarithm of a probability of 0.
        "loss": float(-np.where(q > 0, q * log_p, 0.0).sum(1).mean()),
        "accuracy": float(correct.mean()),
        "unanimous": {
            "patches": int(unanimous.sum()),
            "accuracy": float(correct[unanimous].mean()) if unanimous.any() else None,
        },
        "brier": float(((p - q) ** 2).sum(1).mean()),
        "auc": {name: _auc(q[clear, place] > 0.5, p[clear, place]) for place, name in enumerate(categories)},
    }


def _auc(belongs: np.ndarray, probability: np.ndarray) -> float | None:
    if belongs.all() or not belongs.any():
        return None
    return float(roc_auc_score(belongs, probability))
