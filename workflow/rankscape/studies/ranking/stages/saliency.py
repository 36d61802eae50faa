"""Map what raised and what lowered the scores of a granule's patches, for the report.

Grad-CAM of every patch; occlusion of some where a network sees each patch as one place.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from cyclopts import Parameter

from rankscape.foundation.errors import TableError
from rankscape.foundation.files import write_array
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.learning.processes import use_device
from rankscape.samples.patches import index_of, open_patches
from rankscape.stages.options import Gpus, PatchArray, Threads, settings_of
from rankscape.studies.ranking.explanations.responses import respond
from rankscape.studies.ranking.scoring.artifacts import SALIENCY_RECORD, SCORES
from rankscape.studies.ranking.scoring.model import read_model
from rankscape.studies.ranking.scoring.prediction import check_store
from rankscape.studies.ranking.scoring.settings import SaliencySettings


def saliency(
    *,
    settings: Annotated[str, settings_of(SaliencySettings)],
    patches: PatchArray,
    scores: Annotated[Path, Parameter(help="Scores (.parquet) of the granule.")],
    model: Annotated[Path, Parameter(help="Score model: score.safetensors.")],
    out: Annotated[Path, Parameter(help="Record to write (JSON); the maps lie beside it, ending in .npy.")],
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Write what raised and what lowered the scores of a granule's patches, place by place."""
    chosen = SaliencySettings.from_text(settings, "ranking.saliency")
    device = use_device(gpus, threads)
    networks, store = read_model(model, device), open_patches(patches)
    check_store(networks, store, str(patches))
    table = SCORES.read(scores, "patch_id", "score", "score_std")
    _check(table, store.index["patch_id"], scores, patches)
    score, deviation = (table[column].to_numpy(np.float64) for column in ("score", "score_std"))
    found = respond(networks, store.array, score, deviation, chosen, device)
    array = out.with_suffix(".npy")
    inputs = {"patches": patches, "index": index_of(patches), "scores": scores, "model": model}
    write_array(array, found.maps)
    SALIENCY_RECORD.write(out, {
        "granule": str(store.index["granule"].iloc[0]), "method": found.method, "cells": found.maps.shape[1],
        "scale": found.scale, "reason": found.reason, "array": array.name,
    }, provenance("ranking saliency", chosen, inputs, seed=networks.seed, backend=device.type))  # fmt: skip
    explained = int(found.maps.any(axis=(1, 2)).sum())
    say(f"{array}: {explained:,} of {len(found.maps):,} patches explained by {found.method}")


def _check(table: pd.DataFrame, ids: "pd.Series[str]", scores: Path, patches: Path) -> None:
    if not np.array_equal(table["patch_id"].to_numpy(), ids.to_numpy()):
        raise TableError(
            f"{scores} lists other patches than {patches}: make the scores again with `rankscape ranking predict`."
        )
