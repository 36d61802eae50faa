"""Labelled patches of any number of granules, read from the mapped arrays when they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rankscape.foundation.errors import RasterError, TableError
from rankscape.models.preparation import Preparation
from rankscape.samples.patches import Patches
from rankscape.samples.places import places_of

_TOLERANCE = 1e-6


@dataclass(frozen=True)
class LabelledPatches:
    """Patches with soft labels; arrays have one entry a patch."""

    stores: tuple[Patches, ...]
    """Patch stores of the granules."""
    store: np.ndarray
    """Which of the stores holds the patch, int64, shape (n,)."""
    position: np.ndarray
    """Row of the patch in that store, int64, shape (n,)."""
    shares: np.ndarray
    """Share of each category, float32, shape (n, categories); rows sum to 1."""

    def __len__(self) -> int:
        return len(self.store)

    def take(self, chosen: np.ndarray) -> "LabelledPatches":
        """Return the patches that a mask or positions choose."""
        return replace(self, store=self.store[chosen], position=self.position[chosen], shares=self.shares[chosen])

    def pixels(self, chosen: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Read patches, store by store, since patches of different granules may differ in size.

        Args:
            chosen: Positions among these patches, int64, shape (m,).

        Returns:
            For each store that has some: places in `chosen`, and pixels of shape (places, patch_px, patch_px, bands).
        """
        owners = self.store[chosen]
        places = [np.flatnonzero(owners == number) for number in range(len(self.stores))]
        return [
            (place, self.stores[number].array[self.position[chosen[place]]])
            for number, place in enumerate(places)
            if place.size
        ]

    def pictures(self, chosen: np.ndarray, preparation: Preparation) -> Tensor:
        """Return prepared pictures, float32, shape (m, channels, input_px, input_px), in the order of `chosen`."""
        side = preparation.input_px
        pictures = torch.empty(len(chosen), preparation.channels, side, side)
        for places, pixels in self.pixels(chosen):
            pictures[torch.from_numpy(places)] = preparation.tensor(pixels)
        return pictures

    def blocks(self, block_m: float) -> np.ndarray:
        """Return the number of the block of land that holds each patch, or of the picture without coordinates.

        Returns:
            int64, shape (n,).
        """
        return places_of(self.stores, self.store, self.position, block_m)


def sample_unlabelled(patches: LabelledPatches, most: int, generator: np.random.Generator) -> LabelledPatches:
    """Draw usable patches without a label from the stores of labelled ones.

    Args:
        patches: Labelled patches; none leave every usable patch to be drawn.
        most: Patches drawn, at most.
        generator: Source of chance.

    Returns:
        Patches in the order of the stores, with shares of 0.
    """
    free = [store.index["usable"].to_numpy(bool).copy() for store in patches.stores]
    for number, mask in enumerate(free):
        mask[patches.position[patches.store == number]] = False
    rows = [np.flatnonzero(mask) for mask in free]
    store = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    drawn = np.sort(generator.permutation(len(store))[:most])
    shares = np.zeros((len(drawn), patches.shares.shape[1]), np.float32)
    return LabelledPatches(patches.stores, store[drawn], np.concatenate(rows)[drawn], shares)


def check_stores(stores: Sequence[Patches]) -> None:
    """Refuse granules that one network cannot see alike.

    Raises:
        RasterError: If granules differ in bands or pixel type.
    """
    first = stores[0]
    for store in stores:
        if (store.grid.bands, store.array.dtype) != (first.grid.bands, first.array.dtype):
            raise RasterError(
                f"Granule {_name(store)} has {store.array.dtype} patches of {list(store.grid.bands)}, {_name(first)}"
                f" has {first.array.dtype} of {list(first.grid.bands)}: make all granules with the same settings."
            )


def _name(store: Patches) -> str:
    return str(store.index["granule"].iloc[0])


def find_labelled(
    stores: Sequence[Patches], labels: pd.DataFrame, categories: Sequence[str], origin: str
) -> LabelledPatches:
    """Find the patches that labels name; those that are not usable are left out.

    Args:
        stores: Patch stores of the granules.
        labels: Column `patch_id`, and one column a category with its share.
        categories: Land categories.
        origin: File of the labels, for messages.

    Raises:
        TableError: If a label names a patch that no granule has, a patch is labelled twice, a category has no column,
            or shares do not add up to 1; the message names some.
    """
    _check_labels(labels, categories, origin)
    where = pd.concat(
        pd.DataFrame(
            {"store": number, "position": np.arange(len(store.index)), "usable": store.index["usable"].to_numpy(bool)},
            index=store.index["patch_id"].to_numpy(),
        )
        for number, store in enumerate(stores)
    )
    lost = sorted(set(labels["patch_id"]) - set(where.index))
    if lost:
        raise TableError(
            f"{origin} labels {len(lost)} patches that no granule given has, such as {', '.join(lost[:3])}: give the"
            " tiles of all granules that were labelled, or run label again."
        )
    found = where.loc[labels["patch_id"]]
    usable = found["usable"].to_numpy(bool)
    shares = labels[list(categories)].to_numpy(np.float32)
    place, position = found["store"].to_numpy(np.int64), found["position"].to_numpy(np.int64)
    return LabelledPatches(tuple(stores), place, position, shares).take(usable)


def _check_labels(labels: pd.DataFrame, categories: Sequence[str], origin: str) -> None:
    missing = [name for name in ("patch_id", *categories) if name not in labels]
    if missing:
        raise TableError(f"{origin} lacks the columns {missing}; it has {list(labels)}.")
    twice = labels.loc[labels["patch_id"].duplicated(), "patch_id"].tolist()
    if twice:
        raise TableError(f"{origin} labels {len(twice)} patches twice, such as {twice[0]}: keep one row of each.")
    shares = labels[list(categories)].to_numpy(np.float64)
    wrong = ~((shares >= 0).all(1) & (np.abs(shares.sum(1) - 1) <= _TOLERANCE))
    if wrong.any():
        raise TableError(
            f"{origin}: the shares of {labels['patch_id'].to_numpy()[wrong][0]} are"
            f" {shares[wrong][0].tolist()}; they must lie in [0, 1] and add up to 1."
        )
