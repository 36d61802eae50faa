"""Clusters of all categories: grouped within each, numbered so that a rerun gives the same numbers."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rankscape.foundation.errors import SettingsError, TableError
from rankscape.foundation.progress import say
from rankscape.samples.overlap import distinct_places
from rankscape.studies.ranking.clusters.granule_features import GranuleFeatures
from rankscape.studies.ranking.clusters.kmeans import KMeansGrouping, group, scaled
from rankscape.studies.ranking.clusters.settings import ClusterSettings

CLUSTER_COLUMNS = ("patch_id", "granule", "category", "cluster")
_DECIMALS = 6
"""Decimals of the centroids in the summary."""


@dataclass(frozen=True)
class Clustering:
    """Cluster of every patch, and what is known of every cluster."""

    table: pd.DataFrame
    """Columns patch_id, granule, category, cluster (int32); a place counts once."""
    summary: dict[str, Any]
    """The document `clusters.json`, without its provenance."""


def fingerprint(table: pd.DataFrame) -> str:
    """Return the SHA-256 of the (patch_id, cluster) table, whatever the order of its rows.

    Rounds and orders carry it, so that cluster numbers of another clustering are never mixed in.
    """
    pairs = sorted(zip(table["patch_id"], table["cluster"], strict=True))
    return hashlib.sha256("".join(f"{patch}\t{cluster}\n" for patch, cluster in pairs).encode()).hexdigest()


def places_once(granules: Sequence[GranuleFeatures], categories: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Join features and categories, each place once: where granules overlap, the first granule's patch stands for it.

    Args:
        granules: Features of the granules, sorted by granule.
        categories: Columns patch_id and category; every usable patch.

    Returns:
        Features, float32 of shape (places, dims), and the table of the same rows with the columns patch_id, granule,
        category.

    Raises:
        TableError: If the categories belong to other patches, or no patch is usable.
    """
    masks = distinct_places([one.index for one in granules], every_date=True)
    usable = usable_patches(granules, categories)
    parts = [one.taken(good & once) for one, good, once in zip(granules, usable, masks, strict=True)]
    table = pd.concat([part for _, part in parts], ignore_index=True)
    say(f"{len(table)} places; {len(categories) - len(table)} patches lie on a place of an earlier granule.")
    by_patch = pd.Series(categories["category"].to_numpy(), index=categories["patch_id"])
    return np.concatenate([features for features, _ in parts]), table.assign(
        category=by_patch.loc[table["patch_id"]].to_numpy()
    )


def usable_patches(granules: Sequence[GranuleFeatures], categories: pd.DataFrame) -> list[np.ndarray]:
    """Return which patches are usable, and make sure that the categories are theirs, in the same order.

    Args:
        granules: Features of the granules, sorted by granule.
        categories: Column patch_id; every usable patch.

    Returns:
        A mask for each granule, bool, shape (patches,).

    Raises:
        TableError: If the categories belong to other patches, or no patch is usable.
    """
    usable = [one.index["usable"].to_numpy(bool) for one in granules]
    ids = pd.concat([one.index.loc[good, "patch_id"] for one, good in zip(granules, usable, strict=True)])
    if list(ids) != list(categories["patch_id"]):
        raise TableError(
            f"The categories list {len(categories)} patches, the indices {len(ids)} usable ones, and they differ: "
            "run categorize again."
        )
    if ids.empty:
        raise TableError("No patch is usable: allow more cloud, or add granules with the role `fit`.")
    return usable


def cluster_patches(
    features: np.ndarray,
    table: pd.DataFrame,
    categories: Sequence[str],
    uninhabited: str | None,
    settings: ClusterSettings,
    *,
    threads: int,
) -> Clustering:
    """Group the patches of every category, and number the clusters.

    Numbers follow the order of the categories, then size, largest first, then the centroid's features. The uninhabited
    category is one cluster, the last (Ahn et al., Nature Communications 2023).

    Args:
        features: float32, shape (patches, dims).
        table: Columns patch_id, granule, category; one row a patch.
        categories: Land categories in the order of the settings.
        uninhabited: Category without people, if there is one.
        settings: How patches are grouped.
        threads: Threads to compute with; they change no result.

    Raises:
        SettingsError: If K is given for a category that there is not.
        TableError: If a patch has a category that there is not.
    """
    _check_given(settings, categories, uninhabited)
    _check_categories(table, categories)
    order = [name for name in categories if name != uninhabited] + ([uninhabited] if uninhabited else [])
    clusters: list[Cluster] = []
    groupings: dict[str, KMeansGrouping] = {}
    for name in order:
        rows = np.flatnonzero(table["category"].to_numpy() == name)
        if len(rows) == 0:
            say(f"{name}: no patch, no cluster.")
            continue
        given = 1 if name == uninhabited else settings.k.get(name)
        look = scaled(features[rows], settings.features)
        groupings[name] = group(look, name, settings, threads, given=given)
        say(_line(name, len(rows), groupings[name]))
        clusters += _numbered(name, rows, features[rows], look, groupings[name])
    return clustering_of(table, dict(enumerate(clusters)), groupings, uninhabited)


@dataclass(frozen=True)
class Cluster:
    """One cluster, before it has a number."""

    category: str
    """Land category."""
    rows: np.ndarray
    """Rows of its patches in the table, int64."""
    medoid: int
    """Row of the patch nearest to the mean in the scaled features."""
    centroid: np.ndarray
    """Mean of the unscaled features, float64, shape (dims,)."""


def cluster_of(category: str, rows: np.ndarray, features: np.ndarray, look: np.ndarray) -> Cluster:
    """Describe the cluster of some patches.

    Args:
        category: Land category.
        rows: Rows of the patches in the table, int64, shape (n,).
        features: Their features, float32, shape (n, dims).
        look: Their scaled features, float32, shape (n, dims).
    """
    distances = np.linalg.norm(look - _mean(look), axis=1)
    return Cluster(category, rows, int(rows[distances.argmin()]), _mean(features))


def _check_given(settings: ClusterSettings, categories: Sequence[str], uninhabited: str | None) -> None:
    strangers = sorted(set(settings.k) - set(categories))
    if strangers:
        raise SettingsError(f"cluster.k names {strangers}; the categories are {list(categories)}.")
    if uninhabited is not None and settings.k.get(uninhabited, 1) != 1:
        raise SettingsError(
            f"cluster.k gives {settings.k[uninhabited]} clusters to {uninhabited!r}, the uninhabited one."
        )


def _check_categories(table: pd.DataFrame, categories: Sequence[str]) -> None:
    strangers = sorted(set(table["category"]) - set(categories))
    if strangers:
        raise TableError(
            f"Patches have the categories {strangers}; known are {list(categories)}: run categorize again."
        )


def _numbered(
    name: str, rows: np.ndarray, features: np.ndarray, look: np.ndarray, grouping: KMeansGrouping
) -> list[Cluster]:
    """Make the clusters of one category, in the order in which they are numbered."""
    groups = [np.flatnonzero(grouping.labels == label) for label in range(grouping.k)]
    clusters = [cluster_of(name, rows[members], features[members], look[members]) for members in groups]
    return sorted(clusters, key=lambda cluster: (-len(cluster.rows), tuple(cluster.centroid)))


def _mean(features: np.ndarray) -> np.ndarray:
    return np.asarray(features.astype(np.float64).mean(axis=0))


def clustering_of(
    table: pd.DataFrame,
    clusters: Mapping[int, Cluster],
    groupings: Mapping[str, KMeansGrouping],
    uninhabited: str | None,
) -> Clustering:
    """Put clusters together.

    Args:
        table: Columns patch_id, granule, category; every row lies in one of the clusters.
        clusters: Clusters by number, in ascending order.
        groupings: How the clusters of each category came to be.
        uninhabited: Category without people, if there is one.
    """
    numbers = np.full(len(table), -1, np.int32)
    for number, cluster in clusters.items():
        numbers[cluster.rows] = number
    numbered = table.assign(cluster=numbers)[list(CLUSTER_COLUMNS)]
    known = [
        {
            "cluster": number,
            "category": cluster.category,
            "size": len(cluster.rows),
            "uninhabited": cluster.category == uninhabited,
            "medoid": str(table["patch_id"].iloc[cluster.medoid]),
        }
        for number, cluster in clusters.items()
    ]
    summary = {
        "clusters": known,
        "categories": {name: _described(grouping) for name, grouping in groupings.items()},
        "uninhabited": next((one["cluster"] for one in known if one["uninhabited"]), None),
        "fingerprint": fingerprint(numbered),
        "centroids": [[round(float(value), _DECIMALS) for value in cluster.centroid] for cluster in clusters.values()],
    }
    return Clustering(numbered, summary)


def _described(grouping: KMeansGrouping) -> dict[str, Any]:
    return {
        "k": grouping.k,
        "k_given": grouping.k_given,
        "silhouettes": {str(k): round(value, _DECIMALS) for k, value in grouping.silhouettes.items()},
        "stability": None if grouping.stability is None else round(grouping.stability, _DECIMALS),
        "stability_by_seed": [round(value, _DECIMALS) for value in grouping.stability_by_seed],
    }


def _line(name: str, patches: int, grouping: KMeansGrouping) -> str:
    line = f"{name}: {patches} patches, K = {grouping.k}{' (given)' if grouping.k_given else ''}"
    if grouping.k in grouping.silhouettes:
        line += f", silhouette {grouping.silhouettes[grouping.k]:.3f}"
    if grouping.stability is not None:
        line += f", stability {grouping.stability:.2f} (adjusted Rand index, {len(grouping.stability_by_seed)} seeds)"
    return line + "."
