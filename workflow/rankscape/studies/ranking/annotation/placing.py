"""From the places of cards to a partial order, and where an arrangement contradicts itself."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, Literal

import networkx as nx
import numpy as np

from rankscape.foundation.errors import OrderError
from rankscape.studies.ranking.annotation.document import Annotation, Arrangement, Mark, read_annotation
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.relations import closure, shortest_way

Pair = tuple[int, int]
_SAID = {
    "higher": "more developed than",
    "lower": "less developed than",
    "equal": "as developed as",
    "incomparable": "not comparable with",
}


@dataclass(frozen=True)
class Contradiction:
    """Where an arrangement contradicts itself."""

    kind: Literal["tiers", "circle", "follows", "tied"]
    """A mark against the tiers; marks that lead in a circle; an incomparable pair, or a tie, that is ordered."""
    cards: tuple[int, ...]
    """Cards that take part."""
    marks: tuple[Pair, ...]
    """Marked pairs that take part, as marked."""
    text: str
    """One sentence for the annotator."""


@dataclass
class CardStatements:
    """What an arrangement says of pairs of cards, before conclusions."""

    higher: list[Pair] = field(default_factory=list)
    """(a, b): a is more developed."""
    tied: list[Pair] = field(default_factory=list)
    """Tied with each other, whatever they are to others."""
    apart: list[Mark] = field(default_factory=list)
    """Marked as not comparable."""
    against: list[Mark] = field(default_factory=list)
    """Marks that say something else than the tiers; they count for nothing."""
    marked: list[Mark] = field(default_factory=list)
    """Marks that put a card of the tray above or below another."""


def statements(arrangement: Arrangement) -> CardStatements:
    """Read an arrangement; cards of the deck say nothing yet."""
    said = CardStatements()
    marks = {frozenset((mark.a, mark.b)): mark for mark in arrangement.marks}
    tier_of = {card: number for number, tier in enumerate(arrangement.tiers) for card in tier}
    for high, low in combinations(tier_of, 2):
        mark = marks.pop(frozenset((high, low)), None)
        relation = "equal" if tier_of[high] == tier_of[low] else "higher"
        if mark is not None and mark.relation == "incomparable":
            said.apart.append(mark)
            continue
        (said.tied if relation == "equal" else said.higher).append((high, low))
        if mark is not None and _seen_from(mark, high) != relation:
            said.against.append(mark)
    for mark in marks.values():
        if not {mark.a, mark.b} & set(arrangement.deck):
            _add_mark(said, mark)
    return said


def _seen_from(mark: Mark, card: int) -> str:
    if mark.a == card:
        return mark.relation
    return {"higher": "lower", "lower": "higher"}.get(mark.relation, mark.relation)


def _add_mark(said: CardStatements, mark: Mark) -> None:
    if mark.relation == "incomparable":
        said.apart.append(mark)
    elif mark.relation == "equal":
        said.tied.append((mark.a, mark.b))
    else:
        said.higher.append((mark.a, mark.b) if mark.relation == "higher" else (mark.b, mark.a))
        said.marked.append(mark)


def contradictions(arrangement: Arrangement) -> list[Contradiction]:
    """Find where an arrangement contradicts itself; empty if it is a partial order."""
    said = statements(arrangement)
    found = [_against_tiers(mark) for mark in said.against]
    circles = list(_circles(said))
    broken = {pair for circle in circles for pair in circle.marks}
    for mark in said.marked:
        if (mark.a, mark.b) in broken:
            said.higher.remove((mark.a, mark.b) if mark.relation == "higher" else (mark.b, mark.a))
    cards = sorted({card for tier in arrangement.tiers for card in tier} | set(arrangement.tray))
    above = _Above(cards, said.higher)
    apart = [(mark.a, mark.b, "marked as not comparable") for mark in said.apart]
    tied = [(a, b, "tied") for a, b in said.tied]
    marked = {frozenset((mark.a, mark.b)): (mark.a, mark.b) for mark in arrangement.marks}
    return [*found, *circles, *_ordered_after_all([*apart, *tied], above, marked)]


def _against_tiers(mark: Mark) -> Contradiction:
    text = f"Card {mark.a} is marked {_SAID[mark.relation]} card {mark.b}, but the tiers say otherwise."
    return Contradiction("tiers", (mark.a, mark.b), ((mark.a, mark.b),), text)


def _circles(said: CardStatements) -> Iterator[Contradiction]:
    """Marks that are part of a circle: tiers alone have none."""
    below = nx.DiGraph(said.higher)
    for mark in said.marked:
        high, low = (mark.a, mark.b) if mark.relation == "higher" else (mark.b, mark.a)
        way = shortest_way(below, low, high)
        if way:
            text = f"Card {high} is marked above card {low}, but {_chain(way)}."
            yield Contradiction("circle", tuple(sorted(set(way))), ((mark.a, mark.b),), text)


def _chain(way: list[int]) -> str:
    steps = [f"card {high} is above card {low}" for high, low in pairwise(way)]
    return " and ".join(steps)


class _Above:
    """Which card is above which, conclusions included."""

    def __init__(self, cards: list[int], higher: Iterable[Pair]) -> None:
        self.cards = cards
        self.place = {card: number for number, card in enumerate(cards)}
        matrix = np.zeros((len(cards), len(cards)), bool)
        for high, low in higher:
            matrix[self.place[high], self.place[low]] = True
        self.closed = closure(matrix)

    def between(self, a: int, b: int) -> tuple[int, int, int] | None:
        """Return (higher, between, lower) if a and b are ordered; a card between them shows why."""
        for high, low in ((a, b), (b, a)):
            row, column = self.place[high], self.place[low]
            if self.closed[row, column]:
                middle = np.flatnonzero(self.closed[row] & self.closed[:, column])
                return high, self.cards[int(middle[len(middle) // 2])] if middle.size else low, low
        return None


def _ordered_after_all(
    pairs: Iterable[tuple[int, int, str]], above: _Above, marked: dict[frozenset[int], Pair]
) -> Iterator[Contradiction]:
    for a, b, said in pairs:
        found = above.between(a, b)
        if found is None:
            continue
        high, middle, low = found
        why = f"card {high} is above card {low}"
        if middle not in (high, low):
            why = f"card {high} is above card {middle}, and card {middle} above card {low}"
        parts = [marked.get(frozenset(pair)) for pair in ((a, b), (high, middle), (middle, low))]
        marks = tuple(dict.fromkeys(part for part in parts if part is not None))
        text = f"Cards {a} and {b} are {said}, but {why}."
        yield Contradiction("tied" if said == "tied" else "follows", tuple(sorted({a, b, middle})), marks, text)


def without(arrangement: Arrangement, cards: Collection[int]) -> Arrangement:
    """Return the arrangement without some cards, and without tiers that are empty then."""
    gone = set(cards)
    tiers = (tuple(card for card in tier if card not in gone) for tier in arrangement.tiers)
    return Arrangement(
        tiers=tuple(tier for tier in tiers if tier),
        tray=tuple(card for card in arrangement.tray if card not in gone),
        deck=tuple(card for card in arrangement.deck if card not in gone),
        marks=tuple(mark for mark in arrangement.marks if not {mark.a, mark.b} & gone),
    )


def order_of(annotation: Annotation, origin: str) -> PartialOrder:
    """Make the partial order of the clusters; hidden duplicates have no part in it.

    Args:
        annotation: All cards placed.
        origin: Where it is from, for messages.

    Raises:
        OrderError: If it contradicts itself; the message says where.
    """
    own = without(annotation.arrangement, [card.card for card in annotation.cards if card.duplicate])
    found = contradictions(own)
    if found:
        raise OrderError(f"{origin} contradicts itself: {found[0].text} ({len(found)} in all.)")
    cluster = {card.card: card.cluster for card in annotation.cards}
    said = statements(own)
    higher = [(cluster[high], cluster[low]) for high, low in said.higher]
    tied = [(cluster[a], cluster[b]) for a, b in said.tied]
    return PartialOrder.from_pairs((facts.cluster for facts in annotation.clusters), higher, tied=tied, origin=origin)


def consistency(annotation: Annotation) -> dict[str, Any] | None:
    """Say how far the hidden duplicate lies from its cluster's own card.

    Returns:
        Cluster, its two cards, tiers between them (0: the same tier), and the difference of their average ranks among
        all cards in tiers; the two are null where one lies in the tray. None where no card was dealt twice.
    """
    second = next((card for card in annotation.cards if card.duplicate), None)
    if second is None:
        return None
    first = next(card for card in annotation.cards if card.cluster == second.cluster and not card.duplicate)
    tiers = [tier for tier in annotation.arrangement.tiers if tier]
    tier_of = {card: number for number, tier in enumerate(tiers) for card in tier}
    tiers_apart = ranks_apart = None
    if first.card in tier_of and second.card in tier_of:
        tiers_apart = abs(tier_of[first.card] - tier_of[second.card])
        order = PartialOrder.from_levels(tiers)
        rank = dict(zip(order.clusters, order.ranks().tolist(), strict=True))
        ranks_apart = abs(rank[first.card] - rank[second.card])
    cards = [first.card, second.card]
    return {"cluster": first.cluster, "cards": cards, "tiers_apart": tiers_apart, "ranks_apart": ranks_apart}


def read_finished(path: Path) -> tuple[Annotation, PartialOrder]:
    """Read a finished annotation, and the order that its arrangement makes.

    Raises:
        OrderError: If it is not finished, contradicts itself, or the order written in it is another.
    """
    annotation = read_annotation(path)
    if not annotation.finished:
        raise OrderError(
            f"{path} is not finished ({annotation.placed} of {len(annotation.cards)} cards placed), so it is no order "
            f"yet: finish it with `rankscape ranking annotate --region {annotation.region} "
            f"--annotator {annotation.annotator}`."
        )
    order = order_of(annotation, str(path))
    written = (annotation.result or {}).get("order")
    if written != order.to_document():
        raise OrderError(
            f"{path} was changed by hand: its `result` does not follow from its `arrangement`; mend it on the page "
            f"with `rankscape ranking annotate --continue`, or keep the order as text (.txt)."
        )
    return annotation, order


def made_for_others(path: Path, before: str, now: str) -> str:
    """Say that an annotation was made for other clusters, and how to carry it over."""
    return (
        f"{path} was made for other clusters (fingerprint {before[:12]}, now {now[:12]}), so its numbers no longer "
        f"mean the same: carry it over with `rankscape ranking orders carry {path} --summary clusters.json --clusters "
        f"clusters.parquet`, or take it away and annotate again."
    )
