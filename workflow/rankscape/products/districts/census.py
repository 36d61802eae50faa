"""How census columns agree with the score over districts."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from rankscape.evaluation.correlation import is_constant, pearson, spearman
from rankscape.evaluation.intervals import described, squared
from rankscape.products.districts.settings import DistrictSettings


def comparisons(table: pd.DataFrame, settings: DistrictSettings) -> dict[str, dict[str, Any]]:
    """Compare every census column with the score.

    Args:
        table: Districts with `score` and the census columns, float64, NaN where there is none.
        settings: Census columns, draws, confidence, fewest districts.

    Returns:
        For each census column `title`, `log`, `n`, and `pearson` (of logarithms where the column asks for it),
        `spearman` and `r2_log`, each with `value`, `low` and `high` (None where it cannot be given); where nothing can
        be compared, `reason` instead.
    """
    return {
        name: {"title": census.title, "log": census.log, **_compared(table, name, census.log, settings)}
        for name, census in settings.census.items()
    }


def _compared(table: pd.DataFrame, name: str, log: bool, settings: DistrictSettings) -> dict[str, Any]:
    both = table[["score", name]].to_numpy(float)
    score, value = both[np.isfinite(both).all(axis=1)].T
    reason = _reason(score, value, settings)
    if reason is not None:
        return {"n": len(score), "reason": reason}
    plain = _estimates(score, value, settings)
    positive = (score > 0) & (value > 0)
    logs: dict[str, dict[str, float | None]] = dict.fromkeys(("pearson", "r2_log"), described(np.nan, None))
    if _reason(score[positive], value[positive], settings) is None:
        logs = _estimates(np.log(score[positive]), np.log(value[positive]), settings)
    return {
        "n": len(score), "n_log": int(positive.sum()), "pearson": logs["pearson"] if log else plain["pearson"],
        "spearman": plain["spearman"], "r2_log": logs["r2_log"],
    }  # fmt: skip


_ONE = 1 - 1e-12
"""Largest correlation that has a place on Fisher's scale."""


def _reason(score: np.ndarray, value: np.ndarray, settings: DistrictSettings) -> str | None:
    """Why nothing can be compared, or None where it can."""
    if len(score) < settings.min_districts:
        return f"{len(score)} districts with score and value; at least {settings.min_districts} are needed"
    if is_constant(value) or is_constant(score):
        return f"the {'value' if is_constant(value) else 'score'} is the same in all {len(score)} districts"
    return None


def _estimates(score: np.ndarray, value: np.ndarray, settings: DistrictSettings) -> dict[str, dict[str, float | None]]:
    """Correlations and R² (the square of Pearson's: of one predictor with a constant), with intervals.

    Districts are few: bootstrap draws of them now and then order perfectly, which on Fisher's scale is infinitely far.
    The errors on that scale (z = artanh r) are therefore those of theory: 1/√(n - 3) for Pearson's (Fisher 1921),
    √((1 + r²/2)/(n - 3)) for Spearman's (Bonett and Wright 2000). Three districts have no interval.
    """
    n, product, rank = len(score), pearson(score, value), spearman(score, value)
    linear = _interval(product, 1.0, n, settings.confidence)
    return {
        "pearson": described(product, linear),
        "spearman": described(rank, _interval(rank, 1 + rank**2 / 2, n, settings.confidence)),
        "r2_log": described(product**2, squared(linear)),
    }


def _interval(value: float, variance: float, n: int, confidence: float) -> tuple[float, float] | None:
    if n <= 3:
        return None
    middle = np.arctanh(np.clip(value, -_ONE, _ONE))
    reach = norm.ppf((1 + confidence) / 2) * np.sqrt(variance / (n - 3))
    return float(np.tanh(middle - reach)), float(np.tanh(middle + reach))
