"""The order as a drawing: levels from the best to the worst, clusters as cards, relations as arrows.

A layered drawing after Sugiyama, Tagawa & Toda (1981), made for partial orders of levels: where every cluster of a
level stands above every cluster of the next one, a single arrow between the levels says so; only the relations that
are left are drawn from card to card. Lines that pass a row of cards go through a gap between two cards.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

Edge = tuple[int, int]
CARD_WIDTH, CARD_HEIGHT = 96, 132
_PITCH, _LINE_GAP = 110, 14
_PER_LINE = 8
_PADDING, _HEAD = 12, 26
_ARROW_GAP, _LINES_GAP = 34, 58
"""Space between two levels: for one arrow, and for single lines."""
_MIN_COLUMNS = 3
_STRIP_INSET, _STRIP_Y = 10, 122
"""Place of the line of ranks inside a card."""


@dataclass(frozen=True)
class Card:
    """One cluster; x and y are its upper left corner."""

    cluster: int
    x: float
    y: float

    @property
    def middle(self) -> float:
        """Horizontal centre."""
        return self.x + CARD_WIDTH / 2

    @property
    def bottom(self) -> float:
        """Lower edge."""
        return self.y + CARD_HEIGHT


@dataclass(frozen=True)
class Strip:
    """A card's rank on a line from the first to the last rank; all are horizontal places."""

    left: float
    right: float
    rank: float
    low: float
    high: float
    y: float


@dataclass(frozen=True)
class Band:
    """One level."""

    level: int
    """Counted from 1, the best."""
    y: float
    height: float


@dataclass(frozen=True)
class Graph:
    """The drawing, in units of CSS pixels."""

    width: float
    height: float
    bands: tuple[Band, ...]
    cards: dict[int, Card]
    arrows: tuple[tuple[float, float, float], ...]
    """x, upper and lower end of each arrow between two levels."""
    lines: tuple[str, ...]
    """SVG paths of the single relations."""


def draw(levels: Sequence[Sequence[int]], edges: Sequence[Edge], ranks: Mapping[int, float | None]) -> Graph:
    """Lay an order out.

    Args:
        levels: Clusters by level, best first.
        edges: Pairs (higher, lower) of the transitive reduction.
        ranks: Merged ranks; within a level the better stands further left.
    """
    whole, single = split_edges(levels, edges)
    columns = max(_MIN_COLUMNS, *(len(line) for level in levels for line in _in_lines(level))) if levels else 1
    width = columns * _PITCH - (_PITCH - CARD_WIDTH) + 2 * _PADDING
    cards: dict[int, Card] = {}
    rows: list[list[Card]] = []
    bands = []
    y = 0.0
    for place, level in enumerate(levels):
        bands.append(Band(place + 1, y, _band_height(level)))
        for number, line in enumerate(_in_lines(_arrange(level, ranks, single, cards))):
            top = y + _HEAD + number * (CARD_HEIGHT + _LINE_GAP)
            rows.append([Card(cluster, x, top) for cluster, x in zip(line, _across(len(line), width), strict=True)])
            cards |= {card.cluster: card for card in rows[-1]}
        y += bands[-1].height + (_ARROW_GAP if place < len(whole) and whole[place] else _LINES_GAP)
    arrows = tuple(
        (width / 2, bands[place].y + bands[place].height, bands[place + 1].y)
        for place, complete in enumerate(whole)
        if complete
    )
    lines = tuple(_route(cards[a], cards[b], rows, turn) for turn, (a, b) in enumerate(single))
    return Graph(width, bands[-1].y + bands[-1].height if bands else 0.0, tuple(bands), cards, arrows, lines)


def strips(
    cards: Mapping[int, Card],
    ranks: Mapping[int, float | None],
    intervals: Mapping[int, tuple[float | None, float | None] | None],
) -> dict[int, Strip]:
    """Place each card's rank and its interval on a line from 1 to the last rank, the best on the left.

    Returns:
        Strips by cluster, only of clusters whose rank has an interval.
    """
    last = max([2.0, *(rank for rank in ranks.values() if rank is not None)])
    found = {}
    for cluster, card in cards.items():
        rank, (low, high) = ranks.get(cluster), intervals.get(cluster) or (None, None)
        if rank is not None and low is not None and high is not None:
            left, right = card.x + _STRIP_INSET, card.x + CARD_WIDTH - _STRIP_INSET
            middle, start, end = (_along(value, last, left, right) for value in (rank, low, high))
            found[cluster] = Strip(left, right, middle, start, end, card.y + _STRIP_Y)
    return found


def _along(rank: float, last: float, left: float, right: float) -> float:
    return left + min(max((rank - 1) / (last - 1), 0.0), 1.0) * (right - left)


def split_edges(levels: Sequence[Sequence[int]], edges: Sequence[Edge]) -> tuple[list[bool], list[Edge]]:
    """Tell which neighbouring levels are related as a whole, and which relations remain, from upper to lower level.

    Returns:
        For each level but the last, whether each of its clusters stands above each of the next level; and the other
        edges, sorted. Edges that do not lead down are left out: a drawing by levels cannot show them.
    """
    given = set(edges)
    level_of = {cluster: place for place, level in enumerate(levels) for cluster in level}
    whole = []
    drawn: set[Edge] = set()
    for upper, lower in pairwise(levels):
        pairs = set(product(upper, lower))
        whole.append(bool(pairs) and pairs <= given)
        drawn |= pairs if whole[-1] else set()
    return whole, sorted((a, b) for a, b in given - drawn if level_of[a] < level_of[b])


def _in_lines(level: Sequence[int]) -> list[list[int]]:
    """Break a wide level into lines of nearly equal length."""
    count = max(1, math.ceil(len(level) / _PER_LINE))
    cuts = [round(i * len(level) / count) for i in range(count + 1)]
    return [list(level[a:b]) for a, b in pairwise(cuts)]


def _band_height(level: Sequence[int]) -> float:
    lines = len(_in_lines(level))
    return _HEAD + lines * CARD_HEIGHT + (lines - 1) * _LINE_GAP + _PADDING


def _across(count: int, width: float) -> list[float]:
    left = (width - (count - 1) * _PITCH - CARD_WIDTH) / 2
    return [left + i * _PITCH for i in range(count)]


def _arrange(
    level: Sequence[int], ranks: Mapping[int, float | None], single: Sequence[Edge], placed: Mapping[int, Card]
) -> list[int]:
    """Sort a level by rank, or below its upper neighbours where single relations are drawn (barycentre)."""

    def key(cluster: int) -> tuple[float, float, int]:
        above = [placed[a].middle for a, b in single if b == cluster and a in placed]
        rank = ranks.get(cluster)
        return sum(above) / len(above) if above else 0.0, math.inf if rank is None else rank, cluster

    return sorted(level, key=key)


def _route(start: Card, end: Card, rows: Sequence[Sequence[Card]], turn: int) -> str:
    """Return the path from the lower edge of one card to the upper edge of another."""
    x, y = start.middle, start.bottom
    path = f"M{x:.1f} {y:.1f}"
    for row in (row for row in rows if start.bottom < row[0].y and row[0].bottom < end.y):
        straight = start.middle + (end.middle - start.middle) * (row[0].y - start.bottom) / (end.y - start.bottom)
        gap = min(_gaps(row), key=lambda place: abs(place - straight)) + (turn % 5 - 2) * 2
        path += f"{_curve(x, y, gap, row[0].y)}V{row[0].bottom:.1f}"
        x, y = gap, row[0].bottom
    return path + _curve(x, y, end.middle, end.y - 3)


def _gaps(row: Sequence[Card]) -> list[float]:
    edge = (_PITCH - CARD_WIDTH) / 2
    return [row[0].x - edge, *(card.x + CARD_WIDTH + edge for card in row)]


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    half = (y + to_y) / 2
    return f"C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}"
