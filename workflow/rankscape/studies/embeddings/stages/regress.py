"""Fit a task's ridge regression to all its labels, and say how far its predictions are wrong.

Penalties are chosen over blocks of land. Residuals are those of places whose block was held out.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import Indices, settings_of
from rankscape.studies.embeddings.artifacts import LABELS, TASK
from rankscape.studies.embeddings.joining import join_features
from rankscape.studies.embeddings.predicting import fit_regression
from rankscape.studies.embeddings.regressions import save_regression
from rankscape.studies.embeddings.tasks import DownstreamSettings


def regress(
    *,
    settings: Annotated[str, settings_of(DownstreamSettings)],
    labels: Annotated[Path, Parameter(help="Labels and folds of the task (.parquet); their record lies beside them.")],
    indices: Indices,
    features: Annotated[list[Path], Parameter(help="Features (.npy), in a folder named as their embedding.")],
    name: Annotated[str, Parameter(help="Name of the set of features.")],
    out: Annotated[Path, Parameter(help="Regression to write (.safetensors); record and residuals lie beside it.")],
) -> None:
    """Fit a task's ridge regression to all its labels, and say how far its predictions are wrong."""
    chosen = DownstreamSettings.from_text(settings, "embeddings.downstream")
    task, names = TASK.read(labels.with_suffix(".json")), list(dict.fromkeys(path.parent.name for path in features))
    given, _ = join_features(LABELS.read(labels), names, features, indices, chosen)
    fitted, table = fit_regression(given, names, name, task)
    inputs = {"labels": labels} | {f"{path.parent.name}/{path.stem}": path for path in features}
    save_regression(out, fitted, table, provenance("embeddings regress", chosen, inputs))
    say(f"{task.task}: {len(table):,} labels, half-width {fitted[1]['half_width']}.")
