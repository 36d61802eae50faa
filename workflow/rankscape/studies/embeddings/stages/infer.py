"""Regress a predicted label on references, corrected by the places where it is known.

Labelled places are predicted by models that have not seen their fold, all others by the mean of these models.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from cyclopts import Parameter

from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.learning.nested_ridge import fit_nested
from rankscape.products.regressions.predicted_outcomes import (
    ESTIMATORS,
    CorrectedEstimate,
    PredictedOutcome,
    estimate_coefficients,
)
from rankscape.samples.artifacts import REFERENCE_VALUES
from rankscape.samples.joins import read_indices
from rankscape.samples.overlap import distinct_places
from rankscape.spatial.blocks import block_numbers
from rankscape.spatial.geometry import WGS84, centres
from rankscape.stages.options import Indices, settings_of
from rankscape.studies.embeddings.artifacts import INFERENCE, LABELS, TASK
from rankscape.studies.embeddings.joining import join_features
from rankscape.studies.embeddings.tasks import DownstreamSettings, InferenceSettings

_UNLIKE = 0.25
"""Deviations by which means of labelled and other places may differ, in a random sample of some hundreds."""
_COVARIATE = "covariate "
"""What columns of covariates begin with: a reference may be called as another column."""


def infer(
    *,
    settings: Annotated[str, settings_of(DownstreamSettings)],
    regression_settings: Annotated[
        str, Parameter(help="The regression: a JSON object, or the configuration (YAML) that has it.")
    ],
    labels: Annotated[Path, Parameter(help="Labels and folds of the task (.parquet); their record lies beside them.")],
    indices: Indices,
    features: Annotated[list[Path], Parameter(help="Features (.npy), in a folder named as their embedding.")],
    values: Annotated[
        list[Path],
        Parameter(help="Values of references (.parquet), a granule each, in a folder named as the reference."),
    ],
    out: Annotated[Path, Parameter(help="Document to write (.json), named as the regression.")],
) -> None:
    """Regress a predicted label on references, corrected by the places where it is known."""
    chosen, name = DownstreamSettings.from_text(settings, "embeddings.downstream"), out.stem
    about = InferenceSettings.from_text(regression_settings, f"embeddings.regressions.{name}")
    task, known = TASK.read(labels.with_suffix(".json")), LABELS.read(labels).set_index("patch_id")
    if "disc" in known:
        raise TableError(f"{labels}: points are displaced: a regression needs labels of places that are known.")
    places, lacking = _places(indices, values, about)
    places = places.join(known[["label", about.split]], on="patch_id")
    names = list(dict.fromkeys(path.parent.name for path in features))
    data, without = join_features(places, names, features, indices, chosen)
    rows = data.rows
    if data.features is None or rows["label"].notna().sum() < 2:
        raise TableError(
            f"embeddings.regressions.{name}: no labelled place has features and all of {about.covariates}."
        )
    folds = rows[about.split].fillna(-1).to_numpy(np.int64)
    if (folds[rows["label"].notna()] < 0).any():
        raise TableError(
            f"embeddings.regressions.{name}.split = {about.split!r}: {task.task} has too few places for it."
        )
    (fit,) = fit_nested(
        data.features, rows["label"].to_numpy(float)[:, None], folds, blocks=data.widths, penalties=chosen.penalties,
        standardise=chosen.standardise,
    )  # fmt: skip
    models = np.mean([one.predict(data.features) for one in fit.folds.values()], 0)
    predicted = np.where(folds < 0, models, fit.predicted)
    block = block_numbers(rows["longitude"].to_numpy(), rows["latitude"].to_numpy(), task.block_m)
    given = PredictedOutcome(rows[_columns(about)].to_numpy(float), predicted, rows["label"].to_numpy(float), block)
    found, trust = estimate_coefficients(given, list(about.covariates), chosen.confidence)
    inputs = {"labels": labels} | {f"{path.parent.name}/{path.stem}": path for path in [*features, *values]}
    INFERENCE.write(out, {
        "regression": name, "task": task.task, "title": task.title, "features": about.features,
        "labelled": int(rows["label"].notna().sum()), "unlabelled": int(rows["label"].isna().sum()),
        "left_out": lacking + without, "confidence": chosen.confidence, "trust": trust,
        "clusters": {one: found[one].clusters for one in ESTIMATORS},
        "coefficients": _rows(["intercept", *about.covariates], found), "notes": _notes(rows, about),
    }, provenance("embeddings infer", chosen, inputs))  # fmt: skip
    say(f"{name}: predictions are trusted by {trust:.2f}.")


def _places(indices: list[Path], values: list[Path], about: InferenceSettings) -> tuple[pd.DataFrame, int]:
    """Usable patches of different places with all covariates, and how many lack one."""
    by = {(path.parent.name, path.stem): path for path in values}
    patches, parts = read_indices(indices), []
    for index, once in zip(patches, distinct_places(patches), strict=True):
        granule = str(index["granule"].iloc[0])
        longitude, latitude = centres(index, WGS84)
        part = pd.DataFrame(index[["patch_id", "granule"]]).assign(longitude=longitude, latitude=latitude)
        for reference in about.covariates:
            if (reference, granule) not in by:
                raise TableError(
                    f"--values lacks the values of {reference} at granule {granule}: run aggregate for it."
                )
            own = REFERENCE_VALUES.read(by[reference, granule])
            if not own["patch_id"].equals(part["patch_id"].astype(own["patch_id"].dtype)):
                raise TableError(
                    f"{by[reference, granule]} has other patches than the index of {granule}: aggregate again."
                )
            part[_COVARIATE + reference] = own["value"].where(own["coverage"] >= about.min_coverage)
        parts.append(part[once & index["usable"].to_numpy(bool)])
    table = pd.concat(parts, ignore_index=True)
    whole = np.isfinite(table[_columns(about)].to_numpy(float)).all(1)
    return table[whole].reset_index(drop=True), int((~whole).sum())


def _rows(names: list[str], found: dict[str, CorrectedEstimate]) -> list[dict[str, object]]:
    return [
        {"column": name} | {
            one: {"coefficient": float(own.coefficients[place]), "std_error": float(own.std_errors[place]),
                  "low": float(own.low[place]), "high": float(own.high[place])}
            for one, own in found.items()
        }
        for place, name in enumerate(names)
    ]  # fmt: skip


def _columns(about: InferenceSettings) -> list[str]:
    return [_COVARIATE + name for name in about.covariates]


def _notes(rows: pd.DataFrame, about: InferenceSettings) -> list[str]:
    """Say where labelled places are no random sample of all."""
    known = rows["label"].notna()
    one, other, all_places = (part[_columns(about)] for part in (rows[known], rows[~known], rows))
    apart = (one.mean() - other.mean()).abs() > _UNLIKE * all_places.std()
    unlike = [name for name, is_so in zip(about.covariates, apart, strict=True) if is_so]
    if not unlike:
        return []
    return [
        f"Labelled places differ from the others in {', '.join(unlike)}: the correction takes them for a random sample."
    ]
