"""How census columns agree with the score over districts."""

from typing import Any

import numpy as np
import pandas as pd

from rankscape.evaluation.correlation import is_constant, pearson, spearman
from rankscape.evaluation.intervals import described, pearson_interval, spearman_interval, squared
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
    The intervals are therefore those of theory. Three districts have none.
    """
    n, product, rank = len(score), pearson(score, value), spearman(score, value)
    linear = pearson_interval(product, n, settings.confidence)
    return {
        "pearson": described(product, linear),
        "spearman": described(rank, spearman_interval(rank, n, settings.confidence)),
        "r2_log": described(product**2, squared(linear)),
    }
