"""Turn an image, or a folder of images, into a table of embeddings; it works alone, without a workflow.

Out comes GeoParquet with a footprint and a vector a patch; of images without coordinates Parquet with their paths.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation.errors import InputError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.foundation.settings import Section
from rankscape.learning.adapted import Adapted, embed_patches, load_adapted
from rankscape.learning.embedders import make_embedder
from rankscape.learning.processes import use_device
from rankscape.learning.settings import EmbedderSettings
from rankscape.samples.cutting import cut, open_source
from rankscape.samples.embedding_tables import write_embeddings
from rankscape.samples.patches import Patches, index_of, open_patches, write_index
from rankscape.samples.settings import TileSettings
from rankscape.samples.source import make_index
from rankscape.stages.options import Gpus, Threads

_BATCH = 64
_NAME = "image"
"""Name of the granule that ids of patches begin with."""


class EmbedFileSettings(Section):
    """What the command line says, as provenance has it."""

    tile: TileSettings
    embedder: EmbedderSettings | None


def embed(
    source: Annotated[Path, Parameter(help="Image with coordinates (GeoTIFF, JPEG 2000), or a folder of images.")],
    *,
    model: Annotated[
        str,
        Parameter(help="Architecture, such as random-convolutions-3px-256 or resnet18, or a file of `embeddings fit`."),
    ],
    out: Annotated[Path, Parameter(help="Table to write (.parquet).")],
    weights: Annotated[
        str, Parameter(help="Weights of the architecture: random, imagenet, packaged, or a safetensors file.")
    ] = "random",
    patch_px: Annotated[
        int, Parameter(help="Side of a patch in pixels; images of a folder are resized to it.", validator=Number(gte=8))
    ] = 256,
    month: Annotated[
        int, Parameter(help="Month that the image shows, for Galileo.", validator=Number(gte=1, lte=12))
    ] = 7,
    seed: Annotated[int, Parameter(help="Seed of random filters.", validator=Number(gte=0))] = 0,
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Turn an image, or a folder of images, into a table of embeddings."""
    if out.suffix != ".parquet":
        raise InputError(f"--out {out}: the table is Parquet; give a name that ends in .parquet.")
    if not source.exists():
        raise InputError(f"{source} does not exist: mend the path.")
    tile = TileSettings(patch_px=patch_px, resize_images=True)
    device = use_device(gpus, threads)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        store = _cut(source, tile, Path(folder) / f"{_NAME}.npy")
        chosen = None if _is_file(model) else _settings(model, weights, month, seed, source.is_dir())
        adapted = load_adapted(Path(model)) if chosen is None else make_embedder(chosen, [store], device)
        features = embed_patches(adapted, store, _BATCH, device)
        record = provenance("embed", EmbedFileSettings(tile=tile, embedder=chosen), _inputs(source, model), seed=seed)
        write_embeddings(out, store.index, features, _about(adapted, store, source), record)
    say(f"{len(features):,} patches of {patch_px} px, {adapted.dims} numbers each.")


def _is_file(model: str) -> bool:
    return model.endswith(".safetensors")


def _inputs(source: Path, model: str) -> dict[str, Path]:
    return {"source": source, **({"model": Path(model)} if _is_file(model) else {})}


def _settings(model: str, weights: str, month: int, seed: int, images: bool) -> EmbedderSettings:
    """Settings of a network by name: those of ImageNet see three colours as they were trained to."""
    published = weights != "random" and not model.startswith("galileo")
    return EmbedderSettings(
        architecture=model, weights=weights, month=month, seed=seed, colour="rgb" if published or images else "all",
        normalisation="imagenet" if published else "none", input_px=224 if published else None,
    )  # fmt: skip


def _cut(source: Path, tile: TileSettings, array: Path) -> Patches:
    opener = partial(open_source, source, None, _NAME, tile, images=source.is_dir(), threads=1)
    result = cut(opener, array, 1)
    assert result is not None
    layout, shares = result
    write_index(index_of(array), make_index(layout, shares, tile), layout.grid, {"stage": "embed"})
    return open_patches(array)


def _about(adapted: Adapted, store: Patches, source: Path) -> dict[str, object]:
    return {"model": adapted.architecture, "sources": [source.name], "bands": list(store.grid.bands)}
