"""Turn an image, a folder of images, or places in an image into embeddings; it works alone, without a workflow.

Out comes GeoParquet with a footprint and a vector a patch; of images without coordinates Parquet with their paths. Of
an image also a Cloud-Optimized GeoTIFF, a pixel a patch and a band a number.
"""

import contextlib
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
from rankscape.samples.embedding_tables import parse_dates, write_embedding_raster, write_embeddings
from rankscape.samples.patches import Patches, index_of, open_patches, write_index
from rankscape.samples.placed_images import place_images
from rankscape.samples.point_patches import open_points
from rankscape.samples.settings import TileSettings
from rankscape.samples.source import make_index
from rankscape.scenes.rasters import is_raster
from rankscape.stages.options import Gpus, Threads

_BATCH = 64
_POINT = "point"
_NAME = "image"
"""Name of the granule that ids of patches begin with."""


class EmbedFileSettings(Section):
    """What the command line says, as provenance has it."""

    tile: TileSettings
    embedder: EmbedderSettings | None


def embed(
    source: Annotated[
        Path,
        Parameter(
            help="Image with coordinates (GeoTIFF, JPEG 2000), a folder of images, or, with --images, a table or a "
            "vector file of points."
        ),
    ],
    *,
    model: Annotated[
        str,
        Parameter(help="Architecture, such as random-convolutions-3px-256 or resnet18, or a file of `embeddings fit`."),
    ],
    out: Annotated[Path, Parameter(help="Table to write (.parquet), or, of an image, a raster (.tif).")],
    images: Annotated[
        Path | None,
        Parameter(help="Image, or tiles of one such as 'town-*.tif', that patches around points are cut of."),
    ] = None,
    weights: Annotated[
        str, Parameter(help="Weights of the architecture: random, imagenet, packaged, or a safetensors file.")
    ] = "random",
    patch_px: Annotated[
        int, Parameter(help="Side of a patch in pixels; images of a folder are resized to it.", validator=Number(gte=8))
    ] = 256,
    places: Annotated[
        Path | None, Parameter(help="Table of coordinates of a folder's images: image, longitude, latitude, side_m.")
    ] = None,
    bands: Annotated[
        tuple[str, ...], Parameter(help="Bands of the image, by name or number, red, green, blue first; default: all.")
    ] = (),
    scale: Annotated[float | None, Parameter(help="Reflectance a digital number, such as 0.0001.")] = None,
    offset: Annotated[float, Parameter(help="Reflectance of the digital number 0.")] = 0.0,
    date: Annotated[
        str | None, Parameter(help="Day that the images show, or first and last: 2020-01-01/2020-12-31.")
    ] = None,
    month: Annotated[
        int, Parameter(help="Month that the image shows, for Galileo.", validator=Number(gte=1, lte=12))
    ] = 7,
    seed: Annotated[int, Parameter(help="Seed of random filters.", validator=Number(gte=0))] = 0,
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Turn an image, a folder of images, or places in an image into embeddings."""
    _check(source, out, images, date)
    if places is not None and not source.is_dir():
        raise InputError(f"--places {places} says where images of a folder lie, and {source} is none.")
    values = {"patch_px": patch_px, "resize_images": True, "bands": bands, "scale": scale, "offset": offset}
    tile = TileSettings.checked(values, "options")
    device = use_device(gpus, threads)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        store = _cut(source, images, places, tile, Path(folder) / f"{_NAME}.npy")
        chosen = None if _is_file(model) else _settings(model, weights, month, seed, source.is_dir())
        adapted = load_adapted(Path(model)) if chosen is None else make_embedder(chosen, [store], device)
        features = embed_patches(adapted, store, _BATCH, device)
        record = provenance("embed", EmbedFileSettings(tile=tile, embedder=chosen), _inputs(source, model), seed=seed)
        if out.suffix == ".tif":
            write_embedding_raster(out, store.grid, store.index, features, record)
        else:
            write_embeddings(out, store.index, features, _about(adapted, store, images or source), record, date)
    say(f"{len(features):,} patches of {patch_px} px, {adapted.dims} numbers each.")


def _check(source: Path, out: Path, images: Path | None, date: str | None) -> None:
    """Refuse what can be seen to be wrong before anything is computed."""
    if out.suffix not in (".parquet", ".tif"):
        raise InputError(f"--out {out}: give a name that ends in .parquet, or, of an image, in .tif.")
    if not source.exists():
        raise InputError(f"{source} does not exist: mend the path.")
    if out.suffix == ".tif" and (images is not None or source.is_dir()):
        raise InputError(f"--out {out}: only patches of one image lie on a grid; give a name that ends in .parquet.")
    if images is None and source.is_file() and not is_raster(source):
        raise InputError(f"{source} is no GeoTIFF or JPEG 2000: of a file of points, name the image with --images.")
    if date is not None:
        parse_dates(date)


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


def _cut(source: Path, images: Path | None, places: Path | None, tile: TileSettings, array: Path) -> Patches:
    if images is not None:
        return _cut_points(source, images, tile, array)
    opener = partial(open_source, source, None, _NAME, tile, images=source.is_dir(), threads=1)
    result = cut(opener, array, 1)
    assert result is not None
    layout, shares = result
    index = make_index(layout, shares, tile)
    index = index if places is None else place_images(index, places)
    write_index(index_of(array), index, layout.grid, {"stage": "embed"})
    return open_patches(array)


def _cut_points(source: Path, images: Path, tile: TileSettings, array: Path) -> Patches:
    with open_points(source, images, _POINT, tile) as points:
        layout, shares = cut(lambda: contextlib.nullcontext(points), array, 1)
        index = make_index(layout, shares, tile).set_geometry(points.footprints())
    write_index(index_of(array), index, layout.grid, {"stage": "embed"})
    return open_patches(array)


def _about(adapted: Adapted, store: Patches, source: Path) -> dict[str, object]:
    return {"model": adapted.architecture, "sources": [source.name], "bands": list(store.grid.bands)}
