"""Compare sets of features on one task: differences of R² on the same places, with intervals."""

from itertools import combinations
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from rankscape.evaluation.regression import r2
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import settings_of
from rankscape.studies.embeddings.artifacts import CONTRASTS, EVALUATED, PREDICTIONS
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
        for split in EVALUATED:
            if not len(both) or not all(split in table for table in (one, other)):
                continue
            values = np.stack([table[split].to_numpy(float) for table in (one, other)])
            seen = np.isfinite(values).all(0)
            if seen.any():
                at = labels[seen], list(values[:, seen])
                differences.append({
                    "first": first, "second": second, "split": split, "n": int(seen.sum()),
                    "difference": known(r2(at[0], at[1][0]) - r2(at[0], at[1][1])),
                    "interval": r2_interval(*at, block[seen], chosen),
                })  # fmt: skip
    inputs = {f"predictions/{path.stem}": path for path in predictions}
    CONTRASTS.write(
        out, {"task": out.stem, "differences": differences}, provenance("embeddings contrast", chosen, inputs)
    )
