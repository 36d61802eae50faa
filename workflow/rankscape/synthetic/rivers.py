"""Rivers of the invented land: water runs down the relief to two outlets and carves valleys."""

import heapq
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from rankscape.synthetic.layout import PIXEL_M
from rankscape.synthetic.noise import Shape, fractal
from rankscape.synthetic.relief import COARSE_PX, coarse, refine
from rankscape.synthetic.strokes import Line, smooth_line

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


def carve(height: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[Line], np.ndarray]:
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


def _trace(flow: Drainage, channel: np.ndarray, shape: Shape, rng: np.random.Generator) -> list[Line]:
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


def _meander(cells: np.ndarray, upstream: np.ndarray, cols: int, drift: list[np.ndarray]) -> Line:
    places = (np.stack([cells // cols, cells % cols], 1) + 0.5) * COARSE_PX
    area_km2 = upstream[cells] * (COARSE_PX * PIXEL_M / 1000) ** 2
    line = smooth_line(places, np.clip(0.42 * np.sqrt(area_km2), 0.8, 6.0), 2.0)
    row, col = np.clip(line.places.astype(int), 0, np.array(drift[0].shape) - 1).T
    return Line(line.places + np.stack([field[row, col] for field in drift], 1), line.width_px)
