"""Train a network without labels: neighbours are alike, distant tiles are not (Tile2Vec).

What it computes is an embedding like any other. A training that was killed goes on from its checkpoint.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.provenance import provenance
from rankscape.learning.adapted import save_adapted
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.processes import ProcessGroup, launch
from rankscape.learning.selection import open_stores
from rankscape.samples.patches import index_of
from rankscape.stages.options import CheckpointFolder, Gpus, PatchArrays, Threads, settings_of
from rankscape.studies.embeddings.artifacts import TILE2VEC_RECORD
from rankscape.studies.embeddings.neighbour_learning import learn_neighbours
from rankscape.studies.embeddings.network_settings import Tile2VecSettings


def tile2vec(
    *,
    settings: Annotated[str, settings_of(Tile2VecSettings)],
    patches: PatchArrays,
    out: Annotated[Path, Parameter(help="Network to write (.safetensors); its record (.json) goes beside it.")],
    checkpoints: CheckpointFolder = None,
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Train a network on what lies near each other, without labels."""
    chosen = Tile2VecSettings.from_text(settings, f"embeddings.tile2vec.{out.stem}")
    launch(learn_in_group, gpus, threads, chosen, tuple(patches), out, checkpoints)


def learn_in_group(
    group: ProcessGroup, settings: Tile2VecSettings, patches: tuple[Path, ...], out: Path, folder: Path | None
) -> None:
    """Train in every process of a group; the first writes the files."""
    inputs = {f"patches/{path.stem}": path for path in patches}
    inputs |= {f"index/{path.stem}": index_of(path) for path in patches}
    origin = provenance("embeddings tile2vec", settings, inputs, seed=settings.seed, backend=group.backend)
    kept = None if folder is None else Checkpoints.of(folder, origin)
    made, record = learn_neighbours(out.stem, settings, list(open_stores(patches)), group, kept)
    if group.rank:
        return
    save_adapted(out, made, origin)
    TILE2VEC_RECORD.write(out.with_suffix(".json"), record, origin)
    if kept is not None:
        kept.clear()
