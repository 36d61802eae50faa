"""Blocks of a region: how wide they are, which block holds a place, and the block bootstrap.

Neighbouring places are alike, so that resampling places one by one gives intervals that are far too narrow. Resampling
whole blocks keeps the spatial autocorrelation within a block (Künsch 1989; for spatial data Lahiri 2003).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rankscape.spatial.variogram import Variogram

FALLBACK_BLOCK_M = 20_000.0
"""Side of the blocks where no range is found."""
_NARROWER = 0.9
"""Factor by which a block that leaves too few blocks is made narrower, until there are enough."""
_RADIUS_M = 6_371_007.2
"""Radius of the sphere that has the Earth's surface area (authalic; IUGG, GRS 80)."""
_ROW_BITS = 32
_CHUNK = 256
"""Draws of which the block counts are held at a time."""


def block_numbers(longitude: np.ndarray, latitude: np.ndarray, block_m: float) -> np.ndarray:
    """Number the block that holds each place.

    The Earth is divided into belts of latitude `block_m` high, and each belt into blocks `block_m` wide along its
    middle: blocks of equal area and nearly square (sides true within 1 % outside the polar belts). A block's number
    depends on the place alone, not on which places are looked at together.

    Args:
        longitude: Degrees, shape (n,).
        latitude: Degrees, shape (n,).
        block_m: Side of a block in metres.

    Returns:
        Numbers, not negative, int64, shape (n,). They are names: they are not consecutive.
    """
    east, north = np.radians(longitude), np.radians(latitude)
    belt = np.floor((north + np.pi / 2) * _RADIUS_M / block_m)
    middle = (belt + 0.5) * block_m / _RADIUS_M - np.pi / 2
    round_the_belt_m = _RADIUS_M * np.maximum(np.cos(middle), 0.0)
    column = np.floor((east + np.pi) * round_the_belt_m / block_m)
    return np.asarray((belt.astype(np.int64) << _ROW_BITS) + column.astype(np.int64))


@dataclass(frozen=True)
class BlockChoice:
    """The side of the blocks, and where it comes from."""

    block_m: float
    origin: Literal["given", "variogram", "bounded", "fallback"]
    """Given in the settings; the range of the variogram; narrower, so that blocks enough remain; or no range known."""
    note: str | None = None
    """What a reader must know of it."""


def choose_block(
    reference: Variogram | None,
    predictor: Variogram | None,
    spacing_m: float,
    count: Callable[[float], int],
    min_blocks: int,
) -> BlockChoice:
    """Take the larger practical range of a reference and a predictor as the side of the blocks.

    Args:
        reference: Variogram of the reference.
        predictor: Variogram of the predictor.
        spacing_m: Distance of neighbouring places; blocks are no narrower.
        count: How many blocks of a side hold places.
        min_blocks: Fewest blocks; wider ranges give narrower blocks, with a note.
    """
    ranges = [one.range_m for one in (reference, predictor) if one is not None]
    if not ranges:
        note = f"no range can be fitted, so blocks are {FALLBACK_BLOCK_M:g} m wide"
        return BlockChoice(FALLBACK_BLOCK_M, "fallback", note)
    spacing_m = _rounded(spacing_m)
    wanted = _rounded(max(*ranges, spacing_m))
    side = wanted
    while count(side) < min_blocks and side > spacing_m:
        side = max(_rounded(side * _NARROWER), spacing_m)
    if side == wanted:
        return BlockChoice(side, "variogram")
    note = (
        f"spatial autocorrelation reaches {_rounded(wanted):g} m, but blocks so wide would be fewer than {min_blocks}"
    )
    return BlockChoice(side, "bounded", note)


def _rounded(metres: float) -> float:
    """Three digits, downwards: no one knows a range more closely."""
    digits = 2 - int(np.floor(np.log10(metres)))
    return round(float(np.floor(metres * 10.0**digits * (1 + 1e-12)) * 10.0**-digits), max(digits, 0))


def effective_blocks(blocks: np.ndarray) -> float:
    """Blocks of equal size that would weigh as much: one over the sum of their squared shares of the places."""
    _, counts = np.unique(blocks, return_counts=True)
    return float(counts.sum() ** 2 / (counts**2).sum())


def block_bootstrap(statistic: Callable[[np.ndarray], np.ndarray], blocks: int, draws: int, seed: int) -> np.ndarray:
    """Compute a statistic of resampled blocks: as many as there are, drawn with replacement.

    Args:
        statistic: From how often each block is drawn, float64, shape (some draws, blocks), to the statistic of each
            draw, shape (some draws, ...). A place counts as often as its block was drawn.
        blocks: Number of blocks.
        draws: Number of draws.
        seed: Seed of the draws.

    Returns:
        Shape (draws, ...). Equal blocks, draws and seed give the same draws, so that statistics can be compared draw
        by draw.
    """
    generator = np.random.default_rng([seed, blocks])
    sizes = [min(_CHUNK, draws - start) for start in range(0, draws, _CHUNK)]
    equal = np.full(blocks, 1 / blocks)
    return np.concatenate(
        [statistic(generator.multinomial(blocks, equal, size=size).astype(np.float64)) for size in sizes]
    )
