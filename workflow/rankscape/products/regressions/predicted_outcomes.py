"""Regressions whose outcome is predicted everywhere and labelled at some places: prediction-powered inference.

Predictions from images miss what images do not show, and shrink towards the mean: their errors go along with what
explains them, and coefficients of predicted outcomes are biased. A labelled sample tells by how much (Angelopoulos et
al., Science 2023); how far predictions are trusted is tuned to the smallest error (Angelopoulos, Duchi and Zrnic 2023).
"""

from dataclasses import dataclass

import numpy as np
from ppi_py import ppi_ols_pointestimate
from scipy.stats import t as student

from rankscape.foundation.errors import TableError

ESTIMATORS = ("naive", "labelled", "corrected")
"""Predictions taken for labels; labelled places alone; predictions corrected by the labelled places."""
_COLLINEAR = 1e-9


@dataclass(frozen=True)
class PredictedOutcome:
    """Places of a regression."""

    explanatory: np.ndarray
    """Without intercept, float64, shape (n, k)."""
    predicted: np.ndarray
    """Predicted outcome, by models that have not seen the place, shape (n,)."""
    labels: np.ndarray
    """Outcome, shape (n,); NaN where it is not known."""
    clusters: np.ndarray
    """Group of every place within which errors are correlated, such as its block of land, shape (n,)."""


@dataclass(frozen=True)
class CorrectedEstimate:
    """Coefficients of one estimator, the intercept first; float64, shape (1 + k,) each."""

    coefficients: np.ndarray
    std_errors: np.ndarray
    low: np.ndarray
    high: np.ndarray
    clusters: int
    """Clusters of the places that it uses."""


def estimate_coefficients(
    given: PredictedOutcome, names: list[str], confidence: float
) -> tuple[dict[str, CorrectedEstimate], float]:
    """Estimate coefficients by each of `ESTIMATORS`.

    Errors come from sums of scores by cluster, times G/(G-1), and intervals from t with G-1 degrees of freedom, G being
    the clusters of the places that are used. Where each place is a cluster of its own, they are those of ppi_py.

    Args:
        given: Labelled places, a random sample of all, and others.
        names: Names of the explanatory columns, for messages.
        confidence: Coverage of the intervals.

    Returns:
        By estimator; and how far predictions are trusted, from 0, labelled places alone, to 1.

    Raises:
        TableError: If labels are too few, there is nothing without a label, or columns are constant or collinear.
    """
    known = np.isfinite(given.labels)
    x = np.column_stack([np.ones(len(known)), given.explanatory])
    _check(x, known, names, given.clusters)
    own, rest = x[known], x[~known]
    labels, at, beyond = given.labels[known], given.predicted[known], given.predicted[~known]
    corrected, trust = _tuned(own, labels, at, rest, beyond)
    coefficients = {"naive": _least_squares(x, given.predicted), "labelled": _least_squares(own, labels),
                    "corrected": corrected}  # fmt: skip
    estimates = {}
    for name, beta in coefficients.items():
        scores = np.zeros_like(x)
        if name == "naive":
            scores = x * (x @ beta - given.predicted)[:, None] / len(x)
        else:
            share = trust if name == "corrected" else 0.0
            pull = (own @ beta - labels) - share * (own @ beta - at)
            scores[known] = _centred(own * pull[:, None]) / len(own)
            scores[~known] = share * _centred(rest * (rest @ beta - beyond)[:, None]) / len(rest)
        used = known if name == "labelled" else np.ones(len(known), bool)
        moments = own.T @ own / len(own) if name == "labelled" else x.T @ x / len(x)
        estimates[name] = _interval(beta, scores[used], moments, given.clusters[used], confidence)
    return estimates, trust


def _tuned(
    own: np.ndarray, labels: np.ndarray, at: np.ndarray, rest: np.ndarray, beyond: np.ndarray
) -> tuple[np.ndarray, float]:
    """Corrected coefficients, and the trust in predictions that ppi_py tunes and does not return."""
    none, full = (ppi_ols_pointestimate(own, labels, at, rest, beyond, lam=lam) for lam in (0, 1))
    tuned = ppi_ols_pointestimate(own, labels, at, rest, beyond)
    way = full - none  # coefficients are linear in the trust
    trust = float(way @ (tuned - none) / (way @ way)) if way @ way > 0 else 0.0
    return np.asarray(tuned), float(np.clip(trust, 0, 1))


def _least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.lstsq(x, y, rcond=None)[0])


def _centred(values: np.ndarray) -> np.ndarray:
    return np.asarray(values - values.mean(0))


def _interval(
    beta: np.ndarray, scores: np.ndarray, moments: np.ndarray, clusters: np.ndarray, confidence: float
) -> CorrectedEstimate:
    names, cluster = np.unique(clusters, return_inverse=True)
    sums = np.column_stack([np.bincount(cluster, column, minlength=len(names)) for column in scores.T])
    bread = np.linalg.inv(moments)
    covariance = bread @ (sums.T @ sums) @ bread * len(names) / (len(names) - 1)
    errors = np.sqrt(np.diag(covariance))
    reach = student.ppf((1 + confidence) / 2, len(names) - 1) * errors
    return CorrectedEstimate(beta, errors, beta - reach, beta + reach, len(names))


def _check(x: np.ndarray, known: np.ndarray, names: list[str], clusters: np.ndarray) -> None:
    if known.all():
        raise TableError(f"all {len(known)} places have a label, so nothing needs prediction: regress the labels.")
    if known.sum() <= 2 * x.shape[1]:
        raise TableError(
            f"{known.sum()} labelled places are too few for {x.shape[1]} coefficients: {2 * x.shape[1] + 1} are needed."
        )
    for part, where in ((known, "labelled"), (~known, "unlabelled")):
        rows = x[part, 1:]
        centred = rows - rows.mean(0)
        size = np.linalg.norm(centred, axis=0)
        still = [
            name for name, one, raw in zip(names, size, np.abs(rows).max(0), strict=True) if one <= _COLLINEAR * raw
        ]
        if still:
            raise TableError(f"{', '.join(still)} is the same at all {part.sum()} {where} places: leave it out.")
        if np.linalg.matrix_rank(centred / size, tol=_COLLINEAR * np.sqrt(len(rows))) < len(names):
            raise TableError(f"{', '.join(names)} are collinear at {where} places: leave one out.")
    if len(np.unique(clusters[known])) < 2:
        raise TableError("all labelled places lie in one block: errors cannot be told; label more of the region.")
