"""Train the score networks on the merged order.

The targets of the clusters come from the order; training and validation are split by place; several seeds give
several networks, whose spread is the score's uncertainty. A training that was killed goes on from its checkpoint.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from rankscape.foundation.files import read_json, write_bytes, write_json
from rankscape.foundation.provenance import provenance
from rankscape.foundation.settings.scoring import TrainSettings
from rankscape.foundation.tables import read_table
from rankscape.scoring.card import model_card
from rankscape.scoring.checkpoints import Checkpoints
from rankscape.scoring.curves import draw_curves
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
from rankscape.vision.teams import Team, together


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
        Path | None,
        typer.Option(
            help="Model card to write, for people; default: beside the model, ending in .md. Its curves go beside it."
        ),
    ] = None,
    checkpoints: CheckpointFolder = None,
    checkpoint_epochs: CheckpointEpochs = 1,
    cache_mb: Annotated[
        float,
        typer.Option(min=0, help="Memory in MB for patches at the size that the network sees; changes no result."),
    ] = 1000.0,
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Train the score networks on the merged order, validated on blocks of land that they never saw."""
    values = TrainSettings.from_text(settings, "train")
    given = Given(order, tuple(tiles), clusters, summary, backbone)
    text = card or out.with_suffix(".md")
    made = Made(out, record, text, text.with_name(f"{text.stem}-curves.png"))
    kept = Kept(checkpoints, checkpoint_epochs, cache_mb)
    together(train_together, gpus, threads, values, given, made, kept)


@dataclass(frozen=True)
class Given:
    """Files that a training reads."""

    order: Path
    tiles: tuple[Path, ...]
    clusters: Path
    summary: Path
    backbone: Path

    def named(self) -> dict[str, Path]:
        """Return the files by the names that provenance gives them."""
        single = {name: getattr(self, name) for name in ("order", "clusters", "summary", "backbone")}
        arrays = {f"tiles {path.stem}": path for path in self.tiles}
        return single | arrays | {f"index {path.stem}": index_of(path) for path in self.tiles}


@dataclass(frozen=True)
class Made:
    """Files that a training writes."""

    out: Path
    record: Path
    card: Path
    curves: Path


@dataclass(frozen=True)
class Kept:
    """What a training keeps while it runs."""

    checkpoints: Path | None = None
    """Folder of the checkpoints."""
    every: int = 1
    """Epochs from one checkpoint to the next."""
    cache_mb: float = 0.0
    """Memory for resized patches."""


def train_together(team: Team, values: TrainSettings, given: Given, made: Made, kept: Kept) -> None:
    """Train in every process of a team; the first writes the files."""
    targets = cluster_targets(
        read_json(given.order), read_json(given.summary), values.targets, str(given.order), values.land_shares
    )
    pool = open_pool(given.tiles, read_table(given.clusters, ("patch_id", "cluster")), targets)
    origin = provenance("train", values, given.named(), seed=values.seed, backend=team.backend)
    checkpoints = None if kept.checkpoints is None else Checkpoints.of(kept.checkpoints, origin, kept.every)
    trained = train_ensemble(pool, targets, given.backbone, values, team.device, checkpoints, kept.cache_mb, team)
    if trained is None:
        return
    model, document = trained
    document["provenance"] = origin
    write_model(made.out, model, targets, origin)
    write_json(made.record, document)
    write_bytes(made.curves, draw_curves(document))
    write_bytes(made.card, model_card(document, made.curves.name).encode())
    if checkpoints is not None:
        checkpoints.clear()
