"""Pretrain the backbone on patches without labels.

Only where the settings ask for it: `adapt.weights: self_supervised`. A training that was killed goes on from its
checkpoint.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.provenance import provenance
from rankscape.learning.adapted import save_adapted
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.pretraining import pretrain_backbone
from rankscape.learning.processes import use_device
from rankscape.learning.selection import open_stores
from rankscape.learning.settings import AdaptSettings, PretrainSettings
from rankscape.models.backbones import find_weights
from rankscape.samples.patches import index_of
from rankscape.stages.options import CheckpointFolder, Gpus, PatchArrays, Threads, settings_of
from rankscape.studies.ranking.scoring.artifacts import PRETRAINED_RECORD

_OF_ADAPT = ("architecture", "colour", "normalisation")


def pretrain(
    *,
    settings: Annotated[str, settings_of(PretrainSettings)],
    network: Annotated[
        str,
        Parameter(help="Settings of adapt, as JSON or file: its architecture, colour and normalisation are taken."),
    ],
    patches: PatchArrays,
    out: Annotated[Path, Parameter(help="Backbone to write (.safetensors).")],
    record: Annotated[Path, Parameter(help="Record of the training to write (.json).")],
    checkpoints: CheckpointFolder = None,
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Pretrain the backbone on patches without labels; `adapt --pretrained` takes what it learned."""
    chosen = PretrainSettings.from_text(settings, "ranking.pretrain")
    shared = AdaptSettings.from_text(network, "ranking.adapt")
    device = use_device(gpus, threads)
    weights = find_weights(shared.architecture, chosen.weights)
    stores = open_stores(patches)
    inputs = {"weights": weights} if weights is not None else {}
    for path in patches:
        inputs |= {f"patches/{path.stem}": path, f"index/{path.stem}": index_of(path)}
    origin = provenance("ranking pretrain", chosen, inputs, seed=chosen.seed, backend=device.type)
    origin["network"] = shared.model_dump(mode="json", include=set(_OF_ADAPT))
    kept = None if checkpoints is None else Checkpoints.of(checkpoints, origin)
    backbone, found = pretrain_backbone(chosen, shared, stores, device, kept)
    save_adapted(out, backbone, origin)
    PRETRAINED_RECORD.write(record, found, origin)
    if kept is not None:
        kept.clear()
