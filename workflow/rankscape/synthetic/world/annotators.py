"""Land categories that simulated annotators gave to patches; they see only what is there, and err now and then."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rankscape.foundation.files import write_bytes
from rankscape.synthetic.settings import SimulateSettings
from rankscape.synthetic.world.simulation import World
from rankscape.synthetic.world.world_grid import FIT, WorldGrid

CATEGORIES = ("urban", "rural", "highland", "uninhabited")
_CARELESS = 0.03
"""Share of answers given without looking."""
_EYE = 0.06
"""Standard deviation of an annotator's estimate of a share of a patch."""


@dataclass(frozen=True)
class Contents:
    """What the patches of one granule hold: shares of each patch, row-major, shape (patches,)."""

    built: np.ndarray
    farmed: np.ndarray
    highland: np.ndarray
    grazed: np.ndarray
    roads: np.ndarray


def contents(world: World, layout: WorldGrid, granule: str, patch_px: int) -> Contents:
    """Measure what every patch of a granule truly holds."""
    window = layout.window(granule)
    shares = (world.built, world.farmed, world.highland, world.grazed, world.roads)
    return Contents(*(_patch_means(share[window], patch_px) for share in shares))


def _patch_means(values: np.ndarray, patch_px: int) -> np.ndarray:
    rows, cols = (side // patch_px for side in values.shape)
    cut = values[: rows * patch_px, : cols * patch_px].reshape(rows, patch_px, cols, patch_px)
    return np.asarray(cut.mean((1, 3), dtype=np.float64).ravel())


def annotate(seen: Contents, annotators: int, chance: np.random.Generator) -> np.ndarray:
    """Let annotators name the category of every patch.

    Urban is a patch of which settlement covers most; highland is grassland of the plateaus; rural is land with fields,
    houses or roads; uninhabited is what shows no sign of people.

    Returns:
        Share of the annotators for each of `CATEGORIES`, float64, shape (patches, 4).
    """
    count = len(seen.built)
    shares = np.zeros((count, len(CATEGORIES)))
    for _ in range(annotators):
        built, farmed, highland, roads = (
            share + chance.normal(0, _EYE, count) * np.sqrt(share * (1 - share) + 0.01)
            for share in (seen.built, seen.farmed, seen.highland, seen.roads)
        )
        people = np.maximum(np.maximum(farmed, 3 * built), 4 * roads)
        choice = np.where(people > 0.14, 1, 3)
        choice = np.where((highland > 0.5) & (built < 0.35), 2, choice)
        choice = np.where(built > 0.42, 0, choice)
        careless = chance.random(count) < _CARELESS
        choice = np.where(careless, chance.integers(len(CATEGORIES), size=count), choice)
        shares[np.arange(count), choice] += 1 / annotators
    return shares


def write_labels(path: Path, world: World, layout: WorldGrid, settings: SimulateSettings) -> None:
    """Write the labels of patches drawn from the granules to learn from: all categories about equally often.

    Args:
        path: CSV with patch_id and one column a category; the shares of a row add up to 1.
        world: The synthetic world.
        layout: Its grid.
        settings: Patch side, number of patches, number of annotators, seed.
    """
    chance = np.random.default_rng([settings.seed, 301])
    names, shares = [], []
    for granule in FIT:
        seen = contents(world, layout, granule, settings.label_patch_px)
        cols = layout.granule_px // settings.label_patch_px
        names += [f"{granule}_{place // cols}_{place % cols}" for place in range(len(seen.built))]
        shares.append(annotate(seen, settings.annotators, chance))
    voted = np.concatenate(shares)
    drawn = _drawn(voted.argmax(1), settings.labelled_patches, chance)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["patch_id", *CATEGORIES])
    writer.writerows([names[place], *(f"{share:.6g}" for share in _exact(voted[place]))] for place in drawn)
    write_bytes(path, text.getvalue().encode())


def _exact(shares: np.ndarray) -> np.ndarray:
    """Shares with six digits that still add up to 1."""
    rounded = np.round(shares, 6)
    rounded[rounded.argmax()] += 1 - rounded.sum()
    return rounded


def _drawn(categories: np.ndarray, count: int, chance: np.random.Generator) -> list[int]:
    """Places of the patches to label, sorted: as many of each category as there are, up to an equal part."""
    queues = [list(chance.permutation(np.flatnonzero(categories == number))) for number in range(len(CATEGORIES))]
    drawn: list[int] = []
    while len(drawn) < count and any(queues):
        for queue in queues:
            if queue and len(drawn) < count:
                drawn.append(int(queue.pop()))
    return sorted(drawn)
