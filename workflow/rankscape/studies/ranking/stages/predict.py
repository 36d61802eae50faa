"""Score every usable patch of a granule.

The mean of the networks is the score. Their standard deviation, calibrated on held-out patches, is its uncertainty.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.provenance import provenance
from rankscape.learning.processes import use_device
from rankscape.samples.patches import index_of, open_patches
from rankscape.stages.options import Gpus, PatchArray, Threads, settings_of
from rankscape.studies.ranking.scoring.artifacts import SCORES
from rankscape.studies.ranking.scoring.model import read_model
from rankscape.studies.ranking.scoring.prediction import score_patches
from rankscape.studies.ranking.scoring.settings import PredictSettings


def predict(
    *,
    settings: Annotated[str, settings_of(PredictSettings)],
    patches: PatchArray,
    model: Annotated[Path, Parameter(help="Score model: score.safetensors.")],
    out: Annotated[Path, Parameter(help="Table to write: patch_id, granule, score, score_std, ensemble_std.")],
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Score every usable patch of a granule; patches that are not usable get none."""
    values = PredictSettings.from_text(settings, "ranking.predict")
    device = use_device(gpus, threads)
    networks = replace(read_model(model, device, values.precision), views=values.views)
    if values.score_std == "ensemble":
        networks = replace(networks, calibration=None)
    frame = score_patches(networks, open_patches(patches), device, values.batch_size, str(patches))
    inputs = {"patches": patches, "index": index_of(patches), "model": model}
    SCORES.write(out, frame, provenance("ranking predict", values, inputs, seed=networks.seed, backend=device.type))
