"""Group the patches of every land category by appearance, or take given clusters."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.provenance import provenance
from rankscape.foundation.tables import read_metadata
from rankscape.stages.options import Indices, MaybeFile, Threads, settings_of
from rankscape.studies.ranking.clusters.artifacts import CATEGORIES, CLUSTERS, LABELS, SUMMARY
from rankscape.studies.ranking.clusters.clustering import cluster_patches, places_once
from rankscape.studies.ranking.clusters.given import as_labelled, given_clusters, take_given
from rankscape.studies.ranking.clusters.granule_features import open_features
from rankscape.studies.ranking.clusters.settings import ClusterSettings


def cluster(
    *,
    settings: Annotated[str, settings_of(ClusterSettings)],
    features: Annotated[list[Path], Parameter(help="Features (.npy), a granule each.")],
    indices: Indices,
    categories: Annotated[Path, Parameter(help="Land category of every patch: categories.parquet.")],
    out: Annotated[Path, Parameter(help="Table to write: the cluster of every patch.")],
    summary: Annotated[Path, Parameter(help="Document to write: size and land category of every cluster.")],
    threads: Threads = 1,
    labels: Annotated[
        MaybeFile,
        Parameter(help="With given clusters: soft labels, which say of labelled patches whether people live there."),
    ] = (),
) -> None:
    """Group the patches of every land category by k-means with the best K by silhouette, or take given clusters."""
    section = ClusterSettings.from_text(settings, "ranking.cluster")
    label = read_metadata(categories, "label")
    names, uninhabited = label["categories"], label["uninhabited"]
    granules = open_features(features, indices)
    looks, table = places_once(granules, CATEGORIES.read(categories, "patch_id", "granule", "category"))
    if section.given == "none":
        found = cluster_patches(looks, table, names, uninhabited, section, threads=threads)
    else:
        if labels:
            table = as_labelled(table, LABELS.read(labels[0], "patch_id", *names), names)
        found = take_given(looks, table, given_clusters(granules, section), names, uninhabited, section)
    inputs = {"categories": categories} | {f"features/{path.stem}": path for path in features}
    inputs |= {} if section.file is None else {"file": Path(section.file)}
    inputs |= {"labels": labels[0]} if labels else {}
    inputs |= {f"index/{path.stem}": path for path in indices}
    record = provenance("ranking cluster", section, inputs, seed=section.seed)
    CLUSTERS.write(out, found.table, record)
    SUMMARY.write(summary, found.summary, record)
