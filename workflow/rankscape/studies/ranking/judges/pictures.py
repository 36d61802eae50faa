"""The patches that a round shows: which ones, and as what picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError
from rankscape.samples.patches import open_patches
from rankscape.samples.rendering import as_png, as_rgb, enlarged
from rankscape.studies.ranking.settings.judges import DrawSettings


def sample_patches(
    table: pd.DataFrame, clusters: Sequence[int], settings: DrawSettings, number: int
) -> dict[int, list[str]]:
    """Sample the patches of a round; all judges and prompts of one round see the same.

    Args:
        table: Columns patch_id and cluster.
        clusters: Clusters to sample from.
        settings: Patches a cluster, seed.
        number: Number of the round.

    Returns:
        Patch ids by cluster, sorted; all of a cluster's patches where it has no more than are asked for.

    Raises:
        TableError: If a cluster has no patch.
    """
    members = {cluster: sorted(table.loc[table["cluster"] == cluster, "patch_id"]) for cluster in clusters}
    empty = [cluster for cluster, patches in members.items() if not patches]
    if empty:
        raise TableError(f"The clusters {empty} have no patch in the table of clusters: make the clusters again.")
    return {cluster: _draw(members[cluster], settings, [settings.seed, number, cluster]) for cluster in clusters}


def _draw(patches: list[str], settings: DrawSettings, seed: list[int]) -> list[str]:
    if len(patches) <= settings.images_per_cluster:
        return patches
    drawn = np.random.default_rng(seed).choice(len(patches), settings.images_per_cluster, replace=False)
    return sorted(patches[place] for place in drawn)


def load_pictures(tiles: Sequence[Path], patches: Sequence[str], min_picture_px: int) -> dict[str, bytes]:
    """Load patches as PNG pictures.

    Args:
        tiles: Patch arrays.
        patches: Patch ids.
        min_picture_px: Smaller patches are enlarged by a whole factor, without smoothing, to at least this side.

    Returns:
        PNG by patch id.

    Raises:
        TableError: If a patch is in none of the arrays.
    """
    wanted = set(patches)
    pictures: dict[str, bytes] = {}
    for path in tiles:
        store = open_patches(path)
        places: Mapping[str, int] = {name: place for place, name in enumerate(store.index["patch_id"])}
        for name in sorted(wanted & set(places)):
            pictures[name] = as_png(enlarged(as_rgb(store.array[places[name]]), min_picture_px))
    missing = sorted(wanted - set(pictures))
    if missing:
        raise TableError(f"Patch {missing[0]} (and {len(missing) - 1} more) is in none of the patch arrays given.")
    return pictures
