"""Train the score networks on the merged order, or on a reference's values.

The targets of the clusters come from the order, or those of patches from the values of a reference; training and
validation are split by place; several seeds give several networks, whose standard deviation is the score's
uncertainty. A training that was killed goes on from its checkpoint.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import write_bytes
from rankscape.foundation.provenance import provenance
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.processes import ProcessGroup, launch
from rankscape.learning.selection import Selection
from rankscape.samples.patches import index_of
from rankscape.stages.options import (
    CheckpointFolder,
    Clusters,
    Gpus,
    MaybeFile,
    PatchArrays,
    Summary,
    Threads,
    only,
    settings_of,
)
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS, SUMMARY
from rankscape.studies.ranking.orders.artifacts import ORDER
from rankscape.studies.ranking.orders.order_from_values import covered_values
from rankscape.studies.ranking.scoring.artifacts import TRAINING
from rankscape.studies.ranking.scoring.card import draw_curves, model_card
from rankscape.studies.ranking.scoring.model import write_model
from rankscape.studies.ranking.scoring.network_ensemble import train_ensemble
from rankscape.studies.ranking.scoring.samples import open_ranked, open_valued
from rankscape.studies.ranking.scoring.score_targets import Targets, cluster_targets
from rankscape.studies.ranking.scoring.settings import TrainSettings


def train(
    *,
    settings: Annotated[str, settings_of(TrainSettings)],
    patches: PatchArrays,
    clusters: Clusters,
    summary: Summary,
    backbone: Annotated[Path, Parameter(help="The adapted backbone: backbone.safetensors.")],
    out: Annotated[Path, Parameter(help="Model to write: score.safetensors.")],
    record: Annotated[Path, Parameter(help="Record of the training to write: score.json.")],
    order: Annotated[MaybeFile, Parameter(help="The merged order: order.json.")] = (),
    values: Annotated[
        list[Path] | None,
        Parameter(help="In its place: a reference's mean in every patch (.parquet), a granule each."),
    ] = None,
    card: Annotated[
        Path | None,
        Parameter(
            help="Model card to write, for people; default: beside the model, ending in .md. Its curves go beside it."
        ),
    ] = None,
    checkpoints: CheckpointFolder = None,
    memory_mb: Annotated[
        float,
        Parameter(
            help="Memory in MB; an eighth of it keeps patches at the size that the network sees. It changes no result.",
            validator=Number(gte=0),
        ),
    ] = 8000.0,
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Train the score networks on the merged order, validated on held-out blocks."""
    chosen = TrainSettings.from_text(settings, "ranking.train")
    if bool(order) == bool(values):
        raise InputError("Training learns from --order or from --values: give one of the two.")
    given = Given(only(order), tuple(values or ()), tuple(patches), clusters, summary, backbone)
    text = card or out.with_suffix(".md")
    made = Made(out, record, text, text.with_name(f"{text.stem}-curves.png"))
    kept = Kept(checkpoints, memory_mb / 8)
    launch(train_together, gpus, threads, chosen, given, made, kept)


@dataclass(frozen=True)
class Given:
    """Files that a training reads."""

    order: Path | None
    values: tuple[Path, ...]
    patches: tuple[Path, ...]
    clusters: Path
    summary: Path
    backbone: Path

    def named(self) -> dict[str, Path]:
        """Return the files by the names that provenance gives them."""
        single = {"clusters": self.clusters, "summary": self.summary, "backbone": self.backbone}
        learned = {"order": self.order} if self.order else {f"values {path.stem}": path for path in self.values}
        arrays = {f"patches {path.stem}": path for path in self.patches}
        return single | learned | arrays | {f"index {path.stem}": index_of(path) for path in self.patches}

    def labelled(self, settings: TrainSettings) -> tuple[Selection, Targets]:
        """Open the clustered patches, with the targets that the order or the values give them."""
        clusters = CLUSTERS.read(self.clusters, "patch_id", "cluster")
        summary = SUMMARY.read(self.summary).model_dump(mode="json")
        if self.order is None:
            known = covered_values(self.values)
            return open_valued(self.patches, clusters["patch_id"].tolist(), known, len(summary["clusters"]))
        order = ORDER.read(self.order).model_dump(mode="json", exclude_unset=True)
        targets = cluster_targets(order, summary, settings.targets, str(self.order), settings.area_shares)
        return open_ranked(self.patches, clusters, targets), targets


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
    cache_mb: float = 0.0
    """Memory for resized patches."""


def train_together(group: ProcessGroup, settings: TrainSettings, given: Given, made: Made, kept: Kept) -> None:
    """Train in every process of a group; the first writes the files."""
    pool, targets = given.labelled(settings)
    origin = provenance("ranking train", settings, given.named(), seed=settings.seed, backend=group.backend)
    checkpoints = None if kept.checkpoints is None else Checkpoints.of(kept.checkpoints, origin)
    trained = train_ensemble(pool, targets, given.backbone, settings, group.device, checkpoints, kept.cache_mb, group)
    if trained is None:
        return
    model, document = trained
    document["provenance"] = origin
    write_model(made.out, model, targets, origin)
    TRAINING.write(made.record, trained[1], origin)
    write_bytes(made.curves, draw_curves(document))
    write_bytes(made.card, model_card(document, made.curves.name).encode())
    if checkpoints is not None:
        checkpoints.clear()
