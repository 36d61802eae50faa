"""The regression of all labels of a task, and how far its predictions are wrong."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import pandas as pd

from rankscape.evaluation.regression import r2
from rankscape.learning.nested_ridge import fit_nested
from rankscape.studies.embeddings.artifacts import TaskKeys
from rankscape.studies.embeddings.regressing import FeatureSet, known

_SHOWN = (0.02, 0.98)
"""Colours of maps span these quantiles of the labels."""


def usable_split(rows: pd.DataFrame) -> str:
    """Return `blocks`, or `random` where there are too few blocks for folds."""
    return "blocks" if rows["blocks"].nunique() >= 3 else "random"


def fit_regression(given: FeatureSet, names: Sequence[str], features: str, task: TaskKeys) -> tuple[Any, pd.DataFrame]:
    """Fit a ridge to all labels, its penalties chosen over blocks of land.

    Args:
        given: Labels and features.
        names: Embeddings that the features consist of.
        features: Name of the set.
        task: What the labels are.

    Returns:
        The regression without provenance, as `save_regression` takes it, and the table of residuals.
    """
    split = usable_split(given.rows)
    folds, labels = given.rows[split].to_numpy(np.int64), given.labels
    assert given.features is not None
    (fit,) = fit_nested(
        given.features, labels[:, None], folds, blocks=given.widths, penalties=given.settings.penalties,
        standardise=given.settings.standardise,
    )  # fmt: skip
    assert fit.final is not None
    residuals = labels - fit.predicted
    half_width, coverage = conformal(residuals, folds, given.settings.confidence)
    about = {
        "task": task.task, "title": task.title, "transform": task.transform, "features": features,
        "embeddings": list(names), "widths": list(given.widths), "penalties": list(fit.final.penalties),
        "intercept": fit.final.intercept, "n": len(labels), "split": split, "r2": known(r2(labels, fit.predicted)),
        "half_width": half_width, "confidence": given.settings.confidence, "coverage": coverage,
        "shown": [float(end) for end in np.quantile(labels, _SHOWN)],
    }  # fmt: skip
    table = pd.DataFrame({
        "patch_id": given.rows["patch_id"], "label": labels, "held_out": fit.predicted, "residual": residuals,
    })  # fmt: skip
    return (fit.final.weights, about), table


def conformal(residuals: np.ndarray, folds: np.ndarray, confidence: float) -> tuple[float | None, float | None]:
    """Return the half-width of split-conformal intervals, and the share of labels that they contain.

    Args:
        residuals: Of places by models that have not seen their fold, shape (n,).
        folds: Fold of each place; blocks of land, so that neighbours do not make intervals too narrow.
        confidence: Share of places whose label an interval contains.

    Returns:
        The absolute residual of rank (n + 1) x confidence, rounded up; and the coverage of each fold by the half-width
        of the others. None where there are too few places.
    """
    coverage = []
    for fold in np.unique(folds):
        width = _ranked(residuals[folds != fold], confidence)
        coverage.append(None if width is None else (np.abs(residuals[folds == fold]) <= width))
    half_width = _ranked(residuals, confidence)
    whole = [one for one in coverage if one is not None]
    return half_width, float(np.concatenate(whole).mean()) if len(whole) == len(coverage) else None


def _ranked(residuals: np.ndarray, confidence: float) -> float | None:
    rank = ceil((len(residuals) + 1) * confidence)
    return float(np.sort(np.abs(residuals))[rank - 1]) if rank <= len(residuals) else None
