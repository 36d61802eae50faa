"""Square blocks, so that training and validation never share a place.

Of images without coordinates every image is a place of its own, and images of the same bytes are one place.
"""

import hashlib
from collections.abc import Sequence

import geopandas as gpd
import numpy as np

from rankscape.samples.patches import Patches, is_located
from rankscape.spatial.blocks import block_numbers
from rankscape.spatial.geometry import WGS84, centres


def block_of(indices: Sequence[gpd.GeoDataFrame], block_m: float) -> list[np.ndarray]:
    """Number the block that holds each patch's centre (`block_numbers`); the same for granules of all UTM zones.

    Args:
        indices: Patch indices, a granule each, each in its own CRS.
        block_m: Side of a block in metres.

    Returns:
        Block numbers for each index in the order given, int64, shape (patches,). Numbers are names: they are not
        consecutive.
    """
    return [block_numbers(*centres(index, WGS84), block_m) for index in indices]


def places_of(stores: Sequence[Patches], store: np.ndarray, position: np.ndarray, block_m: float) -> np.ndarray:
    """Number the place of chosen patches: their block, or of images without coordinates what they show.

    Args:
        stores: Patch stores of the granules.
        store: Which of the stores holds each patch, int64, shape (n,).
        position: Row of each patch in that store, int64, shape (n,).
        block_m: Side of a block in metres.

    Returns:
        int64, shape (n,). Blocks are not negative; images are, and have the same number where all their
        bytes are the same.
    """
    numbers = np.zeros(len(store), np.int64)
    for number, patches in enumerate(stores):
        rows = np.flatnonzero(store == number)
        if is_located(patches.index):
            numbers[rows] = block_numbers(*centres(patches.index.iloc[position[rows]], WGS84), block_m)
        else:
            numbers[rows] = [_shown(patches.array[place]) for place in position[rows]]
    return numbers


def _shown(pixels: np.ndarray) -> int:
    """A negative number that the bytes of an image decide."""
    return ~(int.from_bytes(hashlib.blake2b(pixels.tobytes(), digest_size=8).digest()) >> 1)
