"""Predict a task from a set of features by regression, in every split, and measure how well.

Each place is predicted by a model that has not seen its fold, with penalties chosen inside the other folds.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from cyclopts import Parameter

from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import Indices, settings_of
from rankscape.studies.embeddings.artifacts import DOWNSTREAM, LABELS, PREDICTIONS, SPLITS
from rankscape.studies.embeddings.joining import join_features
from rankscape.studies.embeddings.regressing import FeatureSet, checkerboards, coordinate_features, evaluate_splits
from rankscape.studies.embeddings.tasks import COORDINATES, SMOOTHING, DownstreamSettings, Model

_SOMETHING = 0.05
"""Where less is predicted, the largest penalty is right, and no warning."""


def downstream(
    *,
    settings: Annotated[str, settings_of(DownstreamSettings)],
    labels: Annotated[Path, Parameter(help="Labels and folds of the task (.parquet), named as the task.")],
    indices: Indices,
    out: Annotated[Path, Parameter(help="Document to write (.json), named as the set; predictions lie beside it.")],
    features: Annotated[
        list[Path] | None,
        Parameter(help="Features (.npy), a granule each, in a folder named as their embedding; none for a baseline."),
    ] = None,
    model: Annotated[Model, Parameter(help="What predicts from features: ridge, mlp-3 or mlp-5.")] = "ridge",
) -> None:
    """Predict a task from a set of features, in every split, and measure how well."""
    chosen, name = DownstreamSettings.from_text(settings, "embeddings.downstream"), out.stem
    chosen = chosen.model_copy(update={"models": (model,)})
    rows, given = LABELS.read(labels), list(features or [])
    names = list(dict.fromkeys(path.parent.name for path in given))
    if not names and name not in (COORDINATES, SMOOTHING):
        raise TableError(f"--features is empty: {name} is no baseline, so it needs features.")
    data, lacking = join_features(rows, names, given, indices, chosen) if names else (_baseline(rows, name, chosen), 0)
    data = replace(data, model=model if names else "ridge")
    splits, predictions, warnings = {}, data.rows[["patch_id", "label", "block"]].copy(), []
    for split in SPLITS:
        predictions[split] = np.nan
    for split, found, measures in evaluate_splits(data):
        splits[split], predictions[split] = measures, found.values
        say(f"{labels.stem} from {name}, {split}: R² {'-' if measures['r2'] is None else round(measures['r2'], 3)}")
        if found.at_end and (measures["r2"] or 0) > _SOMETHING:
            warnings.append(f"In the split {split} the smallest or largest penalty was the best: try a wider range.")
    dims = 0 if data.features is None else data.features.shape[1]
    if dims > len(data.rows):
        warnings.append(f"There are more features ({dims:,}) than places ({len(data.rows):,}).")
    inputs = {"labels": labels} | {f"{path.parent.name}/{path.stem}": path for path in given}
    record = provenance("embeddings downstream", chosen, inputs)
    PREDICTIONS.write(out.with_suffix(".parquet"), predictions[["patch_id", "label", "block", *SPLITS]], record)
    DOWNSTREAM.write(out, {
        "task": labels.stem, "features": name, "embeddings": names, "model": data.model, "dims": dims,
        "without_features": lacking,
        "splits": splits, "checkerboards": checkerboards(data), "warnings": warnings,
    }, record)  # fmt: skip


def _baseline(rows: pd.DataFrame, name: str, settings: DownstreamSettings) -> FeatureSet:
    found = coordinate_features(rows) if name == COORDINATES else None
    return FeatureSet(rows, found, () if found is None else (found.shape[1],), settings)
