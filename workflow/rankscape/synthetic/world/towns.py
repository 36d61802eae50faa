"""The fabric of settlements: blocks, streets and roofs of the planned quarters, lanes and huts of the poor ones."""

from dataclasses import dataclass

import numpy as np

from rankscape.synthetic.world.land_cover import palette
from rankscape.synthetic.world.primitives import fractal, hashed
from rankscape.synthetic.world.settlements import Habitation, Settlement
from rankscape.synthetic.world.world_grid import PIXEL_M

_SAMPLES = 3
"""Samples along each side of a pixel."""
PLANNED_ABOVE = 0.40
"""Wealth above which quarters are planned."""
_BLOCK_M = (120.0, 72.0)
_LOTS = np.array([(1, 1, 0.0, 0.0), (1, 1, 0.40, 0.38), (2, 2, 0.43, 0.25), (5, 2, 0.32, 0.30)])
"""Park, hall, flats, houses: lots along both sides of a block, and half of the building's share of each side."""
_SHADE_M = 9.0
_LANE_M = 17.0
GROUND = ("asphalt", "dirt_road", "garden", "lawn", "bare_yard", "concrete", "shadow")
ROOFS = (
    "roof_white", "roof_grey", "roof_slate", "roof_blue", "roof_tile", "roof_brown", "roof_rust", "roof_mud",
)  # fmt: skip
_RICH_ROOFS = np.cumsum([0.16, 0.34, 0.10, 0.04, 0.33, 0.03, 0.00])
_PLAIN_ROOFS = np.cumsum([0.05, 0.18, 0.12, 0.02, 0.33, 0.22, 0.08])
_POOR_ROOFS = np.cumsum([0.03, 0.05, 0.12, 0.02, 0.04, 0.26, 0.26])
_COLOURS = palette(*GROUND, *ROOFS)
_ASPHALT, _DIRT, _GARDEN, _LAWN, _YARD, _CONCRETE, _SHADOW = range(len(GROUND))
_ROOF = len(GROUND)


@dataclass(frozen=True)
class _Spots:
    """Sampled places of settlements; vectors of the same length."""

    u: np.ndarray
    """Metres along the settlement's streets."""
    v: np.ndarray
    town: np.ndarray
    density: np.ndarray
    size: np.ndarray
    wealth: np.ndarray
    bend: np.ndarray
    """Metres that poor quarters' lanes are bent by, shape (2, n)."""


@dataclass(frozen=True)
class _Looks:
    """What lies at each place."""

    colour: np.ndarray
    """Row of the palette of ground and roofs."""
    tone: np.ndarray
    """Factor on the reflectance."""
    shown: np.ndarray
    """True where the land before is hidden."""


def build(canvas: np.ndarray, homes: Habitation, settlements: list[Settlement], rng: np.random.Generator) -> np.ndarray:
    """Build all settlements onto the land, in place.

    Args:
        canvas: Reflectance, float32, shape (4, height, width).
        homes: Density, size and wealth of every place.
        settlements: The settlements that `homes.owner` numbers.
        rng: Source of crooked lanes.

    Returns:
        Share of each pixel under roofs, float32, shape (height, width).
    """
    rows, cols = np.nonzero(homes.owner >= 0)
    bend = np.stack([11 * fractal(homes.density.shape, 9, rng, 2.4)[rows, cols] for _ in range(2)])
    total, hidden, roofed = np.zeros((4, len(rows)), np.float32), np.zeros(len(rows)), np.zeros(len(rows))
    for sample in range(_SAMPLES**2):
        shift = ((np.array(divmod(sample, _SAMPLES)) + 0.5) / _SAMPLES).astype(np.float32)
        looks = _looks(_spots(rows + shift[0], cols + shift[1], rows, cols, homes, settlements, bend))
        total += np.where(looks.shown, _COLOURS[looks.colour].T * looks.tone, 0) / _SAMPLES**2
        hidden += looks.shown / _SAMPLES**2
        roofed += (looks.shown & (looks.colour >= _ROOF)) / _SAMPLES**2
    canvas[:, rows, cols] = canvas[:, rows, cols] * (1 - hidden).astype(np.float32) + total
    roofs = np.zeros(homes.density.shape, np.float32)
    roofs[rows, cols] = roofed
    return roofs


def _spots(
    row: np.ndarray, col: np.ndarray, rows: np.ndarray, cols: np.ndarray,
    homes: Habitation, settlements: list[Settlement], bend: np.ndarray,
) -> _Spots:  # fmt: skip
    town = homes.owner[rows, cols]
    centre_row, centre_col, angle = (
        np.array([getattr(one, name) for one in settlements], np.float32)[town] for name in ("row", "col", "angle")
    )
    down, across = (row - centre_row) * PIXEL_M, (col - centre_col) * PIXEL_M
    cosine, sine = np.cos(angle), np.sin(angle)
    u, v = across * cosine + down * sine, down * cosine - across * sine
    at = (rows, cols)
    return _Spots(u, v, town, homes.density[at], homes.size[at], homes.wealth[at], bend)


def _looks(spots: _Spots) -> _Looks:
    planned, poor = _planned(spots), _poor(spots)
    block = hashed(np.floor(spots.u / _BLOCK_M[0]), np.floor(spots.v / _BLOCK_M[1]), 31)
    is_planned = spots.wealth + 0.14 * (block - 0.5) > PLANNED_ABOVE
    return _Looks(
        np.where(is_planned, planned.colour, poor.colour),
        np.where(is_planned, planned.tone, poor.tone),
        np.where(is_planned, planned.shown, poor.shown),
    )


@dataclass(frozen=True)
class _Plots:
    """Blocks between straight streets, each divided into lots."""

    street: np.ndarray
    """True on a street."""
    kind: np.ndarray
    """Row of `_LOTS`: what the block is."""
    lot: np.ndarray
    """Numbers of block and lot, shape (2, n)."""
    block: np.ndarray
    """Numbers of the block, shape (2, n)."""
    part: np.ndarray
    """Place within the lot, from -0.5 to 0.5 along each side, shape (2, n)."""
    side_m: np.ndarray
    """Sides of the lot, shape (2, n)."""


def _planned(spots: _Spots) -> _Looks:
    """Blocks between straight streets: houses, rows of flats, halls, parks."""
    plots = _divide(spots)
    wealth, kind = spots.wealth, plots.kind
    half = _LOTS[kind, 2:].T
    stands = (_draw(plots.lot, 33) < 1.15 * spots.density) & (kind > 0)
    deep, wide = np.abs(plots.part[0]) < half[0], np.abs(plots.part[1]) < half[1]
    roof = stands & deep & wide
    north = (plots.part[1] < 0) & (plots.part[1] > -half[1] - _SHADE_M / plots.side_m[1])
    inhabited = _draw(plots.block, 34) < 2.2 * spots.density
    draw = _draw(plots.lot, 35)
    colour = np.where(stands & deep & north & (kind < 3), _SHADOW, _planned_ground(kind, draw, wealth))
    colour = np.where(roof, _roof(draw, wealth, kind), colour)
    colour = np.where(plots.street, np.where(wealth > 0.5, _ASPHALT, _YARD), colour)
    tone = 0.86 + 0.28 * _draw(plots.lot, 36)
    return _Looks(colour, tone, inhabited & (stands | plots.street | (kind == 0)))


def _divide(spots: _Spots) -> _Plots:
    u, v = spots.u + 0.3 * spots.bend[0], spots.v + 0.3 * spots.bend[1]
    across, along = np.floor(u / _BLOCK_M[0]), np.floor(v / _BLOCK_M[1])
    # Blocks of different settlements must not draw alike.
    block = np.stack([across + 4000 * (spots.town + 1), along])
    # Every fourth and fifth street is an avenue.
    street_m = np.stack([np.where(across % 4 == 0, 24, 10), np.where(along % 5 == 0, 22, 9)])
    inner_m = np.stack([u % _BLOCK_M[0], v % _BLOCK_M[1]]) - street_m
    kind = _kinds(_draw(block, 32), spots)
    many = _LOTS[kind, :2].T
    side_m = (np.array(_BLOCK_M)[:, None] - street_m) / many
    number = np.floor(inner_m / side_m)
    return _Plots((inner_m < 0).any(0), kind, block * 8 + number, block, inner_m / side_m - number - 0.5, side_m)


def _draw(numbers: np.ndarray, salt: int) -> np.ndarray:
    return hashed(numbers[0], numbers[1], salt)


def _kinds(draw: np.ndarray, spots: _Spots) -> np.ndarray:
    """What blocks are: parks and halls more often where people are rich, flats where the settlement is large."""
    park = 0.04 + 0.10 * spots.wealth
    hall = park + 0.03 + 0.22 * spots.size**2 * spots.wealth
    flats = hall + 0.05 + 0.45 * spots.size
    return np.asarray((draw > park).astype(int) + (draw > hall) + (draw > flats))


def _planned_ground(kind: np.ndarray, draw: np.ndarray, wealth: np.ndarray) -> np.ndarray:
    green = np.where(draw < 0.20 + 0.55 * wealth, np.where(draw < 0.35, _LAWN, _GARDEN), _YARD)
    ground = np.where(kind == 1, np.where(draw < 0.6, _CONCRETE, _LAWN), green)
    return np.asarray(np.where(kind == 0, np.where(draw < 0.5, _LAWN, _GARDEN), ground))


def _roof(draw: np.ndarray, wealth: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Roof of a lot: bright and tiled where rich, brown where not; halls are white, grey or blue."""
    share = np.clip((wealth - PLANNED_ABOVE) / 0.45, 0, 1)
    number = np.zeros(draw.shape, int)
    for plain, rich in zip(_PLAIN_ROOFS, _RICH_ROOFS, strict=True):
        number += draw > plain + (rich - plain) * share
    halls = np.array([0, 0, 0, 1, 1, 1, 1, 2, 3])[np.minimum((draw * 9).astype(int), 8)]
    return np.asarray(_ROOF + np.where(kind == 1, halls, number))


def _poor(spots: _Spots) -> _Looks:
    """Huts of all sides along crooked lanes, bare yards, hardly a tree."""
    u, v = spots.u + spots.bend[0], spots.v + spots.bend[1]
    cell_u = np.floor(u / _LANE_M)
    v = v + 9 * hashed(cell_u, 0, 41)
    cell_v = np.floor(v / (0.85 * _LANE_M))
    part_u, part_v = u / _LANE_M - cell_u, v / (0.85 * _LANE_M) - cell_v
    draw = hashed(cell_u, cell_v, 42)
    stands = draw < 0.95 * spots.density
    roof = stands & (part_u > 0.22) & (part_v > 0.18 + 0.25 * hashed(cell_u, cell_v, 43))
    other = hashed(cell_u, cell_v, 44)
    number = np.zeros(draw.shape, int)
    for limit in _POOR_ROOFS:
        number += other > limit
    ground = np.where(other > 0.93, _GARDEN, np.where(other > 0.45, _DIRT, _YARD))
    shown = hashed(np.floor(u / 51), np.floor(v / 51), 45) < 2.0 * spots.density
    return _Looks(
        np.where(roof, _ROOF + number, ground),
        0.78 + 0.40 * hashed(cell_u, cell_v, 46),
        shown & (stands | (draw > 0.6)),
    )
