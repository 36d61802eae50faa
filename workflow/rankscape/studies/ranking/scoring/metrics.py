"""How well scores meet the targets of patches that were not trained on."""

import numpy as np
from scipy.stats import kendalltau

from rankscape.learning.selection import Selection
from rankscape.studies.ranking.scoring.samples import levels_of, targets_of

TOLERANCE = 0.07
"""A score this near to its target counts as right (the Sichuan report, 2024)."""


def validation_metrics(scores: np.ndarray, targets: np.ndarray, levels: np.ndarray) -> dict[str, float | int | None]:
    """Compare scores with pseudo labels.

    Args:
        scores: Score of every patch, shape (n,).
        targets: Target of every patch, shape (n,).
        levels: Level of every patch, 0 the best, shape (n,).

    Returns:
        `patches`; `share_within` 0.07 of the target; `mean_absolute_error`; `kendall_tau_b` between score and level,
        1 if every better level scores higher, null if all scores or all levels are equal.
    """
    error = np.abs(scores.astype(np.float64) - targets)
    tau = kendalltau(scores, -levels, variant="b").statistic
    return {
        "patches": len(scores),
        "share_within": float(np.mean(error <= TOLERANCE)),
        "mean_absolute_error": float(np.mean(error)),
        "kendall_tau_b": float(tau) if np.isfinite(tau) else None,
    }


def held_out_metrics(scores: np.ndarray, held_out: Selection) -> dict[str, float | int | None]:
    """Compare scores with the pseudo labels of held-out patches; see `validation_metrics`."""
    return validation_metrics(scores, targets_of(held_out), levels_of(held_out))


def balanced_mean(values: np.ndarray, groups: np.ndarray) -> float:
    """Return the mean over groups of the mean of each, so that a common group does not outvote a rare one."""
    return float(np.mean([values[groups == group].mean() for group in np.unique(groups)]))
