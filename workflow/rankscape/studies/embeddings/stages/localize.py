"""Draw what every pixel adds to the prediction of its patch: a linear model of random convolutions at full detail.

The mean over a patch is its prediction (Rolf et al. 2021, super-resolution).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from affine import Affine
from cyclopts import Parameter
from rasterio.windows import Window

from rankscape.foundation.errors import InputError
from rankscape.foundation.progress import track
from rankscape.foundation.provenance import provenance
from rankscape.learning.adapted import Adapted, check_bands, load_adapted
from rankscape.learning.processes import use_device
from rankscape.models.linear_maps import linear_map
from rankscape.products.maps.items import write_item
from rankscape.products.maps.ramp import RAMP, read_ramp, style_of, write_style
from rankscape.samples.patches import Patches, index_of, open_patches
from rankscape.scenes.cogs import cog_writer
from rankscape.stages.options import Gpus, PatchArray, Threads
from rankscape.studies.embeddings.artifacts import MAP_BANDS
from rankscape.studies.embeddings.regressions import KeptRegression, load_regression

_AT_ONCE = 16
"""Patches that are looked at together: answers of 64 filters take 8 bytes a pixel."""


def localize(
    *,
    model: Annotated[Path, Parameter(help="Regression of the task (.safetensors).")],
    embedder: Annotated[Path, Parameter(help="Network that `embeddings fit` made (.safetensors).")],
    patches: PatchArray,
    out: Annotated[Path, Parameter(help="Raster to write (COG).")],
    item: Annotated[Path, Parameter(help="STAC item to write (JSON), in the folder of the raster or above.")],
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Draw what every pixel adds to the prediction of its patch, whose mean is the prediction."""
    device = use_device(gpus, threads)
    regression, store, adapted = load_regression(model), open_patches(patches), load_adapted(embedder)
    check_bands(adapted, store)
    if regression.weights.shape != (adapted.dims,):
        raise InputError(
            f"{model} has {len(regression.weights)} weights, {embedder} {adapted.dims} features: give the network that"
            f" {regression.about.task} is predicted from."
        )
    inputs = {"model": model, "embedder": embedder, "patches": patches, "index": index_of(patches), "ramp": RAMP}
    record = provenance("embeddings localize", None, inputs, backend=device.type)
    grid, side = store.grid, adapted.preparation.input_px
    strips = _strips(regression, adapted, store, device)
    transform = Affine(*grid.transform) @ Affine.scale(grid.patch_px / side)
    with cog_writer(
        out, shape=(1, grid.rows * side, grid.cols * side), dtype="float32", crs=grid.crs, transform=transform,
        names=MAP_BANDS[:1], nodata=np.nan, tags={"RANKSCAPE": json.dumps(record, sort_keys=True)}, threads=threads,
    ) as dataset:  # fmt: skip
        means = []
        for row, pixels in enumerate(track(strips, "localize", unit="row", total=grid.rows)):
            dataset.write(pixels[None], window=Window(0, row * side, grid.cols * side, side))
            means.append(pixels.reshape(side, grid.cols, side).mean((0, 2)))
    values, about = np.stack(means)[None], regression.about
    write_style(out, read_ramp(), *about.shown)
    write_item(
        item, f"{store.index['granule'].iloc[0]}-{about.task}-pixels", {"map": out, "style": style_of(out)},
        crs=grid.crs, transform=transform, values=values, names=MAP_BANDS[:1], outline=store.index.geometry,
        record=record, description=f"{about.title}: what every pixel adds to the prediction of its patch.",
    )  # fmt: skip


def _strips(regression: KeptRegression, adapted: Adapted, store: Patches, device: torch.device) -> Iterator[np.ndarray]:
    """Yield the pixels of each row of patches, float32, shape (side, columns x side); NaN where none is usable."""
    grid, side, index = store.grid, adapted.preparation.input_px, store.index
    network, weights = adapted.backbone.to(device), torch.from_numpy(regression.weights).to(device)
    usable, rows, cols = index["usable"].to_numpy(bool), index["row"].to_numpy(), index["col"].to_numpy()
    for row in range(grid.rows):
        own = np.flatnonzero(usable & (rows == row))
        strip = np.full((grid.cols, side, side), np.nan, np.float32)
        for first in range(0, len(own), _AT_ONCE):
            some = own[first : first + _AT_ONCE]
            with torch.inference_mode():
                images = adapted.preparation.tensor(store.array[some]).to(device)
                found = linear_map(network, images, weights) + regression.about.intercept
            strip[cols[some]] = found.cpu().numpy()
        yield strip.transpose(1, 0, 2).reshape(side, -1)
