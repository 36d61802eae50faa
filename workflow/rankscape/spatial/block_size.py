"""How wide the blocks of land are that the bootstrap draws: as wide as places resemble each other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from rankscape.spatial.variogram import Variogram

_NARROWER = 0.9
"""Factor by which a block that leaves too few blocks is made narrower, until there are enough."""

FALLBACK_BLOCK_M = 20_000.0
"""Side of the blocks where no range is found."""


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
    score: Variogram | None,
    spacing_m: float,
    count: Callable[[float], int],
    min_blocks: int,
) -> BlockChoice:
    """Take the larger practical range of reference and score as the side of the blocks.

    Args:
        reference: Variogram of the reference.
        score: Variogram of the score.
        spacing_m: Distance of neighbouring places; blocks are no narrower.
        count: How many blocks of a side hold places.
        min_blocks: Fewest blocks; wider ranges give narrower blocks, with a note.
    """
    ranges = [one.range_m for one in (reference, score) if one is not None]
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
        f"places resemble each other over {_rounded(wanted):g} m, but blocks so wide would be fewer than {min_blocks}"
    )
    return BlockChoice(side, "bounded", note)


def _rounded(metres: float) -> float:
    """Three digits, downwards: no one knows a range more closely."""
    digits = 2 - int(np.floor(np.log10(metres)))
    return round(float(np.floor(metres * 10.0**digits * (1 + 1e-12)) * 10.0**-digits), max(digits, 0))


def spacing(x_m: np.ndarray, y_m: np.ndarray) -> float:
    """Return the median distance in metres from a place to its nearest neighbour; 1 where all places are one."""
    xy = np.column_stack([x_m, y_m])
    nearest = cKDTree(xy).query(xy, k=2)[0][:, 1] if len(xy) > 1 else np.zeros(1)
    apart = nearest[np.isfinite(nearest) & (nearest > 0)]
    return float(np.median(apart)) if len(apart) else 1.0
