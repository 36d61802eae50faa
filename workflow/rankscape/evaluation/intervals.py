"""Intervals: of statistics from bootstrap draws, of correlations and shares from theory, of predictions."""

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

_ONE = 1 - 1e-12
"""Largest correlation that has a place on Fisher's scale."""

Ends = tuple[float, float]
"""Lower and upper end of an interval."""


def bootstrap_interval(
    value: float, drawn: np.ndarray, confidence: float, *, blocks: float, inflation: float, fisher: bool = True
) -> Ends | None:
    """Return an interval around a statistic from its bootstrap draws.

    The standard error of the draws, times the root of the inflation, times Student's t of one less than the effective
    blocks: the error is itself estimated from so few. Correlations are compared on Fisher's scale (z = artanh r,
    Fisher 1921), on which their standard error does not depend on their size.

    Args:
        value: The statistic of the sample.
        drawn: The statistic in every draw, shape (draws,); NaN where it had none.
        confidence: Coverage, between 0 and 1.
        blocks: Effective blocks, more than 1.
        inflation: By how much the variance is larger than the draws'.
        fisher: False for what is no correlation, such as the difference of two.

    Returns:
        Lower and upper end, or None where fewer than nine draws of ten had the statistic, or the sample has none.
    """
    given = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or len(given) < 0.9 * len(drawn):
        return None
    scale = np.arctanh if fisher else np.asarray
    back = np.tanh if fisher else np.asarray
    bound = _ONE if fisher else np.inf
    error = np.std(scale(np.clip(given, -bound, bound)), ddof=1) * np.sqrt(inflation)
    middle = scale(np.clip(value, -bound, bound))
    reach = student.ppf((1 + confidence) / 2, max(blocks - 1, 1)) * error
    low, high = back(middle - reach), back(middle + reach)
    return min(float(low), value), max(float(high), value)


def pearson_interval(value: float, n: int, confidence: float) -> Ends | None:
    """Return an interval of Pearson's correlation of n independent places; None of three or fewer.

    The standard error on Fisher's scale is 1/√(n - 3) (Fisher 1921).
    """
    return _fisher_interval(value, 1.0, n, confidence)


def spearman_interval(value: float, n: int, confidence: float) -> Ends | None:
    """Return an interval of Spearman's correlation of n independent places; None of three or fewer.

    The standard error on Fisher's scale is √((1 + r²/2)/(n - 3)) (Bonett and Wright 2000).
    """
    return _fisher_interval(value, 1 + value**2 / 2, n, confidence)


def _fisher_interval(value: float, variance: float, n: int, confidence: float) -> Ends | None:
    if n <= 3:
        return None
    middle = np.arctanh(np.clip(value, -_ONE, _ONE))
    reach = norm.ppf((1 + confidence) / 2) * np.sqrt(variance / (n - 3))
    return float(np.tanh(middle - reach)), float(np.tanh(middle + reach))


def share_interval(hits: int, count: int, confidence: float) -> Ends:
    """Return Wilson's score interval of a share of independent cases (Wilson 1927); it holds the share itself."""
    share = hits / count
    low, high = proportion_confint(hits, count, alpha=1 - confidence, method="wilson")
    # At shares of 0 and 1 an end is the share itself, but for rounding.
    return min(share, float(low)), max(share, float(high))


def squared(ends: Ends | None) -> Ends | None:
    """Return the interval of the square of what lies between two ends."""
    if ends is None:
        return None
    low, high = sorted(end**2 for end in ends)
    return 0.0 if ends[0] <= 0 <= ends[1] else low, high


def described(value: float, ends: Ends | None) -> dict[str, float | None]:
    """Return a statistic and its interval as documents have them; None for what cannot be given."""
    low, high = ends or (None, None)
    return {"value": value if np.isfinite(value) else None, "low": low, "high": high}


def conformal_half_width(errors: np.ndarray, confidence: float) -> float:
    """Half-width of the interval around a prediction that holds its label with a confidence, in the label's unit.

    The k-th smallest absolute error of n, k = ceil((n + 1) confidence): errors that were not trained on and are
    exchangeable with the new one hold it with this confidence at least (split conformal prediction; Vovk et al. 2005,
    Lei et al. 2018).

    Args:
        errors: Label minus prediction, or the reverse, of places not trained on, shape (n,).
        confidence: Coverage, between 0 and 1.

    Returns:
        Infinity where there are too few errors for such a confidence.
    """
    rank = int(np.ceil((len(errors) + 1) * confidence * (1 - 1e-12)))
    return float(np.partition(np.abs(errors), rank - 1)[rank - 1]) if rank <= len(errors) else float("inf")


def conformal_coverage(errors: np.ndarray, groups: np.ndarray, confidence: float) -> float:
    """Share of labels that lie in their conformal interval, each calibrated on all groups but its own.

    Errors of neighbours are alike: intervals that were calibrated beside a place would seem to cover it too well.

    Args:
        errors: Label minus prediction of places not trained on, shape (n,).
        groups: Group of every place, such as its fold of blocks, shape (n,).
        confidence: Coverage, between 0 and 1.

    Returns:
        Between 0 and 1; NaN where some group has too few others to be calibrated on.
    """
    inside = 0
    for group in np.unique(groups):
        own = groups == group
        half = conformal_half_width(errors[~own], confidence)
        if not np.isfinite(half):
            return float("nan")
        inside += int((np.abs(errors[own]) <= half).sum())
    return inside / len(errors) if len(errors) else float("nan")
