"""Square blocks of land, so that what is learned and what it is tested on never share a place.

Of pictures without coordinates every picture is a place of its own, and pictures of the same bytes are one place.
"""

import hashlib
from collections.abc import Sequence

import geopandas as gpd
import numpy as np

from rankscape.samples.overlap import centres
from rankscape.samples.patches import Patches, is_located

_RADIUS_M = 6_371_007.2
"""Radius of the sphere that has the Earth's surface area (authalic; IUGG, GRS 80)."""
_ROW_BITS = 32


def block_of(indices: Sequence[gpd.GeoDataFrame], block_m: float) -> list[np.ndarray]:
    """Number the block of land that holds each patch's centre.

    The Earth is laid out in belts of latitude `block_m` high, and each belt in blocks `block_m` wide along its middle:
    blocks of equal area and nearly square (sides true within 1 % outside the polar belts), the same for granules of
    all UTM zones. A block's number depends on the place alone, not on which granules are looked at together.

    Args:
        indices: Patch indices, a granule each, each in its own CRS.
        block_m: Side of a block in metres.

    Returns:
        Block numbers for each index in the order given, int64, shape (patches,). Numbers are names: they are not
        consecutive.
    """
    return [_blocks(index, block_m) for index in indices]


def places_of(stores: Sequence[Patches], store: np.ndarray, position: np.ndarray, block_m: float) -> np.ndarray:
    """Number the place of chosen patches: their block of land, or of pictures without coordinates what they show.

    Args:
        stores: Patch stores of the granules.
        store: Which of the stores holds each patch, int64, shape (n,).
        position: Row of each patch in that store, int64, shape (n,).
        block_m: Side of a block in metres.

    Returns:
        int64, shape (n,). Blocks of land are not negative; pictures are, and have the same number where all their
        bytes are the same.
    """
    numbers = np.zeros(len(store), np.int64)
    for number, patches in enumerate(stores):
        rows = np.flatnonzero(store == number)
        if is_located(patches.index):
            numbers[rows] = _blocks(patches.index.iloc[position[rows]], block_m)
        else:
            numbers[rows] = [_shown(patches.array[place]) for place in position[rows]]
    return numbers


def _shown(pixels: np.ndarray) -> int:
    """A negative number that the bytes of a picture decide."""
    return ~(int.from_bytes(hashlib.blake2b(pixels.tobytes(), digest_size=8).digest()) >> 1)


def _blocks(index: gpd.GeoDataFrame, block_m: float) -> np.ndarray:
    if index.empty:
        return np.zeros(0, np.int64)
    longitude, latitude = (np.radians(angle) for angle in centres(index, "EPSG:4326"))
    belt = np.floor((latitude + np.pi / 2) * _RADIUS_M / block_m)
    middle = (belt + 0.5) * block_m / _RADIUS_M - np.pi / 2
    round_the_belt_m = _RADIUS_M * np.maximum(np.cos(middle), 0.0)
    column = np.floor((longitude + np.pi) * round_the_belt_m / block_m)
    number: np.ndarray = (belt.astype(np.int64) << _ROW_BITS) + column.astype(np.int64)
    return number
