"""Compare sets of features on one task: differences of R² on the same places, with intervals."""

from itertools import combinations
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from rankscape.evaluation.regression import r2
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import settings_of
from rankscape.studies.embeddings.artifacts import CONTRASTS, PREDICTIONS, SPLITS
from rankscape.studies.embeddings.regressing import known, r2_interval
from rankscape.studies.embeddings.tasks import DownstreamSettings


def contrast(
    *,
    settings: Annotated[str, settings_of(DownstreamSettings)],
    predictions: Annotated[list[Path], Parameter(help="Predictions of the task (.parquet), a set of features each.")],
    out: Annotated[Path, Parameter(help="Document to write (.json), named as the task.")],
) -> None:
    """Compare sets of features on one task, pair by pair."""
    chosen = DownstreamSettings.from_text(settings, "embeddings.downstream")
    tables = {path.stem: PREDICTIONS.read(path).set_index("patch_id") for path in predictions}
    differences = []
    for first, second in combinations(tables, 2):
        both = tables[first].index.intersection(tables[second].index)
        one, other = tables[first].loc[both], tables[second].loc[both]
        labels, block = one["label"].to_numpy(float), one["block"].to_numpy()
        for split in SPLITS:
            values = [table[split].to_numpy(float) for table in (one, other)]
            if len(both) and np.isfinite(values).all():
                differences.append({
                    "first": first, "second": second, "split": split, "n": len(both),
                    "difference": known(r2(labels, values[0]) - r2(labels, values[1])),
                    "interval": r2_interval(labels, values, block, chosen),
                })  # fmt: skip
    inputs = {f"predictions/{path.stem}": path for path in predictions}
    CONTRASTS.write(
        out, {"task": out.stem, "differences": differences}, provenance("embeddings contrast", chosen, inputs)
    )
