"""Measure how much R² depends on the number of labels, on that of features, and on the penalty."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import Indices, settings_of
from rankscape.studies.embeddings.artifacts import CURVE, LABELS
from rankscape.studies.embeddings.curves import curves
from rankscape.studies.embeddings.joining import join_features
from rankscape.studies.embeddings.tasks import CurveSettings, DownstreamSettings


def curve(
    *,
    settings: Annotated[str, settings_of(CurveSettings)],
    ridge: Annotated[str, Parameter(help="Settings of the regression, `embeddings.downstream`, likewise.")],
    labels: Annotated[Path, Parameter(help="Labels and folds of the task (.parquet), named as the task.")],
    indices: Indices,
    features: Annotated[list[Path], Parameter(help="Features (.npy), in a folder named as their embedding.")],
    out: Annotated[Path, Parameter(help="Document to write (.json), named as the set of features.")],
) -> None:
    """Measure how much R² depends on the number of labels, on that of features, and on the penalty."""
    chosen = CurveSettings.from_text(settings, "embeddings.curve")
    regression = DownstreamSettings.from_text(ridge, "embeddings.downstream")
    names = list(dict.fromkeys(path.parent.name for path in features))
    given, _ = join_features(LABELS.read(labels), names, features, indices, regression)
    found = curves(given, chosen)
    inputs = {"labels": labels} | {f"{path.parent.name}/{path.stem}": path for path in features}
    record = provenance("embeddings curve", chosen, inputs, seed=chosen.seed)
    CURVE.write(out, {"task": labels.stem, "features": out.stem, **found}, record)
    say(f"{labels.stem} from {out.stem}: {len(found['labels'])} numbers of labels, {len(found['dims'])} of features.")
