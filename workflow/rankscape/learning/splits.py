"""Which samples are learned from and which are held out: at random, by group or place, in blocks, by time.

Neighbouring patches look alike. A split by patch would validate on what was trained and stop too late. So samples are
held out in groups: blocks larger than the correlation length (Roberts et al., Ecography 2017), places, times. Of images
without coordinates nobody knows the neighbours: they are held out one by one, those of the same bytes together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from sklearn.model_selection import GroupShuffleSplit

from rankscape.foundation.errors import SettingsError
from rankscape.learning.selection import Selection

_DRAWS = 500
"""Draws of blocks that are compared; the best is taken."""
_TOUCHING = 1e-3
"""Footprints that share a smaller part of their area only touch: reprojected edges differ in the last digits."""
_FEWEST_LABELS = 100
_FEWEST_BLOCKS = 5
_FEWEST_HELD = 20


@dataclass(frozen=True)
class Split:
    """The two sides, and what was dropped between them."""

    training: np.ndarray
    """Positions of the samples trained on, int64, ascending."""
    validation: np.ndarray
    """Positions of the samples held out, int64, ascending."""
    training_groups: int
    """Groups with training samples."""
    validation_groups: int
    """Groups held out."""
    overlapping: int = 0
    """Samples left out of training because their footprint overlaps a held-out one."""
    identical: int = 0
    """Samples left out of training because a held-out one has the same bytes."""
    places: str = "groups"
    """What is counted as a group: blocks, images, or both."""
    reason: str | None = None
    """Why nothing is held out; None where something is."""


def split_by_group(groups: np.ndarray, fraction: float, generator: np.random.Generator) -> Split:
    """Hold out a share of the groups, such as places; groups of one sample each make it a random split.

    Args:
        groups: Group of every sample, shape (n,); two groups at least.
        fraction: Share of the groups to hold out.
        generator: Source of chance.
    """
    seed = int(generator.integers(2**32))
    one = GroupShuffleSplit(1, test_size=fraction, random_state=seed)
    _, validation = next(one.split(groups, groups=groups))
    return _parted(groups, np.isin(np.arange(len(groups)), validation))


def split_by_time(times: np.ndarray, fraction: float) -> Split:
    """Hold out the latest times, so that nothing is learned from what comes after.

    Args:
        times: Time of every sample, shape (n,); two different ones at least. Samples of one time stay together.
        fraction: Share of the samples to hold out; whole times come as near as they can.
    """
    moments, counts = np.unique(times, return_counts=True)
    held = counts[::-1].cumsum()[:-1] / len(times)
    return _parted(times, times >= moments[-1 - int(np.abs(held - fraction).argmin())])


def split_by_block(
    samples: Selection,
    block_m: float,
    fraction: float,
    generator: np.random.Generator,
    strata: Mapping[str, np.ndarray],
    section: str,
) -> Split:
    """Hold out blocks, and of images without coordinates a share of each stratum; nothing is shared by both sides.

    Training samples whose footprint overlaps a held-out one, or whose bytes are the same, are left out.

    Args:
        samples: All samples.
        block_m: Side of the square blocks.
        fraction: Share of the samples that should be held out; whole blocks come as near as they can.
        generator: Source of chance.
        strata: What must stay in training, the most important first: stratum of every sample, by name. Images are
            held out from each stratum of the last.
        section: Section of the settings, for messages.

    Raises:
        SettingsError: If all samples lie in one block, or fewer than two strata are left to train on.
    """
    blocks = samples.places(block_m)
    held_out = np.isin(blocks, _choose(blocks, list(strata.values()), block_m, fraction, generator, section))
    candidates, validation = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    footprints, digests = samples.footprints(), samples.digests()
    overlapping = overlaps(footprints.iloc[candidates], footprints.iloc[validation])
    identical = np.isin(digests[candidates], digests[validation]) & ~overlapping
    training = candidates[~overlapping & ~identical]
    name, needed = next(iter(strata.items()))
    if len(np.unique(needed[training])) < 2:
        raise SettingsError(
            f"{section}.block_m = {block_m:g} and {section}.validation_fraction = {fraction:g} leave patches of fewer "
            f"than two {name} to train on ({len(training)} of {len(samples)} patches): lower one of the two."
        )
    sides = len(np.unique(blocks[training])), len(np.unique(blocks[validation]))
    dropped = int(overlapping.sum()), int(identical.sum())
    return Split(training, validation, *sides, *dropped, places=_kinds(blocks))


def split_by_few_blocks(samples: Selection, block_m: float, fraction: float, generator: np.random.Generator) -> Split:
    """Hold out blocks until about `fraction` of the samples lie in them, where there are enough to spare some.

    Blocks that alone would hold out more than twice the share are passed over. Nothing is held out where samples or
    blocks are too few, or where a target would be left without a sample above 0 to learn from.
    """
    if fraction == 0:
        return _whole(samples, "held_out_fraction is 0")
    if len(samples) < _FEWEST_LABELS:
        return _whole(samples, f"{len(samples)} labels; {_FEWEST_LABELS} are needed to hold some out")
    block = samples.places(block_m)
    names = generator.permutation(np.unique(block))
    if len(names) < _FEWEST_BLOCKS:
        reason = f"{len(names)} blocks of {block_m:g} m; {_FEWEST_BLOCKS} are needed to hold some out"
        return _whole(samples, reason)
    held = np.isin(block, _first_fitting(block, names, fraction * len(samples)))
    if held.sum() < _FEWEST_HELD:
        return _whole(samples, f"no choice of blocks of {block_m:g} m holds out about {fraction:g} of the labels")
    values = samples.targets.values
    if (values.sum(0) > 0).sum() > (values[~held].sum(0) > 0).sum():
        return _whole(samples, "a category stands only in the blocks drawn to be held out")
    return _parted(block, held)


def _parted(groups: np.ndarray, held: np.ndarray) -> Split:
    sides = len(np.unique(groups[~held])), len(np.unique(groups[held]))
    return Split(np.flatnonzero(~held), np.flatnonzero(held), *sides)


def _whole(samples: Selection, reason: str) -> Split:
    return Split(np.arange(len(samples)), np.arange(0), 0, 0, reason=reason)


def _first_fitting(block: np.ndarray, names: np.ndarray, wanted: float) -> list[int]:
    chosen: list[int] = []
    held = 0
    for name in names.tolist():
        size = int((block == name).sum())
        if held < wanted and held + size <= 2 * wanted:
            chosen.append(name)
            held += size
    return chosen


def _choose(
    blocks: np.ndarray,
    strata: list[np.ndarray],
    block_m: float,
    fraction: float,
    generator: np.random.Generator,
    section: str,
) -> np.ndarray:
    """Choose the places that are held out, of blocks and of images each by its own rule."""
    land, images = np.flatnonzero(blocks >= 0), np.flatnonzero(blocks < 0)
    chosen = [np.zeros(0, np.int64)]
    if land.size:
        own = [stratum[land] for stratum in strata]
        chosen.append(choose_blocks(blocks[land], own, block_m, fraction, generator, section))
    if images.size:
        chosen.append(choose_images(blocks[images], strata[-1][images], fraction, generator))
    return np.concatenate(chosen)


def _kinds(blocks: np.ndarray) -> str:
    kinds = (("blocks", blocks >= 0), ("images", blocks < 0))
    return " and ".join(name for name, has in kinds if has.any())


def choose_images(
    images: np.ndarray, strata: np.ndarray, fraction: float, generator: np.random.Generator
) -> np.ndarray:
    """Choose the images that are held out: a share of each stratum, one at least where it has two or more.

    Args:
        images: Number of every sample's image, shape (n,); the same bytes have the same number.
        strata: Stratum of every sample, shape (n,).
        fraction: Share of each stratum's images to hold out.
        generator: Source of chance.

    Returns:
        Numbers of the held-out images.
    """
    numbers, first = np.unique(images, return_index=True)
    held = [np.zeros(0, np.int64)]
    for stratum in np.unique(strata):
        # An image that lies in two strata by mistake counts in the one that comes first.
        own = generator.permutation(numbers[strata[first] == stratum])
        count = min(max(round(fraction * len(own)), 1), len(own) - 1)
        held.append(own[: max(count, 0)])
    return np.concatenate(held)


def choose_blocks(
    blocks: np.ndarray,
    strata: list[np.ndarray],
    block_m: float,
    fraction: float,
    generator: np.random.Generator,
    section: str = "train",
) -> np.ndarray:
    """Choose the blocks that are held out.

    Of many random draws, each cut where its share of the samples comes nearest to `fraction`, the best is taken: no
    stratum of the first kind missing from training, then none of the next, then none of the first missing from
    validation, then the nearest share. No splitter of scikit-learn keeps every class in training.

    Args:
        blocks: Block of every sample, shape (n,).
        strata: Stratum of every sample, shape (n,) each, the most important first.
        block_m: Side of the blocks, for the message.
        fraction: Share of the samples to hold out.
        generator: Source of chance.
        section: Section of the settings, for the message.

    Returns:
        Numbers of the held-out blocks, ascending.

    Raises:
        SettingsError: If there are fewer than two blocks.
    """
    numbers, inverse, sizes = np.unique(blocks, return_inverse=True, return_counts=True)
    if len(numbers) < 2:
        raise SettingsError(
            f"{section}.block_m = {block_m:g} puts all {len(blocks)} patches into one block, so none can be "
            f"held out for validation: lower {section}.block_m."
        )
    tables = [_table(inverse, stratum) for stratum in strata]
    best: tuple[tuple[float, ...], np.ndarray] | None = None
    for _ in range(_DRAWS):
        drawn = generator.permutation(len(numbers))
        distance = np.abs(np.cumsum(sizes[drawn])[:-1] / len(blocks) - fraction)
        held = drawn[: int(distance.argmin()) + 1]
        kept = np.setdiff1d(drawn, held)
        lost = [_missing(table, kept) for table in tables]
        cost = (*lost, _missing(tables[0], held), float(distance.min()))
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
