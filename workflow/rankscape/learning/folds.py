"""Parts of a cross-validation: at random, by group, place or block, with even strata, by time, or of a resampling.

A part is a number for every sample; whoever validates holds out one part after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from rankscape.foundation.errors import SettingsError

FOLDS = 5
"""Parts of a cross-validation."""


def random_folds(samples: int, generator: np.random.Generator, parts: int = FOLDS) -> np.ndarray:
    """Draw the part of each sample, int64, shape (samples,); parts are equally large, give or take one."""
    return generator.permutation(np.arange(samples) % parts)


def group_folds(groups: np.ndarray, generator: np.random.Generator, parts: int = FOLDS) -> np.ndarray:
    """Share groups, such as blocks or places, among parts of about the same size; int64, shape (n,).

    Args:
        groups: Group of every sample, shape (n,).
        generator: Source of chance.
        parts: Number of parts; fewer groups make fewer.
    """
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return even_parts(sizes, generator, parts)[inverse]


def stratified_folds(
    groups: np.ndarray, strata: np.ndarray, generator: np.random.Generator, parts: int = FOLDS
) -> np.ndarray:
    """Share groups among parts in which every stratum has about the same share; int64, shape (n,).

    Args:
        groups: Group of every sample, shape (n,); as many as parts at least.
        strata: Stratum of every sample, such as its class, shape (n,).
        generator: Source of chance.
        parts: Number of parts.
    """
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=int(generator.integers(2**32)))
    found = np.zeros(len(groups), np.int64)
    for part, (_, held) in enumerate(folds.split(groups, strata, groups)):
        found[held] = part
    return found


def time_folds(times: np.ndarray, parts: int = FOLDS) -> np.ndarray:
    """Cut time into parts of equally many moments, the earliest first; int64, shape (n,).

    Args:
        times: Time of every sample, shape (n,); samples of one time share a part.
        parts: Number of parts; fewer times make fewer.
    """
    moments, inverse = np.unique(times, return_inverse=True)
    return (np.arange(len(moments)) * min(parts, len(moments)) // len(moments))[inverse]


def even_parts(
    sizes: np.ndarray, generator: np.random.Generator, parts: int = FOLDS, shares: Sequence[float] | None = None
) -> np.ndarray:
    """Share groups among parts: the largest first, each to the part that has the least, equal ones by chance.

    scikit-learn's GroupKFold does this without chance, or draws without regard to sizes.

    Args:
        sizes: Members of each group, shape (groups,).
        generator: Source of chance.
        parts: Number of parts; fewer groups make fewer.
        shares: How large each part should be compared with the others, shape (parts,); None: all alike.

    Returns:
        Part of each group, int64, shape (groups,).
    """
    shuffled, wanted = generator.permutation(len(sizes)), np.ones(parts) if shares is None else np.asarray(shares)
    filled, part = np.zeros(parts), np.zeros(len(sizes), np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")].tolist():
        part[group] = (filled / wanted).argmin()
        filled[part[group]] += sizes[group]
    return part


@dataclass(frozen=True)
class Resample:
    """What one fit does with each sample; samples of one place always share their part."""

    parts: np.ndarray
    """Part of the cross-validation, int64, shape (n,)."""
    weights: np.ndarray
    """How often the sample counts, float64, shape (n,); 0 for places that were not drawn."""
    places: int
    """Different places that were drawn."""

    @property
    def samples(self) -> int:
        """Number of samples that count."""
        return int((self.weights > 0).sum())


def resample_places(
    places: np.ndarray,
    levels: np.ndarray,
    weights: np.ndarray,
    generator: np.random.Generator,
    *,
    replace: bool,
    block_m: float,
) -> Resample:
    """Draw places, and share them among the parts of the cross-validation.

    Places, not samples, are drawn with replacement (Efron 1979; in blocks, as neighbours are not independent: Künsch
    1989), as many as there are, until there are two of them and two levels.

    Args:
        places: Place of every sample, shape (n,).
        levels: Level of every sample, shape (n,); two at least.
        weights: How much every sample counts, shape (n,).
        generator: Source of chance.
        replace: Whether places are drawn with replacement; else each is taken once.
        block_m: Side of the blocks, for the message.

    Raises:
        SettingsError: If all samples lie in one place.
    """
    numbers, inverse = np.unique(places, return_inverse=True)
    if len(numbers) < 2:
        raise SettingsError(
            f"train.block_m = {block_m:g} puts all {len(places)} patches to train on into one block, so the "
            "penalty of the ridge cannot be chosen by place: lower train.block_m."
        )
    times = np.ones(len(numbers), np.int64)
    while replace:
        times = np.bincount(generator.integers(len(numbers), size=len(numbers)), minlength=len(numbers))
        if (times > 0).sum() > 1 and len(np.unique(levels[times[inverse] > 0])) > 1:
            break
    drawn = np.flatnonzero(times)
    part = np.zeros(len(numbers), np.int64)
    part[drawn] = even_parts(np.bincount(inverse, minlength=len(numbers))[drawn] * times[drawn], generator)
    return Resample(part[inverse], weights * times[inverse], len(drawn))


def checkerboard(
    x: np.ndarray, y: np.ndarray, width: float, origin: tuple[float, float], offset: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Colour the squares of a checkerboard; int64, 0 or 1, shape (n,).

    Rolf et al. (2021) train on one colour and test on the other, for boards of growing squares: what is lost as squares
    grow is what near training places had told.

    Args:
        x: Longitudes in degrees, or eastings in metres, shape (n,).
        y: Latitudes, or northings, shape (n,).
        width: Side of a square, in the same unit.
        origin: Where the board begins, x and y.
        offset: By how much it is moved, x and y.
    """
    rows = np.floor((y - origin[1] + offset[1]) / width)
    cols = np.floor((x - origin[0] + offset[0]) / width)
    return ((rows - cols) % 2).astype(np.int64)
