"""Predict a task from a set of features by regression, in every split, and measure how well.

Each place is predicted by a model that has not seen its fold, with penalties chosen inside the other folds. Networks
that learned from labels have seen most folds themselves: they are judged at the places of their test part alone.
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
from rankscape.stages.options import Indices, MaybeFile, only, settings_of
from rankscape.studies.embeddings.artifacts import DOWNSTREAM, EVALUATED, HELD_OUT, LABELS, PREDICTIONS, SPLITS
from rankscape.studies.embeddings.joining import join_features, join_own, learned_from, with_parts
from rankscape.studies.embeddings.labelling import check_labels
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
    split: Annotated[
        MaybeFile, Parameter(help="Split that networks share (.parquet), to hold out its test part too.")
    ] = (),
    predicted: Annotated[
        MaybeFile, Parameter(help="In place of features: what a network itself predicts (.parquet).")
    ] = (),
    others: Annotated[
        bool, Parameter(help="The set consists of networks of other tasks; one that learned this task is refused.")
    ] = False,
) -> None:
    """Predict a task from a set of features, in every split, and measure how well."""
    chosen, name = DownstreamSettings.from_text(settings, "embeddings.downstream"), out.stem
    chosen = chosen.model_copy(update={"models": (model,)})
    rows, given, parts = LABELS.read(labels), list(features or []), only(split)
    names = list(dict.fromkeys(path.parent.name for path in given))
    own, task = only(predicted), labels.stem
    if not names and own is None and name not in (COORDINATES, SMOOTHING):
        raise TableError(f"--features is empty: {name} is no baseline, so it needs features.")
    learned = learned_from(given) if own is None else [task]
    _check_learned(name, task, learned, parts, others=others)
    rows = rows if parts is None else with_parts(rows, parts)
    ways = [way for way in EVALUATED if way in rows and (way == HELD_OUT or not learned)]
    if own is not None:
        (data, lacking), names = join_own(rows, task, own, chosen), [own.stem]
    elif names:
        data, lacking = join_features(rows, names, given, indices, chosen, learned=True)
        data = replace(data, model=model)
        data = data.scaled_whole() if learned else data
    else:
        data, lacking = _baseline(rows, name, chosen), 0
    check_labels(data.labels, f"{task} at places with features of {name}")
    splits, predictions, warnings = {}, data.rows[["patch_id", "label", "block"]].copy(), []
    columns = [way for way in EVALUATED if way in SPLITS or way in rows]
    for way in columns:
        predictions[way] = np.nan
    for way, found, measures in evaluate_splits(data, ways):
        splits[way], predictions[way] = measures, found.values
        say(f"{task} from {name}, {way}: R² {'-' if measures['r2'] is None else round(measures['r2'], 3)}")
        if found.at_end and (measures["r2"] or 0) > _SOMETHING:
            warnings.append(f"In the split {way} the smallest or largest penalty was the best: try a wider range.")
    dims = 0 if data.features is None else data.features.shape[1]
    if dims > len(data.rows):
        warnings.append(f"There are more features ({dims:,}) than places ({len(data.rows):,}).")
    inputs = {"labels": labels} | {f"{path.parent.name}/{path.stem}": path for path in given}
    inputs |= {word: path for word, path in (("split", parts), ("predicted", own)) if path is not None}
    record = provenance("embeddings downstream", chosen, inputs)
    PREDICTIONS.write(out.with_suffix(".parquet"), predictions[["patch_id", "label", "block", *columns]], record)
    DOWNSTREAM.write(out, {
        "task": task, "features": name, "embeddings": names, "model": data.model, "dims": dims,
        "without_features": lacking,
        "splits": splits, "checkerboards": [] if learned else checkerboards(data), "warnings": warnings,
        **({"learned": learned} if learned else {}),
    }, record)  # fmt: skip


def _check_learned(name: str, task: str, learned: list[str], split: Path | None, *, others: bool) -> None:
    if learned and split is None:
        raise TableError(
            f"{name} contains a network that learned from labels ({', '.join(learned)}), and can be judged only at"
            " places that it has not seen: give --split."
        )
    if others and task in learned:
        raise TableError(
            f"{name} contains a network that learned {task} itself: its features know the labels trained on; give"
            " networks of other tasks alone."
        )


def _baseline(rows: pd.DataFrame, name: str, settings: DownstreamSettings) -> FeatureSet:
    found = coordinate_features(rows) if name == COORDINATES else None
    return FeatureSet(rows, found, () if found is None else (found.shape[1],), settings)
