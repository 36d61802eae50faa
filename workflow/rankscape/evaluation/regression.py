"""How well numbers are predicted: errors, shares of variance explained, and what a decision based on them loses."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from rankscape.evaluation.correlation import pearson, spearman

BUDGETS = (0.1, 0.25, 0.4)
"""Shares of places that a programme can reach."""


@dataclass(frozen=True)
class Fit:
    """How predictions agree with labels; NaN where a number is not defined."""

    n: int
    """Places."""
    r2: float
    """Coefficient of determination, 1 - sum (y - p)² / sum (y - mean y)²; below 0 where the mean predicts better."""
    pearson: float
    """Pearson correlation."""
    spearman: float
    """Spearman correlation."""
    mae: float
    """Mean absolute error, in the label's unit."""
    bias: float
    """Mean of prediction minus label."""


def fit_of(labels: np.ndarray, predicted: np.ndarray) -> Fit:
    """Compare predictions with labels.

    Args:
        labels: Finite numbers, shape (n,).
        predicted: Finite numbers, shape (n,).
    """
    errors = predicted - labels
    if len(labels) < 2:
        return Fit(
            len(labels),
            *[np.nan] * 3,
            *([np.nan] * 2 if not len(labels) else [abs(float(errors[0])), float(errors[0])]),
        )
    return Fit(
        len(labels), r2(labels, predicted), pearson(labels, predicted), spearman(labels, predicted),
        float(np.abs(errors).mean()), float(errors.mean()),
    )  # fmt: skip


def r2(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Coefficient of determination; NaN where all labels are the same."""
    spread = float(((labels - labels.mean()) ** 2).sum())
    return 1 - float(((labels - predicted) ** 2).sum()) / spread if spread > 0 else float("nan")


def r2_of_draws(labels: np.ndarray, predicted: np.ndarray, block: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Coefficient of determination of samples of whole blocks, exact in every draw.

    Args:
        labels: Shape (n,).
        predicted: Shape (n,).
        block: Number of the block of each place, 0 ... blocks - 1, shape (n,).
        counts: How often each block is drawn, shape (draws, blocks).

    Returns:
        float64, shape (draws,); NaN where a draw has one value only.
    """
    centred = labels - labels.mean()
    terms = (np.ones(len(labels)), centred, centred**2, (labels - predicted) ** 2)
    sums = np.stack([np.bincount(block, term, minlength=counts.shape[1]) for term in terms], 1)
    n, y, yy, errors = (counts @ sums).T
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = yy - y**2 / n
        return np.where(spread > 1e-12 * np.abs(yy), 1 - errors / spread, np.nan)


def recall_of_lowest(labels: np.ndarray, predicted: np.ndarray, share: float) -> float:
    """Share of the places with the lowest labels that are among as many with the lowest predictions.

    Ties are broken evenly: a place at the border counts by the share of its equals that are taken, so that equal
    predictions find no more than chance.

    Args:
        labels: Finite numbers, shape (n,).
        predicted: Finite numbers, shape (n,).
        share: Share of places that are poor, and that the budget reaches.
    """
    budget = max(round(share * len(labels)), 1)
    poor, reached = (_taken(values, budget) for values in (labels, predicted))
    return float((poor * reached).sum() / budget)


def _taken(values: np.ndarray, budget: int) -> np.ndarray:
    """How much of every place is among the lowest, 0 to 1; adds up to the budget."""
    limit = np.sort(values)[budget - 1]
    below, equal = values < limit, values == limit
    return np.asarray(below + equal * ((budget - below.sum()) / equal.sum()))


def targeting_error(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Rank-weighted targeting error: by how much the order of help is wrong, most where the poorest are passed over.

    The mean distance between true and predicted rank, as a share of what a random order would have, each place weighted
    by how poor it truly is (1 for the poorest, 0 for the richest).

    Returns:
        0 for the true order, about 1 for a random one; NaN for fewer than two places or equal labels.
    """
    if len(labels) < 2 or np.ptp(labels) == 0:
        return float("nan")
    true, found = ((rankdata(values) - 1) / (len(labels) - 1) for values in (labels, predicted))
    weights = 1 - true
    # A rank drawn uniformly lies so far from t on average.
    by_chance = true**2 - true + 0.5
    return float((weights * np.abs(true - found)).sum() / (weights * by_chance).sum())
