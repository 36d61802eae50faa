"""Predict a label of units, such as rooms of facilities, from their own features and the embedding of their place.

Other units of known groups are held out, and whole groups: an embedding may only tell groups apart.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from cyclopts import Parameter

from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import settings_of
from rankscape.studies.embeddings.artifacts import UNIT_PREDICTIONS, UNITS
from rankscape.studies.embeddings.labelling import check_labels
from rankscape.studies.embeddings.tasks import DownstreamSettings, UnitsSettings
from rankscape.studies.embeddings.unit_tables import embeddings_of, evaluate_units, read_units, unit_differences

_SOMETHING = 0.05
"""Where less is predicted, the largest penalty is right, and no warning."""


def units(
    *,
    units_settings: Annotated[
        str, Parameter(help="Columns of the table: a JSON object, or the configuration (YAML) that has them.")
    ],
    units: Annotated[Path, Parameter(help="Table of units: CSV, TSV, xlsx or Parquet.")],
    features: Annotated[
        list[Path],
        Parameter(help="Embeddings: a table each, one row a place; or features (.npy), a granule each, in a folder "
        "named as their embedding."),
    ],
    out: Annotated[Path, Parameter(help="Document to write (.json), named as the table; predictions lie beside it.")],
    settings: Annotated[str, settings_of(DownstreamSettings)] = "{}",
    indices: Annotated[list[Path] | None, Parameter(help="Patch indices (.parquet), for features of granules.")] = None,
) -> None:  # fmt: skip
    """Predict a label of units from their own features, the embedding of their place, and both."""
    chosen, name = DownstreamSettings.from_text(settings, "embeddings.downstream"), out.stem
    about = UnitsSettings.from_text(units_settings, f"embeddings.units.{name}")
    table = read_units(units, about)
    vectors = embeddings_of(table, about, features, list(indices or []))
    has = np.all([np.isfinite(one).all(1) for one in vectors.values()], axis=0)
    if not has.any():
        raise TableError(f"{units}: no unit with label and features lies at a place with all of {sorted(vectors)}.")
    lacking, table = int((~has).sum()), table.taken(has)
    check_labels(table.labels, f"{units}: {about.label!r} of units with features and an embedding")
    vectors = {one: values[has] for one, values in vectors.items()}
    outcomes, warnings = [], _lost(table.without_features, lacking)
    for one in evaluate_units(table, vectors, about.components, chosen):
        outcomes.append(one)
        r2 = one.fit["r2"] or 0.0
        say(f"{name}, {one.split}, {one.model}: R² {r2:.3f}")
        if r2 > _SOMETHING and _at_end(one.predicted.penalties, chosen):
            warnings.append(
                f"{one.model}, {one.split}: the smallest or largest penalty was the best: try a wider range."
            )
    fits: dict[str, dict[str, object]] = {}
    for one in outcomes:
        fits.setdefault(one.model, {})[one.split] = one.fit
    inputs = {"units": units} | {f"{path.parent.name}/{path.name}": path for path in features}
    record = provenance("embeddings units", chosen, inputs)
    predictions = [
        pd.DataFrame({"line": table.lines, "group": table.groups, "split": one.split, "model": one.model,
                      "label": table.labels, "prediction": one.predicted.values})
        for one in outcomes
    ]  # fmt: skip
    UNIT_PREDICTIONS.write(out.with_suffix(".parquet"), pd.concat(predictions, ignore_index=True), record)
    UNITS.write(out, {
        "units": name, "rows": table.rows, "unlabelled": table.unlabelled, "without_features": table.without_features,
        "without_embedding": lacking, "groups": len(np.unique(table.groups)), "features": list(about.features),
        "embeddings": {one: values.shape[1] for one, values in vectors.items()}, "components": about.components,
        "fits": fits, "differences": unit_differences(table, outcomes, list(vectors), chosen), "warnings": warnings,
    }, record)  # fmt: skip


def _lost(features: int, embedding: int) -> list[str]:
    """Say which units were left out."""
    found = [f"{features:,} units lack a feature and are left out."] if features else []
    return found + ([f"{embedding:,} units lie at places without an embedding and are left out."] if embedding else [])


def _at_end(penalties: list[list[float]], settings: DownstreamSettings) -> bool:
    """Whether the range of penalties was too narrow; the largest of one block of several says that it is of no use."""
    lowest, highest = min(settings.penalties), max(settings.penalties)
    return any(lowest in fold or set(fold) == {highest} for fold in penalties)
