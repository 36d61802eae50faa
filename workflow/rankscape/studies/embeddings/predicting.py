"""The regression of all labels of a task, and how far its predictions are wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rankscape.evaluation.intervals import conformal_coverage, conformal_half_width
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
    half_width, coverage = (
        known(conformal_half_width(residuals, given.settings.confidence)),
        known(conformal_coverage(residuals, folds, given.settings.confidence)),
    )
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
