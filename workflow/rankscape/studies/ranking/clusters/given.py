"""Clusters that are given, by the folders of images or by a table, and not found by look."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say
from rankscape.samples.patches import IMAGE
from rankscape.studies.ranking.clusters.clustering import Cluster, Clustering, cluster_of, clustering_of
from rankscape.studies.ranking.clusters.folders import cluster_of_folder
from rankscape.studies.ranking.clusters.granule_features import GranuleFeatures
from rankscape.studies.ranking.clusters.kmeans import KMeansGrouping, scaled
from rankscape.studies.ranking.clusters.settings import ClusterSettings
from rankscape.studies.ranking.clusters.soft_labels import PATCH_ID, read_rows

_NONE = -1


def given_clusters(granules: Sequence[GranuleFeatures], settings: ClusterSettings) -> dict[str, int]:
    """Return the given cluster of every patch that has one.

    Args:
        granules: Features and indices of the granules.
        settings: `given`: `folders` or `file`.

    Raises:
        InputError: If no granule is a folder of images, a folder is no number, or the table is wrong, or nobody has a
            cluster; the message names it.
    """
    if settings.given == "folders":
        return _from_folders(granules)
    known = {str(patch) for one in granules for patch in one.index[PATCH_ID]}
    return _from_file(Path(str(settings.file)), known)


def _from_folders(granules: Sequence[GranuleFeatures]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in granules:
        if IMAGE in one.index:
            granule = f"granule {one.index['granule'].iloc[0]}"
            for patch, image in zip(one.index[PATCH_ID], one.index[IMAGE], strict=True):
                cluster = cluster_of_folder(str(image), granule)
                if cluster is not None:
                    found[str(patch)] = cluster
    if not found:
        raise TableError(
            "cluster.given is `folders`, but no image of the granules with the role `fit` lies in a folder named by "
            "a number: put the images of cluster 7 into a folder 07 of a granule's `images`."
        )
    return found


def _from_file(path: Path, known: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    rows = read_rows(path, (PATCH_ID, "cluster"), "cluster.file must name a CSV or TSV of patches and their clusters")
    for line, cells in rows:
        patch, cell = cells[PATCH_ID].strip(), cells["cluster"].strip()
        where = f"{path}, line {line}: patch {patch!r}"
        if patch not in known:
            raise TableError(
                f"{where} is none of the {len(known)} patches that are learned from (such as {min(known)}): delete the "
                "row, or give its granule the role `fit`."
            )
        if patch in found:
            raise TableError(f"{where} is listed twice; keep one row.")
        if not (cell.isascii() and cell.isdecimal()):
            raise TableError(f"{where}: cluster = {cell!r} is no whole number from 0.")
        found[patch] = int(cell)
    if not found:
        raise TableError(f"{path} has no rows: list some patches, or set cluster.given to none.")
    return found


def as_labelled(table: pd.DataFrame, labels: pd.DataFrame, categories: Sequence[str]) -> pd.DataFrame:
    """Give labelled patches the category that most annotators chose, of equals the first of the settings.

    Args:
        table: Columns patch_id and category.
        labels: Column patch_id and one column a category, the shares of the annotators.
        categories: Land categories in the order of the settings.
    """
    names = np.array(list(categories), dtype=object)
    chosen = names[labels[list(categories)].to_numpy().argmax(axis=1)] if len(labels) else []
    by_people = dict(zip(labels[PATCH_ID], chosen, strict=True))
    known = [by_people.get(patch, category) for patch, category in zip(table[PATCH_ID], table["category"], strict=True)]
    return table.assign(category=pd.Series(known, index=table.index, dtype="str"))


def take_given(
    features: np.ndarray,
    table: pd.DataFrame,
    given: Mapping[str, int],
    categories: Sequence[str],
    uninhabited: str | None,
    settings: ClusterSettings,
) -> Clustering:
    """Make the clusters that are given, under their given numbers.

    A patch without a given cluster joins the uninhabited one where its category is the uninhabited one; the others have
    no cluster, and nothing is learned from them. The uninhabited cluster takes the number after the last, unless the
    settings name it.

    Args:
        features: float32, shape (patches, dims).
        table: Columns patch_id, granule, category; one row a patch.
        given: Cluster by patch id.
        categories: Land categories in the order of the settings.
        uninhabited: Category without people, if there is one.
        settings: `categories` of the given clusters.

    Raises:
        TableError: If a cluster has no usable patch, or several are uninhabited; the message names them.
    """
    numbers = np.array([given.get(patch, _NONE) for patch in table[PATCH_ID]], np.int64)
    by_cluster = {cluster: category for category, own in settings.categories.items() for cluster in own}
    _check_patches(numbers, given, by_cluster)
    nobody = _uninhabited_number(given, settings, uninhabited)
    if uninhabited is not None:
        numbers[(numbers == _NONE) & (table["category"] == uninhabited).to_numpy()] = nobody
        by_cluster[nobody] = uninhabited
    kept = np.flatnonzero(numbers != _NONE)
    say(f"{len(kept)} of {len(table)} patches lie in given clusters; the others are not learned from.")
    features, numbers, table = features[kept], numbers[kept], table.iloc[kept].reset_index(drop=True)
    inhabited = [name for name in categories if name != uninhabited] or list(categories)
    look = scaled(features, settings.features)
    clusters: dict[int, Cluster] = {}
    for number in np.unique(numbers).tolist():
        rows = np.flatnonzero(numbers == number)
        category = by_cluster.get(number) or _majority(table["category"].iloc[rows], inhabited, number)
        clusters[number] = cluster_of(category, rows, features[rows], look[rows])
    return clustering_of(_with_categories(table, clusters), clusters, _counted(clusters, categories), uninhabited)


def _check_patches(numbers: np.ndarray, given: Mapping[str, int], by_cluster: Mapping[int, str]) -> None:
    wanted = {*given.values(), *by_cluster}
    empty = sorted(wanted - set(numbers.tolist()))
    if empty:
        raise TableError(
            f"The given clusters {empty} have no usable patch: add images to them, allow more cloud, or take them "
            "out of the folders, of cluster.file and of cluster.categories."
        )


def _uninhabited_number(given: Mapping[str, int], settings: ClusterSettings, uninhabited: str | None) -> int:
    named = settings.categories.get(uninhabited, ()) if uninhabited is not None else ()
    if len(named) > 1:
        raise TableError(
            f"cluster.categories lists the clusters {list(named)} as {uninhabited}: land without people is one cluster."
        )
    return named[0] if named else max(given.values()) + 1


def _majority(found: "pd.Series[str]", inhabited: Sequence[str], number: int) -> str:
    """Category of most patches among those with people, of equals the first; the first too where none has any."""
    counts = [int((found == name).sum()) for name in inhabited]
    if not any(counts):
        say(f"Cluster {number}: all patches look uninhabited; it counts as {inhabited[0]}.")
    return inhabited[int(np.argmax(counts))]


def _with_categories(table: pd.DataFrame, clusters: Mapping[int, Cluster]) -> pd.DataFrame:
    """Patches take the category of their cluster."""
    names = np.empty(len(table), dtype=object)
    for cluster in clusters.values():
        names[cluster.rows] = cluster.category
    return table.assign(category=pd.Series(names, index=table.index, dtype="str"))


def _counted(clusters: Mapping[int, Cluster], categories: Sequence[str]) -> dict[str, KMeansGrouping]:
    """How the clusters of each category came to be: their number was given, and nothing was tried."""
    groupings = {}
    for name in categories:
        own = [cluster for cluster in clusters.values() if cluster.category == name]
        if own:
            patches = sum(len(cluster.rows) for cluster in own)
            say(f"{name}: {len(own)} given cluster(s), {patches} patches.")
            groupings[name] = KMeansGrouping(np.zeros(patches, np.int32), len(own), True, {}, ())
    return groupings
