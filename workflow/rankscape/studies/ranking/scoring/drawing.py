"""Which places a ridge regression learns from, which it is checked on in turn, and how much every patch counts."""

from dataclasses import dataclass

import numpy as np

from rankscape.foundation.errors import SettingsError
from rankscape.learning.ridge import FOLDS
from rankscape.studies.ranking.scoring.sampling import Balance


@dataclass(frozen=True)
class Draw:
    """What one fit does with each patch; patches of one place always share their part."""

    parts: np.ndarray
    """Part of the cross-validation, int64, shape (n,)."""
    weights: np.ndarray
    """How often the patch counts, float64, shape (n,); 0 for places that were not drawn."""
    places: int
    """Different places that were drawn."""

    @property
    def patches(self) -> int:
        """Number of patches that count."""
        return int((self.weights > 0).sum())


def draw_places(
    places: np.ndarray,
    levels: np.ndarray,
    weights: np.ndarray,
    generator: np.random.Generator,
    resample: bool,
    block_m: float,
) -> Draw:
    """Draw places, and share them among the parts of the cross-validation.

    Places, not patches, are drawn with replacement (Efron 1979; in blocks, as neighbours are not independent: Künsch
    1989), as many as there are, until there are two of them and two levels.

    Args:
        places: Place of every patch, shape (n,).
        levels: Level of every patch, shape (n,); two at least.
        weights: How much every patch counts, shape (n,).
        generator: Source of chance.
        resample: Whether places are drawn with replacement; else each is taken once.
        block_m: Side of the blocks of land, for the message.

    Raises:
        SettingsError: If all patches lie in one place.
    """
    numbers, inverse = np.unique(places, return_inverse=True)
    if len(numbers) < 2:
        raise SettingsError(
            f"train.block_m = {block_m:g} puts all {len(places)} patches to train on into one block of land, so the "
            "penalty of the ridge cannot be chosen by place: lower train.block_m."
        )
    times = np.ones(len(numbers), np.int64)
    while resample:
        times = np.bincount(generator.integers(len(numbers), size=len(numbers)), minlength=len(numbers))
        if (times > 0).sum() > 1 and len(np.unique(levels[times[inverse] > 0])) > 1:
            break
    drawn = np.flatnonzero(times)
    part = np.zeros(len(numbers), np.int64)
    part[drawn] = even_parts(np.bincount(inverse, minlength=len(numbers))[drawn] * times[drawn], generator)
    return Draw(part[inverse], weights * times[inverse], len(drawn))


def even_parts(sizes: np.ndarray, generator: np.random.Generator, parts: int = FOLDS) -> np.ndarray:
    """Share groups among parts: the largest first, each to the part that has the least, equal ones by chance.

    Args:
        sizes: Members of each group, shape (groups,).
        generator: Source of chance.
        parts: Number of parts; fewer groups make fewer.

    Returns:
        Part of each group, int64, shape (groups,).
    """
    shuffled = generator.permutation(len(sizes))
    filled, part = np.zeros(parts), np.zeros(len(sizes), np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")].tolist():
        part[group] = filled.argmin()
        filled[part[group]] += sizes[group]
    return part


def shares(clusters: np.ndarray, levels: np.ndarray, balance: Balance) -> np.ndarray:
    """Return how much every patch counts, as `sampling.epoch_order` shows it: float64, shape (n,), mean 1.

    Args:
        clusters: Cluster of every patch, shape (n,).
        levels: Level of every patch, shape (n,).
        balance: What counts alike: levels (and in each its clusters), clusters, or patches.
    """
    if balance == "patches":
        return np.ones(len(clusters))
    weights: np.ndarray = 1 / _count(clusters)
    if balance == "levels":
        weights = weights / _clusters_beside(clusters, levels)
    return np.asarray(weights * (len(weights) / weights.sum()))


def _count(groups: np.ndarray) -> np.ndarray:
    """Number of members that the group of every patch has."""
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    found: np.ndarray = counts[inverse]
    return found


def _clusters_beside(clusters: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Number of clusters in the level of every patch."""
    names, inverse = np.unique(levels, return_inverse=True)
    found: np.ndarray = np.array([len(np.unique(clusters[levels == level])) for level in names])[inverse]
    return found
