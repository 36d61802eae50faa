"""Terrain of a synthetic world: a range from west to east, two plateaus, lowland, and the rivers that carve it."""

import heapq
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from rankscape.synthetic.world.primitives import Shape, Stroke, fractal, rise, smooth_line
from rankscape.synthetic.world.world_grid import PIXEL_M

SUN_AZIMUTH_DEG, SUN_ZENITH_DEG = 155.0, 32.0
"""Where the sun stands at half past ten in summer."""
COARSE_PX = 16
"""Side of the coarse cells in which water flows and roads are planned."""


@dataclass(frozen=True)
class Zones:
    """Where which kind of relief is, each float32 in [0, 1], of the world's shape."""

    mountain: np.ndarray
    plateau: np.ndarray
    hills: np.ndarray
    """Dry hills of the lowland."""


def zones(shape: Shape, rng: np.random.Generator) -> Zones:
    """Lay out mountains, plateaus and hills; every granule gets some of what nobody lives on."""
    rows, cols = shape
    y, x = np.linspace(0, 1, rows, dtype=np.float32)[:, None], np.linspace(0, 1, cols, dtype=np.float32)[None, :]
    bent_x, bent_y = (axis + 0.03 * fractal(shape, rows / 4, rng, 2.6) for axis in (x, y))
    range_y = 0.46 + 0.06 * np.sin(2 * np.pi * (1.15 * bent_x + 0.08))
    spur_x = 0.335 + 0.03 * np.sin(9 * bent_y)
    main = np.exp(-(((bent_y - range_y) / 0.075) ** 2)) * (0.75 + 0.25 * np.cos(2 * np.pi * 3.4 * bent_x))
    spur = 0.75 * np.exp(-(((bent_x - spur_x) / 0.035) ** 2)) * rise(bent_y, 0.45, 0.38)
    mountain = np.clip(main + spur, 0, 1).astype(np.float32)
    west = rise(bent_x, 0.30, 0.19) * rise(bent_y, 0.44, 0.32)
    east = rise(bent_x, 0.85, 0.96) * rise(bent_y, 0.33, 0.19)
    plateau = np.maximum(west, east) * (1 - 0.8 * mountain)
    hills = rise(fractal(shape, rows / 6, rng, 2.6), 0.4, 1.6) * (1 - plateau) * (1 - mountain)
    return Zones(mountain, plateau.astype(np.float32), hills.astype(np.float32))


def elevation_m(zone: Zones, rng: np.random.Generator) -> np.ndarray:
    """Return the height of the land before water carves it, float32 in metres."""
    shape = zone.mountain.shape
    ridges = sum(
        weight * (1 - np.abs(fractal(shape, wavelength, rng, 3.0)))
        for wavelength, weight in ((150, 0.62), (50, 0.28), (18, 0.1))
    )
    rolling = fractal(shape, shape[0] / 5, rng, 2.4)
    gullies = 1 - np.abs(fractal(shape, 34, rng, 2.8))
    height = (
        320 + 35 * rolling
        + zone.mountain * (420 + 620 * np.clip(ridges, -0.2, 1))
        + zone.plateau * (900 + 25 * rolling)
        + zone.hills * (90 + 42 * gullies)
    )  # fmt: skip
    return np.asarray(ndimage.gaussian_filter(np.asarray(height, np.float32), 0.8))


def slope(elevation: np.ndarray) -> np.ndarray:
    """Return the steepness, metres a metre, float32."""
    down, across = np.gradient(elevation, PIXEL_M)
    return np.asarray(np.hypot(down, across), np.float32)


def illumination(elevation: np.ndarray) -> np.ndarray:
    """Return sunlight on the slope relative to flat land (Lambert's cosine law), float32, flat land 1."""
    down, across = np.gradient(elevation, PIXEL_M)
    azimuth, zenith = np.deg2rad(SUN_AZIMUTH_DEG), np.deg2rad(SUN_ZENITH_DEG)
    towards = across * np.sin(azimuth) - down * np.cos(azimuth)
    cosine = (np.cos(zenith) - np.sin(zenith) * towards) / np.sqrt(1 + down**2 + across**2)
    return np.asarray(np.clip(cosine / np.cos(zenith), 0.25, 1.6), np.float32)


def coarse(values: np.ndarray) -> np.ndarray:
    """Return means over coarse cells; what is left over at the right and the bottom is left out."""
    rows, cols = (side // COARSE_PX for side in values.shape)
    cut = values[: rows * COARSE_PX, : cols * COARSE_PX]
    return np.asarray(cut.reshape(rows, COARSE_PX, cols, COARSE_PX).mean((1, 3)))


def refine(values: np.ndarray, shape: Shape) -> np.ndarray:
    """Spread coarse cells back over the world, bilinearly, float32."""
    row = (np.arange(shape[0]) + 0.5) / COARSE_PX - 0.5
    col = (np.arange(shape[1]) + 0.5) / COARSE_PX - 0.5
    fine = _blend(row, values.shape[0]) @ values.astype(np.float32) @ _blend(col, values.shape[1]).T
    return np.asarray(fine, np.float32)


def _blend(at: np.ndarray, size: int) -> np.ndarray:
    """Matrix of linear interpolation at fractional positions of a row of `size` values."""
    at = np.clip(at, 0, size - 1)
    base = np.minimum(at.astype(int), size - 2)
    matrix = np.zeros((len(at), size), np.float32)
    matrix[np.arange(len(at)), base] = 1 - (at - base)
    matrix[np.arange(len(at)), base + 1] = at - base
    return matrix


_NEIGHBOURS = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if r or c]
_VALLEY_WIDTH_CELLS = 4.0
_SOURCE_SHARE = 0.012
"""A river begins where so large a share of the land drains."""


@dataclass(frozen=True)
class Drainage:
    """How water runs on the coarse grid, row-major cells."""

    filled_m: np.ndarray
    """Height without pits, shape (rows, cols)."""
    receiver: np.ndarray
    """Cell that a cell's water runs to, itself at an outlet, shape (cells,)."""
    upstream: np.ndarray
    """Cells that drain through a cell, itself counted, shape (cells,)."""


def drainage(height: np.ndarray, outlets: list[tuple[int, int]]) -> Drainage:
    """Let water run down to the outlets (priority flood with receivers, Barnes, Lehman and Mulla 2014).

    Args:
        height: Coarse heights in metres, shape (rows, cols).
        outlets: Cells where water leaves the land.
    """
    rows, cols = height.shape
    filled = np.full(height.shape, np.inf)
    receiver = np.arange(height.size)
    order: list[int] = []
    queue = [(float(height[place]), place, place) for place in outlets]
    for place in outlets:
        filled[place] = height[place]
    heapq.heapify(queue)
    while queue:
        level, (row, col), target = heapq.heappop(queue)
        receiver[row * cols + col] = target[0] * cols + target[1]
        order.append(row * cols + col)
        for step_row, step_col in _NEIGHBOURS:
            near = (row + step_row, col + step_col)
            if 0 <= near[0] < rows and 0 <= near[1] < cols and np.isinf(filled[near]):
                filled[near] = max(float(height[near]), level + 0.05)
                heapq.heappush(queue, (float(filled[near]), near, (row, col)))
    upstream = np.ones(height.size)
    for cell in reversed(order):
        if receiver[cell] != cell:
            upstream[receiver[cell]] += upstream[cell]
    return Drainage(filled, receiver, upstream)


def carve(height: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[Stroke], np.ndarray]:
    """Carve valleys and trace the rivers in them.

    Args:
        height: Height of the land in metres, shape (rows, cols) of the world.
        rng: Source of the meanders.

    Returns:
        Carved height, float32; rivers as lines; distance to the nearest river in pixels, float32.
    """
    ground = coarse(height)
    rows, cols = ground.shape
    flow = drainage(
        ground + _rim(ground.shape), [(rows - 1, int(cols * 0.72)), (0, int(cols * 0.58)), (rows - 1, int(cols * 0.16))]
    )
    channel = (flow.upstream >= _SOURCE_SHARE * ground.size).reshape(ground.shape)
    distance, nearest = ndimage.distance_transform_edt(~channel, return_indices=True)
    bed = np.minimum(flow.filled_m - _rim(ground.shape), ground)[tuple(nearest)] - 8
    valley = np.exp(-((distance / _VALLEY_WIDTH_CELLS) ** 2))
    lowering = ndimage.gaussian_filter(np.maximum(ground - bed, 0) * valley, 0.8)
    lines = _trace(flow, channel, height.shape, rng)
    return height - refine(lowering, height.shape), lines, refine(distance * COARSE_PX, height.shape)


def _rim(shape: Shape) -> np.ndarray:
    """Height added towards the world's border, so that no river runs along it."""
    row, col = np.ogrid[: shape[0], : shape[1]]
    inward = np.minimum(np.minimum(row, shape[0] - 1 - row), np.minimum(col, shape[1] - 1 - col))
    return np.asarray(90 * np.exp(-inward / 2.5))


def _trace(flow: Drainage, channel: np.ndarray, shape: Shape, rng: np.random.Generator) -> list[Stroke]:
    """Follow every river from its source; tributaries run on with the main river for a while, so that they meet."""
    cols = channel.shape[1]
    inside = np.flatnonzero(channel)
    fed = set(flow.receiver[inside][flow.receiver[inside] != inside])
    drift = [9 * fractal(shape, 60, rng, 2.8) for _ in range(2)]
    seen: set[int] = set()
    lines = []
    for source in sorted((cell for cell in inside if cell not in fed), key=lambda cell: (-flow.upstream[cell], cell)):
        cells = _downstream(int(source), flow, seen)
        seen.update(cells)
        if len(cells) >= 4:
            lines.append(_meander(np.array(cells), flow.upstream, cols, drift))
    return lines


def _downstream(cell: int, flow: Drainage, seen: set[int]) -> list[int]:
    cells, shared = [cell], 0
    while flow.receiver[cell] != cell and shared < 10:
        cell = int(flow.receiver[cell])
        shared += cell in seen
        cells.append(cell)
    return cells


def _meander(cells: np.ndarray, upstream: np.ndarray, cols: int, drift: list[np.ndarray]) -> Stroke:
    places = (np.stack([cells // cols, cells % cols], 1) + 0.5) * COARSE_PX
    area_km2 = upstream[cells] * (COARSE_PX * PIXEL_M / 1000) ** 2
    line = smooth_line(places, np.clip(0.42 * np.sqrt(area_km2), 0.8, 6.0), 2.0)
    row, col = np.clip(line.places.astype(int), 0, np.array(drift[0].shape) - 1).T
    return Stroke(line.places + np.stack([field[row, col] for field in drift], 1), line.width_px)
