"""The patches that a score model learns from: of any number of granules, read only when they are needed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from rankscape.foundation.errors import OrderError, RasterError, TableError
from rankscape.samples.patches import Patches, is_located, open_patches
from rankscape.samples.places import places_of
from rankscape.studies.ranking.scoring.targets import Targets

_COMMON_CRS = "EPSG:6933"
"""Equal-area cylindrical, one for all land; footprints of different zones meet in it."""


@dataclass(frozen=True)
class Pool:
    """Labelled patches of several granules; every array has one entry a patch, shape (n,)."""

    stores: tuple[Patches, ...]
    """Patch stores, sorted by granule; their arrays are mapped, not read."""
    store: np.ndarray
    """Which of the stores holds the patch, int64."""
    position: np.ndarray
    """Row of the patch in that store, int64."""
    cluster: np.ndarray
    """Cluster, int64."""
    level: np.ndarray
    """Level of the cluster, 0 the best, int64."""
    target: np.ndarray
    """Score that the patch should get, float32 in [0, 1]."""

    def __len__(self) -> int:
        return len(self.store)

    def ids(self) -> np.ndarray:
        """Return the id of every patch, shape (n,)."""
        known = [store.index["patch_id"].to_numpy() for store in self.stores]
        return np.array([known[store][place] for store, place in zip(self.store, self.position, strict=True)], object)

    def take(self, chosen: np.ndarray) -> "Pool":
        """Return the patches that a mask or positions choose."""
        names = ("store", "position", "cluster", "level", "target")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})

    def pixels(self, chosen: np.ndarray) -> np.ndarray:
        """Read patches from the mapped arrays.

        Args:
            chosen: Positions in the pool, int64, shape (m,).

        Returns:
            The store's type, shape (m, patch_px, patch_px, bands), in the order of `chosen`.
        """
        first = self.stores[0].array
        result = np.empty((len(chosen), *first.shape[1:]), first.dtype)
        for number in np.unique(self.store[chosen]):
            rows = np.flatnonzero(self.store[chosen] == number)
            result[rows] = self.stores[number].array[self.position[chosen[rows]]]
        return result

    def digests(self) -> np.ndarray:
        """Return a hash of every patch's bytes, shape (n,), read one patch after another; equal bytes, equal hash."""
        found = [
            hashlib.blake2b(self.stores[store].array[position].tobytes(), digest_size=16).hexdigest()
            for store, position in zip(self.store, self.position, strict=True)
        ]
        return np.array(found, dtype="U32")

    def places(self, block_m: float) -> np.ndarray:
        """Return the number of the block of land that holds each patch, or of the picture without coordinates.

        Returns:
            int64, shape (n,); negative for pictures without coordinates (`tiles.blocks.places_of`).
        """
        return places_of(self.stores, self.store, self.position, block_m)

    def footprints(self) -> gpd.GeoSeries:
        """Return the patches' footprints in one CRS for all granules; empty for pictures without coordinates."""
        parts = [_footprints(store) for store in self.stores]
        shapes = [parts[store][position] for store, position in zip(self.store, self.position, strict=True)]
        return gpd.GeoSeries(shapes, crs=_COMMON_CRS)


def open_pool(tiles: Sequence[Path], clusters: pd.DataFrame, targets: Targets) -> Pool:
    """Open the clustered patches of all granules; the order of `tiles` does not matter.

    Args:
        tiles: Patch arrays, a granule each.
        clusters: Columns `patch_id`, `cluster`; patches that it lacks (unusable, or seen in another granule) are
            left out.
        targets: Target of every cluster.

    Raises:
        OrderError: If a cluster of the order has no patches.
        RasterError: If granules differ in bands, pixel type or patch size.
        TableError: If `clusters` names patches that no granule has, or a granule is given twice.
    """
    stores = tuple(sorted((open_patches(path) for path in tiles), key=lambda store: str(store.index.granule.iloc[0])))
    _check_stores(stores)
    where = _places(stores)
    lost = sorted(set(clusters.patch_id) - set(where.index))
    if lost:
        raise TableError(
            f"The clusters name {len(lost)} patches that no granule given has, such as {lost[0]}: give the tiles of "
            "all granules that were clustered."
        )
    found = where.loc[clusters.patch_id].assign(cluster=clusters.cluster.to_numpy(np.int64))
    found = found.sort_values(["store", "position"], kind="stable")
    _check_clusters(found.cluster.to_numpy(), targets)
    labels = found.cluster.to_numpy(np.int64)
    return Pool(
        stores,
        found.store.to_numpy(np.int64),
        found.position.to_numpy(np.int64),
        labels,
        np.array([targets.level[c] for c in labels], np.int64),
        np.array([targets.target[c] for c in labels], np.float32),
    )


def limited(pool: Pool, per_cluster: int | None, generator: np.random.Generator) -> Pool:
    """Keep at most so many patches of each cluster, drawn by chance; None keeps all. The pool's order stays."""
    if per_cluster is None:
        return pool
    kept = [
        generator.permutation(np.flatnonzero(pool.cluster == cluster))[:per_cluster]
        for cluster in np.unique(pool.cluster)
    ]
    return pool.take(np.sort(np.concatenate(kept)))


def _footprints(store: Patches) -> np.ndarray:
    if not is_located(store.index):
        return np.full(len(store.index), shapely.Polygon())
    shapes: np.ndarray = store.index.geometry.to_crs(_COMMON_CRS).to_numpy()
    return shapes


def _places(stores: Sequence[Patches]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"store": number, "position": np.arange(len(store.index))}, index=store.index.patch_id.to_numpy())
        for number, store in enumerate(stores)
    ]
    return pd.concat(parts)


def _check_stores(stores: Sequence[Patches]) -> None:
    names = [str(store.index.granule.iloc[0]) for store in stores]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise TableError(f"The tiles of {doubled} are given twice: give each granule once.")
    first = stores[0]
    for name, store in zip(names, stores, strict=True):
        if store.grid.bands != first.grid.bands or store.array.dtype != first.array.dtype:
            raise RasterError(
                f"The patches of {name} are {store.array.dtype} of {list(store.grid.bands)}, those of {names[0]} "
                f"{first.array.dtype} of {list(first.grid.bands)}: compose all granules with the same settings."
            )
        if store.grid.patch_px != first.grid.patch_px:
            raise RasterError(
                f"The patches of {name} are {store.grid.patch_px} px wide, those of {names[0]} "
                f"{first.grid.patch_px} px: cut all granules with the same tile.patch_px."
            )


def _check_clusters(labels: np.ndarray, targets: Targets) -> None:
    empty = sorted(set(targets.target) - set(labels.tolist()))
    if empty:
        raise OrderError(
            f"The order ranks the clusters {empty}, which have no patches: run cluster and ensemble again."
        )
    strange = sorted(set(labels.tolist()) - set(targets.target))
    if strange:
        raise OrderError(f"Patches lie in the clusters {strange}, which the order does not rank: run ensemble again.")
