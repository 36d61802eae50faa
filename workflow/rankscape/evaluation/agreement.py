"""How well predictors agree with a reference: correlations with intervals, pooled and per granule."""

from typing import Any

import numpy as np
import pandas as pd

from rankscape.evaluation.bootstrap import Draws, bootstrap_correlations, percentile_interval
from rankscape.evaluation.correlation import is_constant, pearson, spearman
from rankscape.evaluation.places import PREDICTORS
from rankscape.foundation.progress import track
from rankscape.foundation.settings.evaluation import EvaluateSettings


def agreements(frame: pd.DataFrame, granules: list[str], settings: EvaluateSettings) -> dict[str, dict[str, Any]]:
    """Compare every predictor with the reference over all parts of the region.

    Args:
        frame: Places with `value`, `PREDICTORS`, `granule`, `role`, `block` and `distinct`.
        granules: Granules to report, also those without any place.
        settings: Draws, confidence, fewest places and blocks.

    Returns:
        For each predictor `pooled`, `fit`, `apply` (None where the region has no such granule) and `granules`. Pooled
        parts count a place once; a granule by itself counts all of its places.
    """
    once = frame[frame["distinct"]]
    parts: dict[str, pd.DataFrame] = {"pooled": once}
    parts |= {role: once[once["role"] == role] for role in ("fit", "apply")}
    parts |= {f"granules/{granule}": frame[frame["granule"] == granule] for granule in granules}
    found = {name: agreement(part, settings) for name, part in track(list(parts.items()), "bootstrap", unit="part")}
    return {predictor: _of(predictor, found, parts, granules) for predictor in PREDICTORS}


def _of(
    predictor: str, found: dict[str, dict[str, Any]], parts: dict[str, pd.DataFrame], granules: list[str]
) -> dict[str, Any]:
    roles = {role: found[role][predictor] if len(parts[role]) else None for role in ("fit", "apply")}
    each = {granule: found[f"granules/{granule}"][predictor] for granule in granules}
    return {"pooled": found["pooled"][predictor], **roles, "granules": each}


def agreement(frame: pd.DataFrame, settings: EvaluateSettings) -> dict[str, dict[str, Any]]:
    """Compare every predictor with the reference over one set of places.

    Args:
        frame: Places with `value`, `PREDICTORS` and `block`.
        settings: Draws, confidence, fewest places and blocks.

    Returns:
        For each predictor `n`, `blocks`, and `pearson` and `spearman` with `value`, `low` and `high`; where
        no interval can be given, its ends are None and `interval_reason` says why. Where no correlation can be
        given, `n` and `reason`.
    """
    reference, blocks = frame["value"].to_numpy(float), frame["block"].to_numpy()
    values = {name: frame[name].to_numpy(float) for name in PREDICTORS}
    reasons = {name: _reason(values[name], reference, settings) for name in PREDICTORS}
    compared = [name for name in PREDICTORS if reasons[name] is None]
    count = len(np.unique(blocks))
    draws: Draws | None = None
    if compared and count >= settings.min_blocks:
        stacked = np.stack([values[name] for name in compared])
        draws = bootstrap_correlations(stacked, reference, blocks, settings.draws, settings.seed)
    result: dict[str, dict[str, Any]] = {name: {"n": len(frame), "reason": reasons[name]} for name in PREDICTORS}
    for column, name in enumerate(compared):
        estimates = _estimates(values[name], reference, draws, column, settings)
        result[name] = {"n": len(frame), "blocks": count, **estimates, **_interval_reason(estimates, count, settings)}
    return result


def _reason(predictor: np.ndarray, reference: np.ndarray, settings: EvaluateSettings) -> str | None:
    """Why a correlation cannot be given, or None where it can."""
    n = len(reference)
    if n < settings.min_places:
        return f"{n} places with score and reference; at least {settings.min_places} are needed"
    if is_constant(reference):
        return f"the reference has the same value at all {n} places"
    if is_constant(predictor):
        return f"it has the same value at all {n} places"
    return None


def _interval_reason(estimates: dict[str, Any], blocks: int, settings: EvaluateSettings) -> dict[str, str]:
    """Why an interval cannot be given, or nothing where both can."""
    if all(estimate["low"] is not None for estimate in estimates.values()):
        return {}
    if blocks < settings.min_blocks:
        why = f"{blocks} blocks of {settings.block_m:g} m; an interval needs at least {settings.min_blocks}"
    else:
        why = "more than one draw of blocks in ten left nothing but equal values"
    return {"interval_reason": why}


def _estimates(
    predictor: np.ndarray, reference: np.ndarray, draws: Draws | None, column: int, settings: EvaluateSettings
) -> dict[str, Any]:
    """Both correlations with their intervals; Pearson's of values, Spearman's of ranks."""
    found = {"pearson": pearson(predictor, reference), "spearman": spearman(predictor, reference)}
    result: dict[str, Any] = {}
    for name, value in found.items():
        drawn = None if draws is None else getattr(draws, name)[:, column]
        ends = None if drawn is None else percentile_interval(drawn, settings.confidence)
        low, high = ends if ends is not None else (None, None)
        result[name] = {"value": value, "low": low, "high": high}
    return result
