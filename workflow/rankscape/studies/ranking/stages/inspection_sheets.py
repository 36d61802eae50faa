"""Draw inspection sheets of the score: patches from low to high, uncertain and contradicting ones, and explanations.

Patches from the lowest score to the highest, the most uncertain ones, those that contradict their cluster, and Grad-CAM
of the first of these.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import Parameter

from rankscape.foundation.provenance import provenance
from rankscape.learning.processes import use_device
from rankscape.samples.patches import index_of, open_patches
from rankscape.samples.rendering import PatchLookup
from rankscape.stages.options import Clusters, Gpus, PatchArrays, Threads, settings_of
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS
from rankscape.studies.ranking.explanations.inspection import explained, galleries, scored_patches, write_galleries
from rankscape.studies.ranking.scoring.artifacts import SCORES, TRAINING
from rankscape.studies.ranking.scoring.model import read_model
from rankscape.studies.ranking.scoring.settings import InspectionSettings


def inspection_sheets(
    *,
    settings: Annotated[str, settings_of(InspectionSettings)],
    patches: PatchArrays,
    clusters: Clusters,
    scores: Annotated[list[Path], Parameter(help="Scores (.parquet), a granule each.")],
    model: Annotated[Path, Parameter(help="Score model: score.safetensors.")],
    record: Annotated[Path, Parameter(help="Record of its training: score.json, for the targets of the clusters.")],
    out: Annotated[Path, Parameter(help="Folder to write: a PNG for each sheet, and index.json.")],
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Draw patches from lowest to highest score, uncertain ones, contradictions, and why the first scored so."""
    chosen = InspectionSettings.from_text(settings, "ranking.inspection_sheets")
    device = use_device(gpus, threads)
    targets = TRAINING.read(record).targets
    columns = ("patch_id", "granule", "score", "score_std")
    table = pd.concat([SCORES.read(path, *columns) for path in sorted(scores)], ignore_index=True)
    scored = scored_patches(table, CLUSTERS.read(clusters, "patch_id", "cluster"), targets)
    pictures = PatchLookup([open_patches(path) for path in sorted(patches)])
    sheets = galleries(scored, chosen)
    sheets.append(explained(read_model(model, device), sheets, pictures, chosen.explained, device))
    inputs = {"clusters": clusters, "model": model, "record": record}
    inputs |= {f"index/{path.stem}": index_of(path) for path in patches}
    inputs |= {f"scores/{path.stem}": path for path in scores}
    origin = provenance("ranking inspection-sheets", chosen, inputs, backend=device.type)
    write_galleries(out, sheets, pictures, origin)
