"""Training and validation never share a place, a footprint or a picture.

Neighbouring patches look alike. A split by patch would validate on what was trained and stop too late; so whole blocks
of land, larger than the correlation length, are held out. Of pictures without coordinates nobody knows the neighbours:
they are held out one by one, a share of each cluster, those of the same bytes together.
"""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely

from rankscape.foundation.errors import SettingsError
from rankscape.studies.ranking.scoring.pool import Pool

_DRAWS = 500
"""Draws of blocks that are compared; the best is taken."""
_TOUCHING = 1e-3
"""Footprints that share a smaller part of their area only touch: reprojected edges differ in the last digits."""


@dataclass(frozen=True)
class Split:
    """The two sides of a pool, and what was dropped between them."""

    training: np.ndarray
    """Positions of the patches trained on, int64, ascending."""
    validation: np.ndarray
    """Positions of the patches held out, int64, ascending."""
    training_blocks: int
    """Blocks of land with training patches."""
    validation_blocks: int
    """Blocks of land held out."""
    overlapping: int
    """Patches left out of training because their footprint overlaps a held-out one."""
    identical: int
    """Patches left out of training because a held-out patch has the same bytes."""
    places: str = "blocks of land"
    """What `training_blocks` and `validation_blocks` count: blocks of land, pictures, or both."""


def split_by_place(pool: Pool, block_m: float, fraction: float, generator: np.random.Generator) -> Split:
    """Hold out blocks of land for validation, and of pictures without coordinates a share of each cluster.

    Args:
        pool: Labelled patches.
        block_m: Side of the square blocks.
        fraction: Share of the patches that should be held out; whole blocks come as near as they can.
        generator: Source of chance.

    Raises:
        SettingsError: If all patches lie in one block, or none is left to train on.
    """
    blocks = pool.places(block_m)
    held_out = np.isin(blocks, _choose(pool, blocks, block_m, fraction, generator))
    candidates, validation = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    footprints, digests = pool.footprints(), pool.digests()
    overlapping = overlaps(footprints.iloc[candidates], footprints.iloc[validation])
    identical = np.isin(digests[candidates], digests[validation]) & ~overlapping
    training = candidates[~overlapping & ~identical]
    if len(np.unique(pool.level[training])) < 2:
        raise SettingsError(
            f"train.block_m = {block_m:g} and train.validation_fraction = {fraction:g} leave patches of fewer than two "
            f"levels to train on ({len(training)} of {len(pool)} patches): lower one of the two."
        )
    sides = len(np.unique(blocks[training])), len(np.unique(blocks[validation]))
    dropped = int(overlapping.sum()), int(identical.sum())
    return Split(training, validation, *sides, *dropped, places=_kinds(blocks))


def _choose(
    pool: Pool, blocks: np.ndarray, block_m: float, fraction: float, generator: np.random.Generator
) -> np.ndarray:
    """Choose the places that are held out, of land and of pictures each by its own rule."""
    land, pictures = np.flatnonzero(blocks >= 0), np.flatnonzero(blocks < 0)
    chosen = [np.zeros(0, np.int64)]
    if land.size:
        chosen.append(choose_blocks(blocks[land], pool.level[land], pool.cluster[land], block_m, fraction, generator))
    if pictures.size:
        chosen.append(choose_pictures(blocks[pictures], pool.cluster[pictures], fraction, generator))
    return np.concatenate(chosen)


def _kinds(blocks: np.ndarray) -> str:
    kinds = (("blocks of land", blocks >= 0), ("pictures", blocks < 0))
    return " and ".join(name for name, has in kinds if has.any())


def choose_pictures(
    pictures: np.ndarray, clusters: np.ndarray, fraction: float, generator: np.random.Generator
) -> np.ndarray:
    """Choose the pictures that are held out: a share of each cluster, one at least where it has two or more.

    Args:
        pictures: Number of every patch's picture, shape (n,); the same bytes have the same number.
        clusters: Cluster of every patch, shape (n,).
        fraction: Share of each cluster's pictures to hold out.
        generator: Source of chance.

    Returns:
        Numbers of the held-out pictures.
    """
    numbers, first = np.unique(pictures, return_index=True)
    held = [np.zeros(0, np.int64)]
    for cluster in np.unique(clusters):
        # A picture that lies in two clusters by mistake counts in the one that comes first.
        own = generator.permutation(numbers[clusters[first] == cluster])
        count = min(max(round(fraction * len(own)), 1), len(own) - 1)
        held.append(own[: max(count, 0)])
    return np.concatenate(held)


def choose_blocks(
    blocks: np.ndarray,
    levels: np.ndarray,
    clusters: np.ndarray,
    block_m: float,
    fraction: float,
    generator: np.random.Generator,
) -> np.ndarray:
    """Choose the blocks that are held out.

    Of many random draws, each cut where its share of the patches comes nearest to `fraction`, the best is taken: no
    level missing from training, then no cluster, then no level missing from validation, then the nearest share.

    Args:
        blocks: Block of every patch, shape (n,).
        levels: Level of every patch, shape (n,).
        clusters: Cluster of every patch, shape (n,).
        block_m: Side of the blocks, for the message.
        fraction: Share of the patches to hold out.
        generator: Source of chance.

    Returns:
        Numbers of the held-out blocks, ascending.

    Raises:
        SettingsError: If there are fewer than two blocks.
    """
    numbers, inverse, sizes = np.unique(blocks, return_inverse=True, return_counts=True)
    if len(numbers) < 2:
        raise SettingsError(
            f"train.block_m = {block_m:g} puts all {len(blocks)} patches into one block of land, so none can be held "
            "out for validation: lower train.block_m."
        )
    of_level, of_cluster = _table(inverse, levels), _table(inverse, clusters)
    best: tuple[tuple[float, ...], np.ndarray] | None = None
    for _ in range(_DRAWS):
        drawn = generator.permutation(len(numbers))
        distance = np.abs(np.cumsum(sizes[drawn])[:-1] / len(blocks) - fraction)
        held = drawn[: int(distance.argmin()) + 1]
        kept = np.setdiff1d(drawn, held)
        cost = (_missing(of_level, kept), _missing(of_cluster, kept), _missing(of_level, held), float(distance.min()))
        if best is None or cost < best[0]:
            best = cost, held
    assert best is not None
    return np.sort(numbers[best[1]])


def overlaps(candidates: gpd.GeoSeries, held_out: gpd.GeoSeries) -> np.ndarray:
    """Say of every candidate whether its footprint overlaps one of the held-out footprints; touching does not count.

    Returns:
        bool, shape (candidates,).
    """
    theirs, own = held_out.to_numpy(), candidates.to_numpy()
    pairs = shapely.STRtree(theirs).query(own, predicate="intersects")
    shared = shapely.area(shapely.intersection(own[pairs[0]], theirs[pairs[1]]))
    smaller = np.minimum(shapely.area(own[pairs[0]]), shapely.area(theirs[pairs[1]]))
    result = np.zeros(len(own), bool)
    result[pairs[0][shared > _TOUCHING * smaller]] = True
    return result


def _table(inverse: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Say which groups each block holds, bool, shape (blocks, groups)."""
    names, columns = np.unique(groups, return_inverse=True)
    table = np.zeros((inverse.max() + 1, len(names)), bool)
    table[inverse, columns] = True
    return table


def _missing(table: np.ndarray, chosen: np.ndarray) -> int:
    return int((~table[chosen].any(axis=0)).sum())
