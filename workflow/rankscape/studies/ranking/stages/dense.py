"""Draw a finer map of a granule: a score every 32 px of the network's input.

Windows overlap by half a patch and are blended, so that no patch edges show; the mean over a patch is its score.
"""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.learning.processes import use_device
from rankscape.products.maps.backends import open_kernels
from rankscape.products.maps.items import write_item
from rankscape.products.maps.ramp import RAMP, read_ramp, style_of, write_style
from rankscape.products.maps.settings import DenseSettings
from rankscape.samples.patches import index_of, open_patches
from rankscape.stages.options import Gpus, PatchArray, Threads, settings_of
from rankscape.studies.ranking.scoring.dense import dense_map, write_dense
from rankscape.studies.ranking.scoring.model import read_model


def dense(
    *,
    settings: Annotated[str, settings_of(DenseSettings)],
    patches: PatchArray,
    model: Annotated[Path, Parameter(help="Score model: score.safetensors.")],
    out: Annotated[Path, Parameter(help="Raster to write: score and score_std of every place (COG).")],
    item: Annotated[Path, Parameter(help="STAC item to write (JSON), in the folder of the raster or above.")],
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Draw a finer map of a granule, with a QGIS style (.qml) beside it and a STAC item."""
    chosen = DenseSettings.from_text(settings, "ranking.dense")
    device = use_device(gpus, threads)
    networks, store = read_model(model, device), open_patches(patches)
    with open_kernels(chosen.backend) as kernels:
        found = dense_map(networks, store, device, chosen.batch_size, str(patches), kernels.blend)
    inputs = {"patches": patches, "index": index_of(patches), "model": model, "ramp": RAMP}
    record = provenance("ranking dense", chosen, inputs, seed=networks.seed, backend=device.type)
    tags = {"RANKSCAPE": json.dumps(record, sort_keys=True), "DEVIATIONS": json.dumps(found.facts, sort_keys=True)}
    write_dense(out, found, tags, threads)
    write_style(out, read_ramp())
    write_item(
        item, f"{store.index['granule'].iloc[0]}-dense", {"map": out, "style": style_of(out)}, crs=found.grid.crs,
        transform=found.transform, values=found.values, outline=store.index.geometry,
        record={**record, "deviations": found.facts},
    )  # fmt: skip
    say(
        f"{out}: {found.cells} x {found.cells} places a patch; a patch's mean is within"
        f" {found.facts['final']['largest']:.4f} of its score"
    )
