"""Measure how well the score agrees with a reference.

Pearson, Spearman, Kendall and R² of logarithms, sign kept, with intervals from a spatial block bootstrap and a test
that respects space, per granule and pooled; the trivial baselines and rivals stand beside the score.
"""

from pathlib import Path
from typing import Annotated

import geopandas as gpd
import numpy as np
import pandas as pd
import typer

from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.products.agreement.agreement import Terrain, agreements, terrain
from rankscape.products.agreement.baseline_models import marks_of, teachers
from rankscape.products.agreement.paired_samples import (
    PREDICTORS,
    SCORE,
    places,
    read_indices,
    rival_tables,
    with_blocks,
    with_values,
)
from rankscape.products.agreement.settings import EvaluateSettings
from rankscape.samples.places import block_of
from rankscape.samples.settings import ReferenceSettings
from rankscape.spatial.autocorrelation import FieldPair
from rankscape.spatial.blocks import BlockChoice, choose_block
from rankscape.spatial.geometry import spacing
from rankscape.stages.options import Indices, Settings
from rankscape.studies.ranking.product_files import EVALUATION, PLACES


def evaluate(
    settings: Settings,
    name: Annotated[str, typer.Option(help="Name of the reference.")],
    reference_settings: Annotated[
        str, typer.Option(help="The reference: JSON object {path, title, transform, truth}.")
    ],
    scores: Annotated[list[Path], typer.Option(help="Scores (.parquet), a granule each.")],
    indices: Indices,
    values: Annotated[list[Path], typer.Option(help="The reference averaged over patches, a granule each.")],
    baselines: Annotated[list[Path], typer.Option(help="Trivial baselines, a granule each.")],
    out: Annotated[Path, typer.Option(help="Document to write (JSON).")],
    places_out: Annotated[Path, typer.Option("--places", help="Table of places to write (Parquet).")],
    apply: Annotated[list[str] | None, typer.Option(help="Granules that were scored only, not learned from.")] = None,
    rival: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE: scores of a rival, a granule each; compared by that name.")
    ] = None,
    taught: Annotated[
        list[str] | None,
        typer.Option(help="NAME=REFERENCE: what a rival learned from; compared with that, it is marked."),
    ] = None,
) -> None:
    """Measure how well the score agrees with a reference, with intervals, trivial baselines and rivals beside it."""
    chosen = EvaluateSettings.from_text(settings, "ranking.evaluate")
    reference = ReferenceSettings.from_text(reference_settings, f"references.{name}")
    rivals = rival_tables(rival or [])
    taught_by = teachers(taught or [], rivals)
    granules = read_indices(indices)
    frame = with_values(places(granules, apply or []), scores, values, baselines, chosen, reference, rivals)
    predictors = (*PREDICTORS, *rivals)
    pairs = terrain(frame, predictors, chosen.seed)
    block = _block(frame, granules, pairs[SCORE], chosen)
    known = Terrain(predictors, pairs, block.block_m)
    frame = with_blocks(frame, granules, block.block_m)
    found = agreements(frame, [str(index["granule"].iloc[0]) for index in granules], known, chosen)
    for learner, teacher in taught_by.items():
        found[learner] |= marks_of(teacher, name)
    if "reason" in found[SCORE]["pooled"]:
        say(f"No agreement of the score with {name}: {found[SCORE]['pooled']['reason']}.")
    inputs = _inputs(scores, indices, values, baselines) | _rival_inputs(rivals)
    record = provenance("ranking evaluate", chosen, inputs, seed=chosen.seed)
    PLACES.write(places_out, frame[[*PLACES.needed, *rivals]], record)
    EVALUATION.write(out, {
        "reference": name, "title": reference.title, "truth": reference.truth, "transform": reference.transform,
        "kind": reference.kind, "confidence": chosen.confidence, "block_m": block.block_m,
        "block": _described(block, pairs[SCORE]), "predictors": found, "rivals": list(rivals),
    }, record)  # fmt: skip


def _block(
    frame: pd.DataFrame, granules: list[gpd.GeoDataFrame], pair: FieldPair | None, settings: EvaluateSettings
) -> BlockChoice:
    if settings.block_m != "auto":
        return BlockChoice(settings.block_m, "given")
    once = frame[frame["distinct"]]
    ids = np.concatenate([index["patch_id"].to_numpy() for index in granules])
    pooled = np.isin(ids, once["patch_id"].to_numpy())

    def count(block_m: float) -> int:
        return len(np.unique(np.concatenate(block_of(granules, block_m))[pooled]))

    apart_m = spacing(once["x_m"].to_numpy(float), once["y_m"].to_numpy(float))
    reference, score = (None, None) if pair is None else (pair.reference, pair.predictor)
    return choose_block(reference, score, apart_m, count, settings.min_blocks)


def _described(block: BlockChoice, pair: FieldPair | None) -> dict[str, object]:
    ranges = {
        "reference_range_m": None if pair is None else pair.reference.range_m,
        "score_range_m": None if pair is None else pair.predictor.range_m,
    }
    return {"origin": block.origin, "note": block.note, **ranges}


def _inputs(scores: list[Path], indices: list[Path], values: list[Path], baselines: list[Path]) -> dict[str, Path]:
    groups = {"scores": scores, "indices": indices, "values": values, "baselines": baselines}
    return {f"{role}/{path.stem}": path for role, paths in groups.items() for path in paths}


def _rival_inputs(rivals: dict[str, list[Path]]) -> dict[str, Path]:
    return {f"rivals/{name}/{path.stem}": path for name, paths in rivals.items() for path in paths}
