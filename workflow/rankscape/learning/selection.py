"""The samples that something is learned from: of any number of stores, read from the mapped arrays when needed."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import torch
from torch import Tensor

from rankscape.foundation.errors import RasterError, TableError
from rankscape.learning.targets import TargetTable
from rankscape.models.preparation import Preparation
from rankscape.samples.patches import Patches, is_located, open_patches
from rankscape.samples.places import places_of
from rankscape.spatial.geometry import EQUAL_AREA
from rankscape.spatial.seams import moved


@dataclass(frozen=True)
class Selection:
    """Samples with their targets; arrays have one entry a sample."""

    stores: tuple[Patches, ...]
    """Patch stores of the granules; their arrays are mapped, not read."""
    store: np.ndarray
    """Which of the stores holds the sample, int64, shape (n,)."""
    position: np.ndarray
    """Row of the sample in that store, int64, shape (n,)."""
    targets: TargetTable
    """What the samples are labelled with, a row each."""

    def __len__(self) -> int:
        return len(self.store)

    @classmethod
    def bare(cls, stores: Sequence[Patches], store: np.ndarray, position: np.ndarray) -> Self:
        """Select samples without targets."""
        return cls(tuple(stores), store, position, TargetTable.none(len(store)))

    def take(self, chosen: np.ndarray) -> "Selection":
        """Return the samples that a mask or positions choose."""
        return Selection(self.stores, self.store[chosen], self.position[chosen], self.targets.take(chosen))

    def with_targets(self, targets: TargetTable) -> "Selection":
        """Return the same samples with other targets."""
        return replace(self, targets=targets)

    def by_store(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read samples store by store, since those of different granules may differ in size.

        Args:
            chosen: Positions in the selection, int64, shape (m,).

        Yields:
            For each store that has some: places in `chosen`, and pixels of shape (places, patch_px, patch_px, bands).
        """
        owners = self.store[chosen]
        for number in np.unique(owners):
            places = np.flatnonzero(owners == number)
            yield places, self.stores[number].array[self.position[chosen[places]]]

    def pixels(self, chosen: np.ndarray) -> np.ndarray:
        """Read samples of one size.

        Args:
            chosen: Positions in the selection, int64, shape (m,).

        Returns:
            The stores' type, shape (m, patch_px, patch_px, bands), in the order of `chosen`.
        """
        first = self.stores[0].array
        result = np.empty((len(chosen), *first.shape[1:]), first.dtype)
        for places, pixels in self.by_store(chosen):
            result[places] = pixels
        return result

    def images(self, chosen: np.ndarray, preparation: Preparation) -> Tensor:
        """Return prepared images, float32, shape (m, channels, input_px, input_px), in the order of `chosen`."""
        side = preparation.input_px
        images = torch.empty(len(chosen), preparation.channels, side, side)
        for places, pixels in self.by_store(chosen):
            images[torch.from_numpy(places)] = preparation.tensor(pixels)
        return images

    def ids(self) -> np.ndarray:
        """Return the id of every sample, object, shape (n,)."""
        return self._gathered([store.index["patch_id"].to_numpy(object) for store in self.stores])

    def digests(self) -> np.ndarray:
        """Return a hash of every sample's bytes, shape (n,), read one after another; equal bytes, equal hash."""
        found = [
            hashlib.blake2b(self.stores[store].array[position].tobytes(), digest_size=16).hexdigest()
            for store, position in zip(self.store, self.position, strict=True)
        ]
        return np.array(found, dtype="U32")

    def places(self, block_m: float) -> np.ndarray:
        """Return the number of the block that holds each sample, or of the image without coordinates.

        Returns:
            int64, shape (n,); negative for images without coordinates (`samples.places.places_of`).
        """
        return places_of(self.stores, self.store, self.position, block_m)

    def footprints(self) -> gpd.GeoSeries:
        """Return the footprints in one equal-area CRS for all granules; empty for images without coordinates."""
        return gpd.GeoSeries(self._gathered([_footprints(store) for store in self.stores]), crs=EQUAL_AREA)

    def _gathered(self, columns: Sequence[np.ndarray]) -> np.ndarray:
        """Put together what every store knows of its own rows, object, shape (n,)."""
        found = np.empty(len(self), object)
        for number, column in enumerate(columns):
            own = self.store == number
            found[own] = column[self.position[own]]
        return found


def _footprints(store: Patches) -> np.ndarray:
    if not is_located(store.index):
        return np.full(len(store.index), shapely.Polygon())
    shapes: np.ndarray = moved(store.index.geometry, EQUAL_AREA).to_numpy()
    return shapes


def open_stores(tiles: Sequence[Path], *, one_size: bool = False) -> tuple[Patches, ...]:
    """Open the patch stores of granules that one network sees alike; the order of `tiles` does not matter.

    Args:
        tiles: Patch arrays, a granule each.
        one_size: Whether all must be of one patch size.

    Returns:
        The stores, sorted by granule.

    Raises:
        RasterError: If granules differ in bands, pixel type or, where that matters, patch size.
        TableError: If a granule is given twice.
    """
    stores = tuple(sorted((open_patches(path) for path in tiles), key=_granule))
    names = [_granule(store) for store in stores]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise TableError(f"The tiles of {doubled} are given twice: give each granule once.")
    first = stores[0]
    for name, store in zip(names, stores, strict=True):
        if (store.grid.bands, store.array.dtype) != (first.grid.bands, first.array.dtype):
            raise RasterError(
                f"The patches of {name} are {store.array.dtype} of {list(store.grid.bands)}, those of {names[0]} "
                f"{first.array.dtype} of {list(first.grid.bands)}: make all granules with the same settings."
            )
        if one_size and store.grid.patch_px != first.grid.patch_px:
            raise RasterError(
                f"The patches of {name} are {store.grid.patch_px} px wide, those of {names[0]} "
                f"{first.grid.patch_px} px: cut all granules with the same tile.patch_px."
            )
    return stores


def _granule(store: Patches) -> str:
    return str(store.index["granule"].iloc[0])


def select(stores: Sequence[Patches], ids: "Sequence[str] | pd.Series[str]", origin: str) -> Selection:
    """Select samples by their ids, in the order given, usable or not.

    Args:
        stores: Patch stores of the granules.
        ids: Ids of patches, each once.
        origin: What names them, for messages.

    Raises:
        TableError: If an id is in no store.
    """
    where = pd.concat(
        pd.DataFrame({"store": number, "position": np.arange(len(store.index))}, index=store.index["patch_id"])
        for number, store in enumerate(stores)
    )
    lost = sorted(set(ids) - set(where.index))
    if lost:
        raise TableError(
            f"{origin} names {len(lost)} patches that no granule given has, such as {', '.join(lost[:3])}: give the"
            " tiles of all granules that it was made from."
        )
    found = where.loc[list(ids)]
    return Selection.bare(stores, found["store"].to_numpy(np.int64), found["position"].to_numpy(np.int64))


def select_usable(stores: Sequence[Patches]) -> Selection:
    """Select all usable samples, in the order of the stores.

    Raises:
        RasterError: If there are none.
    """
    found = _chosen(stores, usable_masks(stores))
    if not len(found):
        raise RasterError(
            "No patch of the tiles is usable, so there is nothing to learn from: allow more cloud, or add granules."
        )
    return found


def sample_unlabelled(labelled: Selection, most: int, generator: np.random.Generator) -> Selection:
    """Draw usable samples that a selection lacks, from its stores.

    Args:
        labelled: Labelled samples; none leave every usable one to be drawn.
        most: Samples drawn, at most.
        generator: Source of chance.

    Returns:
        Samples in the order of the stores, with every target missing.
    """
    free = usable_masks(labelled.stores)
    for number, mask in enumerate(free):
        mask[labelled.position[labelled.store == number]] = False
    rest = _chosen(labelled.stores, free)
    drawn = rest.take(np.sort(generator.permutation(len(rest))[:most]))
    return drawn.with_targets(TargetTable.none(len(drawn), labelled.targets.names))


def usable_masks(stores: Sequence[Patches]) -> list[np.ndarray]:
    """Say which samples of each store are usable, bool arrays that may be changed."""
    return [store.index["usable"].to_numpy(bool).copy() for store in stores]


def _chosen(stores: Sequence[Patches], masks: Sequence[np.ndarray]) -> Selection:
    rows = [np.flatnonzero(mask) for mask in masks]
    store = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    return Selection.bare(stores, store, np.concatenate(rows))
