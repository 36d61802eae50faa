"""Train the score networks on the merged order.

The targets of the clusters come from the order; training and validation are split by place; several seeds give
several networks, whose spread is the score's uncertainty. A training that was killed goes on from its checkpoint.
"""

from pathlib import Path
from typing import Annotated

import typer

from rankscape.foundation.files import read_json, write_bytes, write_json
from rankscape.foundation.provenance import provenance
from rankscape.foundation.settings.scoring import TrainSettings
from rankscape.foundation.tables import read_table
from rankscape.scoring.card import model_card
from rankscape.scoring.checkpoints import Checkpoints
from rankscape.scoring.ensemble import train_ensemble
from rankscape.scoring.model import write_model
from rankscape.scoring.pool import open_pool
from rankscape.scoring.targets import cluster_targets
from rankscape.stages.options import (
    CheckpointEpochs,
    CheckpointFolder,
    Clusters,
    Gpus,
    Settings,
    Summary,
    Threads,
    Tiles,
)
from rankscape.tiles.store import index_of
from rankscape.vision.devices import use_device


def train(
    settings: Settings,
    order: Annotated[Path, typer.Option(help="The merged order: order.json.")],
    tiles: Tiles,
    clusters: Clusters,
    summary: Summary,
    backbone: Annotated[Path, typer.Option(help="The adapted backbone: backbone.safetensors.")],
    out: Annotated[Path, typer.Option(help="Model to write: score.safetensors.")],
    record: Annotated[Path, typer.Option(help="Record of the training to write: score.json.")],
    card: Annotated[
        Path | None, typer.Option(help="Model card to write, for people; default: beside the model, ending in .md.")
    ] = None,
    checkpoints: CheckpointFolder = None,
    checkpoint_epochs: CheckpointEpochs = 1,
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Train the score networks on the merged order, validated on blocks of land that they never saw."""
    values = TrainSettings.from_text(settings, "train")
    device = use_device(gpus, threads)
    targets = cluster_targets(read_json(order), read_json(summary), values.targets, str(order))
    pool = open_pool(tiles, read_table(clusters, ("patch_id", "cluster")), targets)
    inputs = {"order": order, "clusters": clusters, "summary": summary, "backbone": backbone}
    inputs |= {f"tiles {path.stem}": path for path in tiles} | {f"index {path.stem}": index_of(path) for path in tiles}
    origin = provenance("train", values, inputs, seed=values.seed, backend=device.type)
    kept = None if checkpoints is None else Checkpoints.of(checkpoints, origin, checkpoint_epochs)
    model, document = train_ensemble(pool, targets, backbone, values, device, kept)
    document["provenance"] = origin
    write_model(out, model, targets, origin)
    write_json(record, document)
    write_bytes(card or out.with_suffix(".md"), model_card(document).encode())
    if kept is not None:
        kept.clear()
