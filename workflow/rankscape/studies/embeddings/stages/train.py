"""Train a network on labels of one task or several; what it computes is an embedding like any other.

It learns from the training part of the split, stops by the validation part, and never sees the test part. Its own
predictions are written beside it. A training that was killed goes on from its checkpoints.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation.provenance import provenance
from rankscape.learning.adapted import save_adapted
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.processes import ProcessGroup, launch
from rankscape.learning.selection import open_stores
from rankscape.models.backbones import find_weights
from rankscape.samples.patches import index_of
from rankscape.stages.options import CheckpointFolder, Gpus, PatchArrays, Threads, settings_of
from rankscape.studies.embeddings.artifacts import LABELS, NETWORK_PREDICTIONS, NETWORK_RECORD, SPLIT
from rankscape.studies.embeddings.network_settings import NetworkSettings
from rankscape.studies.embeddings.network_training import gather_labels, train_network


def train(
    *,
    settings: Annotated[str, settings_of(NetworkSettings, tasks=["income", "people"])],
    labels: Annotated[list[Path], Parameter(help="Labels of its tasks (.parquet), each named as its task.")],
    split: Annotated[Path, Parameter(help="Split that all networks share (.parquet).")],
    patches: PatchArrays,
    out: Annotated[
        Path,
        Parameter(help="Network to write (.safetensors); its record (.json) and predictions (.parquet) go beside it."),
    ],
    checkpoints: CheckpointFolder = None,
    memory_mb: Annotated[
        float,
        Parameter(
            help="Memory in MB; an eighth of it keeps patches at the size that the network sees. It changes no result.",
            validator=Number(gte=0),
        ),
    ] = 4000.0,
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Train a network on labels of one task or several, validated at places of their own."""
    chosen = NetworkSettings.from_text(settings, f"embeddings.networks.{out.stem}")
    given = TrainFiles(tuple(labels), split, tuple(patches), out, checkpoints, memory_mb / 8)
    launch(train_in_group, gpus, threads, chosen, given)


@dataclass(frozen=True)
class TrainFiles:
    """Files that a training reads and writes."""

    labels: tuple[Path, ...]
    split: Path
    patches: tuple[Path, ...]
    out: Path
    checkpoints: Path | None
    cache_mb: float

    def inputs(self, settings: NetworkSettings) -> dict[str, Path]:
        """Return the files by the names that provenance gives them."""
        weights = find_weights(settings.trunk, settings.weights)
        known = {"split": self.split} | ({} if weights is None else {"weights": weights})
        known |= {f"labels/{path.stem}": path for path in self.labels}
        known |= {f"patches/{path.stem}": path for path in self.patches}
        return known | {f"index/{path.stem}": index_of(path) for path in self.patches}


def train_in_group(group: ProcessGroup, settings: NetworkSettings, files: TrainFiles) -> None:
    """Train in every process of a group; the first writes the files."""
    tables = {path.stem: LABELS.read(path) for path in files.labels}
    stores = open_stores(files.patches)
    known = gather_labels(stores, tables, SPLIT.read(files.split), settings, files.out.stem)
    origin = provenance("embeddings train", settings, files.inputs(settings), seed=settings.seed, backend=group.backend)
    kept = None if files.checkpoints is None else Checkpoints.of(files.checkpoints, origin)
    made = train_network(files.out.stem, settings, known, group, kept, files.cache_mb)
    if group.rank:
        return
    save_adapted(files.out, made.embedding, origin)
    NETWORK_PREDICTIONS.write(files.out.with_suffix(".parquet"), made.predictions, origin)
    NETWORK_RECORD.write(files.out.with_suffix(".json"), made.record, origin)
    if kept is not None:
        kept.clear()
