"""Measure how well the score agrees with a reference.

Pearson and Spearman, sign kept, with intervals from a spatial block bootstrap, per granule and pooled, and the
trivial baselines beside the score.
"""

from pathlib import Path
from typing import Annotated

import typer

from rankscape.evaluation.agreement import agreements
from rankscape.evaluation.places import PREDICTORS, places, read_indices, with_values
from rankscape.foundation.files import write_json
from rankscape.foundation.provenance import KEY, provenance
from rankscape.foundation.settings.evaluation import EvaluateSettings, ReferenceSettings
from rankscape.foundation.tables import write_table
from rankscape.stages.options import Indices, Settings

_PLACES = ("patch_id", "granule", "role", "score", "value", "gradient", "blue_green", "brightness", "distinct")


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
) -> None:
    """Measure how well the score agrees with a reference, with intervals and with trivial baselines beside it."""
    chosen = EvaluateSettings.from_text(settings, "evaluate")
    reference = ReferenceSettings.from_text(reference_settings, f"references.{name}")
    granules = read_indices(indices)
    land = places(granules, apply or [], chosen.block_m)
    frame = with_values(land, scores, values, baselines, chosen, reference)
    found = agreements(frame, [str(index["granule"].iloc[0]) for index in granules], chosen)
    record = provenance("evaluate", chosen, _inputs(scores, indices, values, baselines), seed=chosen.seed)
    write_table(places_out, frame[list(_PLACES)], {KEY: record})
    write_json(out, {
        "reference": name, "title": reference.title, "truth": reference.truth, "transform": reference.transform,
        "confidence": chosen.confidence, "block_m": chosen.block_m,
        "predictors": {predictor: found[predictor] for predictor in PREDICTORS}, "provenance": record,
    })  # fmt: skip


def _inputs(scores: list[Path], indices: list[Path], values: list[Path], baselines: list[Path]) -> dict[str, Path]:
    groups = {"scores": scores, "indices": indices, "values": values, "baselines": baselines}
    return {f"{role}/{path.stem}": path for role, paths in groups.items() for path in paths}
