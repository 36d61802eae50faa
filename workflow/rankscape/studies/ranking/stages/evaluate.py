"""Measure how well the score agrees with a reference.

Pearson, Spearman, Kendall and R² of logarithms, sign kept, per granule and pooled. Intervals come from a spatial block
bootstrap, and p-values from surrogates of the same spatial autocorrelation. Pixel statistics and baseline models are
compared over the same samples.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import geopandas as gpd
from cyclopts import Parameter

from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.products.agreement.agreement import ComparedRegion, PredictorColumns, agreements, predictor_pairs
from rankscape.products.agreement.paired_samples import (
    PredictorTables,
    baseline_tables,
    block_for,
    paired_samples,
    training_references,
    usable_samples,
    with_blocks,
)
from rankscape.products.agreement.settings import SEED, EvaluateSettings
from rankscape.samples.joins import read_indices
from rankscape.samples.pixel_statistics import STATISTICS
from rankscape.samples.settings import ReferenceSettings
from rankscape.spatial.autocorrelation import FieldPair
from rankscape.spatial.blocks import BlockChoice
from rankscape.stages.options import Indices, settings_of
from rankscape.studies.ranking.product_files import EVALUATION, PLACES

_SCORE = "score"


def evaluate(
    *,
    settings: Annotated[str, settings_of(EvaluateSettings)],
    name: Annotated[str, Parameter(help="Name of the reference.")],
    reference_settings: Annotated[str, Parameter(help="The reference: JSON object {path, title, transform, truth}.")],
    scores: Annotated[list[Path], Parameter(help="Scores (.parquet), a granule each.")],
    indices: Indices,
    values: Annotated[list[Path], Parameter(help="The reference averaged over patches, a granule each.")],
    statistics: Annotated[list[Path], Parameter(help="Pixel statistics, a granule each.")],
    out: Annotated[Path, Parameter(help="Document to write (JSON).")],
    places_out: Annotated[Path, Parameter(name="--places", help="Table of places to write (Parquet).")],
    apply: Annotated[list[str] | None, Parameter(help="Granules that were scored only, not learned from.")] = None,
    baseline: Annotated[
        list[str] | None,
        Parameter(help="NAME=FILE: scores of a baseline model, a granule each; compared by that name."),
    ] = None,
    trained_on: Annotated[
        list[str] | None,
        Parameter(help="NAME=REFERENCE: what a baseline model was trained on; compared with that, it is marked."),
    ] = None,
) -> None:
    """Measure how well the score agrees with a reference, beside pixel statistics and baseline models."""
    chosen = EvaluateSettings.from_text(settings, "ranking.evaluate")
    reference = ReferenceSettings.from_text(reference_settings, f"references.{name}")
    baselines = baseline_tables(baseline or [], (_SCORE, *STATISTICS))
    columns = PredictorColumns(_SCORE, STATISTICS, tuple(name for table in baselines for name in table.columns))
    trained = training_references(trained_on or [], columns.baselines)
    tables = [
        PredictorTables("scores", scores, {_SCORE: _SCORE}),
        PredictorTables("statistics", statistics, {name: name for name in STATISTICS}),
        *baselines,
    ]
    granules = read_indices(indices)
    samples = paired_samples(usable_samples(granules, apply or []), values, tables, reference)
    pairs = predictor_pairs(samples, columns.names, SEED)
    block = block_for(samples, granules, pairs[_SCORE], chosen)
    samples = with_blocks(samples, granules, block.block_m)
    found = agreements(samples, _ids(granules), ComparedRegion(columns, pairs, block.block_m), chosen)
    for learner, source in trained.items():
        found[learner] |= {"trained_on": source}
    if "reason" in found[_SCORE]["pooled"]:
        say(f"No agreement of the score with {name}: {found[_SCORE]['pooled']['reason']}.")
    record = provenance("ranking evaluate", chosen, _inputs(indices, values, tables), seed=SEED)
    PLACES.write(places_out, samples[[*PLACES.needed, *columns.baselines]], record)
    EVALUATION.write(out, {
        "reference": name, "title": reference.title, "truth": reference.truth, "transform": reference.transform,
        "kind": reference.kind, "confidence": chosen.confidence, "block_m": block.block_m,
        "block": _described(block, pairs[_SCORE]), "predictors": found, "baselines": list(columns.baselines),
    }, record)  # fmt: skip


def _ids(granules: Sequence[gpd.GeoDataFrame]) -> list[str]:
    return [str(index["granule"].iloc[0]) for index in granules]


def _described(block: BlockChoice, pair: FieldPair | None) -> dict[str, object]:
    ranges = {
        "reference_range_m": None if pair is None else pair.reference.range_m,
        "score_range_m": None if pair is None else pair.predictor.range_m,
    }
    return {"origin": block.origin, "note": block.note, **ranges}


def _inputs(indices: Sequence[Path], values: Sequence[Path], tables: Sequence[PredictorTables]) -> dict[str, Path]:
    groups: Mapping[str, Sequence[Path]] = {"indices": indices, "values": values}
    groups = {**groups, **{table.option.replace("baseline ", "baselines/"): table.paths for table in tables}}
    return {f"{role}/{path.stem}": path for role, paths in groups.items() for path in paths}
