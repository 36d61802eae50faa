"""Make the network of an embedding: random filters of the region's own patches, or published weights.

The file also contains how patches are prepared, so that every granule is embedded alike.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.learning.adapted import save_adapted
from rankscape.learning.embedders import make_embedder
from rankscape.learning.processes import use_device
from rankscape.learning.selection import open_stores
from rankscape.learning.settings import EmbedderSettings
from rankscape.models.backbones import find_weights
from rankscape.samples.patches import index_of
from rankscape.stages.options import Gpus, PatchArrays, Threads, settings_of


def fit(
    *,
    settings: Annotated[str, settings_of(EmbedderSettings)],
    name: Annotated[str, Parameter(help="Name of the embedding.")],
    patches: PatchArrays,
    out: Annotated[Path, Parameter(help="Network to write (.safetensors).")],
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Make the network of an embedding from patches, or from published weights."""
    chosen = EmbedderSettings.from_text(settings, f"embeddings.embedders.{name}")
    device = use_device(gpus, threads)
    adapted = make_embedder(chosen, list(open_stores(patches)), device)
    weights = find_weights(chosen.architecture, chosen.weights)
    inputs = {"weights": weights} if weights is not None else {}
    for path in patches:
        inputs |= {f"patches/{path.stem}": path, f"index/{path.stem}": index_of(path)}
    record = provenance("embeddings fit", chosen, inputs, seed=chosen.seed, backend=device.type)
    save_adapted(out, adapted, record)
    say(f"{name}: {adapted.dims} numbers a patch.")
