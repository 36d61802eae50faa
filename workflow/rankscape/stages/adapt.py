"""Fit the backbone and a land-category head to the soft labels.

Without labels, or with 0 epochs, the backbone stays as it came and gets no head.
"""

from pathlib import Path
from typing import Annotated

import typer

from rankscape.foundation.files import write_json
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.foundation.settings.vision import AdaptSettings
from rankscape.foundation.tables import read_metadata, read_table
from rankscape.stages.options import Gpus, Settings, Threads, Tiles
from rankscape.tiles.store import index_of, open_patches
from rankscape.vision.adapting import adapt_backbone
from rankscape.vision.backbones import find_weights
from rankscape.vision.devices import use_device
from rankscape.vision.labelled import check_stores, find_labelled
from rankscape.vision.model import save_adapted


def adapt(
    settings: Settings,
    labels: Annotated[Path, typer.Option(help="Soft labels: labels.parquet; an empty table fits nothing.")],
    tiles: Tiles,
    out: Annotated[Path, typer.Option(help="Backbone and head to write (.safetensors).")],
    record: Annotated[Path, typer.Option(help="What is known of the fit, to write (.json).")],
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Fit the backbone and a land-category head to the soft labels.

    The file of the backbone also holds how pictures are prepared for it, so that all later stages see alike.
    """
    chosen = AdaptSettings.from_text(settings, "adapt")
    device = use_device(gpus, threads)
    weights = find_weights(chosen.architecture, chosen.weights)
    about, table = read_metadata(labels, "label"), read_table(labels)
    stores = [open_patches(path) for path in sorted(tiles)]
    check_stores(stores)
    patches = find_labelled(stores, table, about["categories"], str(labels))
    say(f"{len(patches)} usable labelled patches of {len(table)} labelled ones.")
    adapted, found = adapt_backbone(chosen, patches, about["categories"], about["uninhabited"], device)
    inputs = {"labels": labels} | ({"weights": weights} if weights is not None else {})
    for path in tiles:
        inputs |= {f"tiles/{path.stem}": path, f"index/{path.stem}": index_of(path)}
    origin = provenance("adapt", chosen, inputs, seed=chosen.seed, backend=device.type)
    save_adapted(out, adapted, origin)
    write_json(record, {**found, "provenance": origin})
