"""Where people live in a synthetic world, today and some years earlier, and the roads that join them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from rankscape.synthetic.world.land_cover import Nature
from rankscape.synthetic.world.primitives import Stroke, coverage, fractal, smooth_line
from rankscape.synthetic.world.terrain import COARSE_PX, coarse
from rankscape.synthetic.world.world_grid import PIXEL_M, WorldGrid, around


@dataclass(frozen=True)
class SettlementKind:
    """A kind of settlement."""

    name: str
    size: float
    """0 hamlet ... 1 city: how large and close its buildings are."""
    radius_m: tuple[float, float]
    """Smallest and largest radius in a world of granules of 1,024 px."""
    spacing_m: float
    """Least distance to the edge of another settlement."""
    sites: int
    """Sites in each sixth of the world."""
    density: float
    """Share of built parcels in the middle."""


KINDS = (
    SettlementKind("city", 1.0, (2300, 2300), 0, 1, 1.0),
    SettlementKind("large town", 0.75, (950, 1150), 1400, 1, 0.95),
    SettlementKind("town", 0.5, (480, 640), 1100, 3, 0.85),
    SettlementKind("village", 0.25, (150, 290), 260, 24, 0.7),
    SettlementKind("hamlet", 0.1, (90, 140), 420, 16, 0.5),
)
CITY_PLACE = (0.71, 0.47)
"""Where the city lies, as shares of the world's height and width; one of the granules to learn from shows it."""
SECTORS = (2, 3)


@dataclass(frozen=True)
class Settlement:
    """One settlement."""

    kind: SettlementKind
    row: float
    col: float
    radius_px: float
    wealth: float
    """0 poor ... 1 rich."""
    angle: float
    """Direction of its streets in radians."""


@dataclass(frozen=True)
class Habitation:
    """How densely and how well people live, arrays of the world's shape, float32 in [0, 1]."""

    density: np.ndarray
    size: np.ndarray
    wealth: np.ndarray
    owner: np.ndarray
    """Number of the settlement that a place belongs to, int16; -1 outside all."""


def regional_wealth(nature: Nature, rng: np.random.Generator) -> np.ndarray:
    """Return the wealth of the countryside, spread evenly over [0, 1], float32; river valleys are a little richer."""
    shape = nature.water.shape
    field = fractal(shape, 0.22 * shape[0], rng, 2.6) + 0.4 * np.exp(-nature.river_px / 60)
    step = max(1, field.size // 200_000)
    known = np.sort(field.ravel()[::step])
    return np.asarray(np.interp(field, known, np.linspace(0, 1, len(known))), np.float32)


def settle(nature: Nature, wealth: np.ndarray, scale: float, rng: np.random.Generator) -> list[Settlement]:
    """Choose sites, the largest kinds first.

    Towns of one size are rich or poor by turns, so that wealth does not follow size; villages are as rich as the
    countryside around them.

    Args:
        nature: The land before people.
        wealth: Wealth of the countryside.
        scale: Factor on radii and distances, below 1 in worlds of small granules.
        rng: Source of sites, radii and directions.
    """
    highland = nature.plateau * (1 - nature.water) * (1 - nature.forest) * (nature.slope < 0.2)
    chosen: list[Settlement] = []
    for kind in KINDS:
        suits = highland if kind.name == "hamlet" else nature.arable
        for turn, place in enumerate(_sites(kind, suits, chosen, scale, rng)):
            radius = rng.uniform(*kind.radius_m) * scale / PIXEL_M
            own = _wealth(kind, turn, float(wealth[int(place[0]), int(place[1])]), rng)
            angle = rng.uniform(0, np.pi / 2)
            chosen.append(Settlement(kind, *place, radius, own, angle))
    return chosen


def _wealth(kind: SettlementKind, turn: int, around: float, rng: np.random.Generator) -> float:
    if kind.name == "city":
        return 0.68
    if kind.name in {"large town", "town"}:
        steps = (0.80, 0.22, 0.62, 0.12, 0.92, 0.40)
        return steps[turn % len(steps)] + rng.uniform(-0.05, 0.05)
    return float(np.clip(around + rng.normal(0, 0.08), 0, 1))


def _sites(
    kind: SettlementKind, suits: np.ndarray, chosen: list[Settlement], scale: float, rng: np.random.Generator
) -> Iterator[tuple[float, float]]:
    rows, cols = suits.shape
    if kind.name == "city":
        yield CITY_PLACE[0] * rows, CITY_PLACE[1] * cols
        return
    margin = max(3.0, 0.6 * kind.radius_m[0] * scale / PIXEL_M)
    taken = [(one.row, one.col, one.radius_px) for one in chosen]
    for sector in range(SECTORS[0] * SECTORS[1]):
        low = np.array([sector // SECTORS[1] * rows / SECTORS[0], sector % SECTORS[1] * cols / SECTORS[1]])
        tries = low + rng.uniform(0, 1, (1500, 2)) * (rows / SECTORS[0], cols / SECTORS[1])
        draws = rng.uniform(0.25, 1, len(tries))
        found = 0
        for place, draw in zip(tries, draws, strict=True):
            if found == kind.sites:
                break
            inside = margin < place[0] < rows - margin and margin < place[1] < cols - margin
            if inside and suits[int(place[0]), int(place[1])] > draw and _is_free(place, taken, kind, scale):
                taken.append((place[0], place[1], kind.radius_m[1] * scale / PIXEL_M))
                found += 1
                yield float(place[0]), float(place[1])


def _is_free(place: np.ndarray, taken: list[tuple[float, float, float]], kind: SettlementKind, scale: float) -> bool:
    others = np.array(taken)
    reach = others[:, 2] + (kind.radius_m[1] + kind.spacing_m) * scale / PIXEL_M
    return bool((np.hypot(*(others[:, :2] - place).T) > reach).all())


def inhabit(settlements: list[Settlement], nature: Nature, rng: np.random.Generator) -> Habitation:
    """Spread density, size and wealth around the settlements; density falls outwards, wealth differs by quarter."""
    shape = nature.water.shape
    outline, quarter = fractal(shape, 45, rng, 2.2), fractal(shape, 80, rng, 2.4)
    density, size = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    wealth, owner = np.zeros(shape, np.float32), np.full(shape, -1, np.int16)
    for number, one in enumerate(settlements):
        window = around(one.row, one.col, int(1.7 * one.radius_px) + 2, shape)
        row, col = np.ogrid[window]
        away = np.hypot(row - one.row, col - one.col) / one.radius_px * (1 + 0.22 * outline[window])
        here = np.clip(1.25 * one.kind.density * (1 - np.maximum(away, 0) ** 1.5), 0, one.kind.density)
        wins = here > density[window]
        density[window][wins] = here[wins]
        size[window][wins] = one.kind.size
        wealth[window][wins] = one.wealth
        owner[window][wins] = number
    livable = (nature.water < 0.3) & (nature.slope < 0.35)
    density *= livable
    owner[density <= 0.02] = -1
    spread = np.clip(wealth + 0.34 * np.sqrt(size) * quarter, 0, 1) * (owner >= 0)
    return Habitation(density, size * (owner >= 0), spread.astype(np.float32), owner)


EARLIER_GRANULE = "03TXG"
"""Granule that has scenes of the earlier date."""
_FACTORS = {"town": (0.55, 1.0, 0.7), "village": (0.0, 1.0, 0.5, 1.0, 1.0, 0.0, 1.0, 1.0)}
"""Radius then, as a share of today's, by turns over the settlements of a kind in that granule; 0 was not there yet."""
_SHRUNK = 2.2
"""The second village was larger by this factor."""
_ABSENT = 1e-6
"""Share of the radius of a settlement that is not there; its number stays, so that all others look as they do today."""


def earlier(settlements: Sequence[Settlement], layout: WorldGrid) -> list[Settlement]:
    """Return the settlements of the earlier date, in the same order."""
    rows, cols = layout.window(EARLIER_GRANULE)
    then = list(settlements)
    for kind, factors in _FACTORS.items():
        own = [
            number for number, one in enumerate(settlements)
            if one.kind.name == kind and rows.start <= one.row < rows.stop and cols.start <= one.col < cols.stop
        ]  # fmt: skip
        for turn, number in enumerate(own):
            factor = _SHRUNK if (kind, turn) == ("village", 1) else factors[turn % len(factors)]
            then[number] = replace(then[number], radius_px=then[number].radius_px * max(factor, _ABSENT))
    return then


HIGHWAY_PX, PAVED_PX, TRACK_PX = 2.4, 1.0, 0.6
_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True)
class Roads:
    """Roads as lines."""

    highways: list[Stroke]
    paved: list[Stroke]
    tracks: list[Stroke]

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
