"""Group the patches of every land category by look, and number the clusters."""

from pathlib import Path
from typing import Annotated

import typer

from rankscape.clusters.clustering import cluster_patches, places_once
from rankscape.clusters.features import open_features
from rankscape.foundation.files import write_json
from rankscape.foundation.provenance import KEY, provenance
from rankscape.foundation.settings.clusters import ClusterSettings
from rankscape.foundation.tables import read_metadata, read_table, write_table
from rankscape.stages.options import Indices, Settings, Threads


def cluster(
    settings: Settings,
    features: Annotated[list[Path], typer.Option(help="Features (.npy), a granule each.")],
    indices: Indices,
    categories: Annotated[Path, typer.Option(help="Land category of every patch: categories.parquet.")],
    out: Annotated[Path, typer.Option(help="Table to write: the cluster of every patch.")],
    summary: Annotated[Path, typer.Option(help="Document to write: what is known of every cluster.")],
    threads: Threads = 1,
) -> None:
    """Group the patches of every land category by k-means on their features, with the best K by silhouette."""
    section = ClusterSettings.from_text(settings, "cluster")
    label = read_metadata(categories, "label")
    looks, table = places_once(
        open_features(features, indices), read_table(categories, ["patch_id", "granule", "category"])
    )
    found = cluster_patches(looks, table, label["categories"], label["uninhabited"], section, threads=threads)
    inputs = {"categories": categories} | {f"features/{path.stem}": path for path in features}
    inputs |= {f"index/{path.stem}": path for path in indices}
    record = provenance("cluster", section, inputs, seed=section.seed)
    write_table(out, found.table, {KEY: record})
    write_json(summary, {**found.summary, "provenance": record})
