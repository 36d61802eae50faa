"""Roads of the invented land: planned over the relief, drawn as highways, paved roads and tracks."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from rankscape.synthetic.nature import Nature
from rankscape.synthetic.relief import COARSE_PX, coarse
from rankscape.synthetic.settlements import Settlement
from rankscape.synthetic.strokes import Line, coverage, smooth_line

HIGHWAY_PX, PAVED_PX, TRACK_PX = 2.4, 1.0, 0.6
_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True)
class Roads:
    """Roads as lines."""

    highways: list[Line]
    paved: list[Line]
    tracks: list[Line]

    def covered(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the share of each pixel under highways, paved roads and tracks."""
        return coverage(self.highways, shape), coverage(self.paved, shape), coverage(self.tracks, shape)


def connect(settlements: list[Settlement], nature: Nature) -> Roads:
    """Join all settlements by a shortest tree over the relief, and the towns by a second road each.

    City and large towns get highways between them; roads of towns and of rich villages are paved; the rest are tracks.
    """
    slopes, wet = coarse(nature.slope), coarse(nature.water)
    rows, cols = slopes.shape
    graph = _terrain(1 + 14 * slopes + 3 * wet)
    places = np.array([(one.row, one.col) for one in settlements])
    nodes = np.clip(places // COARSE_PX, 0, (rows - 1, cols - 1)).astype(int) @ (cols, 1)
    cost, previous = csgraph.dijkstra(graph, directed=False, indices=nodes, return_predecessors=True)
    between = cost[:, nodes]
    roads = Roads([], [], [])
    for first, second in _pairs(settlements, between):
        cells = _path(previous[first], int(nodes[first]), int(nodes[second]))
        corners = (np.stack([cells // cols, cells % cols], 1) + 0.5) * COARSE_PX
        corners = np.vstack([places[first], corners[1:-1], places[second]])
        _sort_in(roads, corners, settlements[first], settlements[second])
    return roads


def _terrain(resistance: np.ndarray) -> sparse.csr_matrix:
    """Graph of neighbouring coarse cells, weighted by length and resistance."""
    rows, cols = resistance.shape
    number = np.arange(rows * cols).reshape(rows, cols)
    start, end, weight = [], [], []
    for down, across in _STEPS:
        here = (slice(0, rows - down), slice(max(0, -across), cols - max(0, across)))
        there = (slice(down, rows), slice(max(0, across), cols + min(0, across)))
        start.append(number[here].ravel())
        end.append(number[there].ravel())
        weight.append((resistance[here] + resistance[there]).ravel() * np.hypot(down, across))
    edges = (np.concatenate(weight), (np.concatenate(start), np.concatenate(end)))
    return sparse.csr_matrix(edges, shape=(rows * cols, rows * cols))


def _pairs(settlements: list[Settlement], between: np.ndarray) -> list[tuple[int, int]]:
    """Pairs to join: the shortest tree of all, and each town with its two nearest towns."""
    tree = csgraph.minimum_spanning_tree(between).tocoo()
    pairs = {(min(a, b), max(a, b)) for a, b in zip(tree.row.tolist(), tree.col.tolist(), strict=True)}
    towns = [number for number, one in enumerate(settlements) if one.kind.size >= 0.5]
    large = [number for number in towns if settlements[number].kind.size >= 0.75]
    for group, count in ((towns, 2), (large, 2)):
        for town in group:
            others = sorted((between[town, other], other) for other in group if other != town)
            pairs |= {(min(town, other), max(town, other)) for _, other in others[:count]}
    return sorted(pairs)


def _path(previous: np.ndarray, start: int, end: int) -> np.ndarray:
    cells = [end]
    while cells[-1] != start:
        cells.append(int(previous[cells[-1]]))
    return np.array(cells[::-1])


def _sort_in(roads: Roads, corners: np.ndarray, first: Settlement, second: Settlement) -> None:
    smaller = min(first.kind.size, second.kind.size)
    wealth = min(first.wealth, second.wealth)
    if smaller >= 0.75:
        roads.highways.append(smooth_line(corners, HIGHWAY_PX, 1.6))
    elif smaller >= 0.5 or wealth > 0.45:
        roads.paved.append(smooth_line(corners, PAVED_PX, 1.2))
    else:
        roads.tracks.append(smooth_line(corners, TRACK_PX, 0.8))
