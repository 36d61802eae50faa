"""Compute an embedding of every patch of a granule."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.provenance import provenance
from rankscape.learning.adapted import embed_patches, load_adapted
from rankscape.learning.processes import use_device
from rankscape.learning.settings import EmbedSettings
from rankscape.samples.patches import index_of, open_patches
from rankscape.stages.options import Gpus, PatchArray, Threads, settings_of
from rankscape.studies.embeddings.features import Dates, EmbeddingTableFile, first, write_features


def embed(
    *,
    settings: Annotated[str, settings_of(EmbedSettings)],
    patches: PatchArray,
    embedder: Annotated[Path, Parameter(help="Network that `embeddings fit`, `train` or `tile2vec` made.")],
    out: Annotated[Path, Parameter(help="Features to write (.npy), a row a patch; a .json beside it describes them.")],
    table: EmbeddingTableFile = None,
    dates: Dates = (),
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Compute an embedding of every patch of a granule; rows of patches that are not usable are NaN."""
    chosen = EmbedSettings.from_text(settings, "embeddings.embed")
    device = use_device(gpus, threads)
    store, adapted = open_patches(patches), load_adapted(embedder)
    features = embed_patches(adapted, store, chosen.batch_size, device)
    inputs = {"patches": patches, "index": index_of(patches), "embedder": embedder}
    record = provenance("embeddings embed", chosen, inputs, backend=device.type)
    write_features(
        out, features, store.index, adapted.architecture, record, learned=adapted.tasks, table=table,
        dates=first(dates),
    )  # fmt: skip
