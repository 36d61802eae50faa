"""Partial orders of clusters: four relations, read from levels, pairs, text or files (docs/methods/ranking.md)."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rankscape.foundation.errors import OrderError
from rankscape.studies.ranking.orders.notation import Pair, Statements, read_statements, write_levels, write_pairs
from rankscape.studies.ranking.orders.relations import classes, closure, depths, find_cycle, has_cycle, reduction

Relation = Literal["higher", "lower", "equal", "incomparable"]
_OPPOSITE: dict[Relation, Relation] = {
    "higher": "lower",
    "lower": "higher",
    "equal": "equal",
    "incomparable": "incomparable",
}


@dataclass(frozen=True, eq=False)
class PartialOrder:
    """Which of two clusters is more developed, for every pair that the order speaks of.

    `equal` need not be transitive: scores within a margin of each other tie 30 with 22 and 22 with 14, but not 30 with
    14 (a semiorder; Luce, Econometrica 1956). Make orders with the class methods: they draw all conclusions and refuse
    contradictions.
    """

    clusters: tuple[int, ...]
    """Cluster numbers in ascending order; place i of the matrices is `clusters[i]`."""
    higher: np.ndarray
    """bool, shape (n, n), transitive: the row's cluster is more developed than the column's."""
    equal: np.ndarray
    """bool, shape (n, n), symmetric, false on the diagonal."""

    @classmethod
    def from_levels(cls, levels: Sequence[Collection[int]], clusters: Iterable[int] | None = None) -> "PartialOrder":
        """Make a weak order from levels, best first; clusters of one level are equal.

        Args:
            levels: Each cluster in exactly one level.
            clusters: What must be ranked; by default what the levels hold.

        Raises:
            OrderError: If a cluster is missing, unknown or stands in two levels; the message names it.
        """
        members = [cluster for level in levels for cluster in level]
        twice = sorted(cluster for cluster, count in Counter(members).items() if count > 1)
        if twice:
            raise OrderError(f"Clusters {twice} stand in two levels: each belongs to one.")
        known = tuple(sorted(members if clusters is None else clusters))
        check_clusters(members, known, "The levels")
        level_of = {cluster: number for number, level in enumerate(levels) for cluster in level}
        numbers = np.array([level_of[cluster] for cluster in known], int)
        return cls._frozen(known, numbers[:, None] < numbers[None, :], numbers[:, None] == numbers[None, :])

    @classmethod
    def from_pairs(
        cls,
        clusters: Iterable[int],
        higher: Iterable[Pair],
        equal: Iterable[Pair] = (),
        tied: Iterable[Pair] = (),
        origin: str = "The order",
    ) -> "PartialOrder":
        """Make an order from statements on pairs; what follows from them is added.

        Args:
            clusters: What is ranked; pairs that nothing is said of, and nothing follows for, are incomparable.
            higher: (a, b), a more developed than b.
            equal: Alike pairs: what holds of one holds of the other, so ties join into classes.
            tied: Tied pairs that are not alike otherwise.
            origin: Where the statements are from, for messages.

        Raises:
            OrderError: If a pair names an unknown cluster, or the statements contradict each other; the message shows
                the cycle.
        """
        known = tuple(sorted(set(clusters)))
        place = {cluster: number for number, cluster in enumerate(known)}
        higher, equal, tied = list(higher), list(equal), list(tied)
        check_clusters([c for pair in (*higher, *equal, *tied) for c in pair], known, origin, all_needed=False)
        above = [(place[a], place[b]) for a, b in higher]
        alike = [(place[a], place[b]) for a, b in equal]
        group = classes(len(known), alike)
        stated = _matrix(len(known), [(group[a], group[b]) for a, b in above])
        if has_cycle(stated):
            raise OrderError(f"{origin} contradicts itself: {_shown(find_cycle(len(known), above, alike), known)}.")
        closed = closure(stated)[np.ix_(group, group)]
        ties = _matrix(len(known), [(group[place[a]], group[place[b]]) for a, b in tied])[np.ix_(group, group)]
        ties |= ties.T | (group[:, None] == group[None, :])
        _refuse_tied_and_ordered(ties & closed, known, origin)
        return cls._frozen(known, closed, ties)

    @classmethod
    def parse(cls, text: str, clusters: Iterable[int] | None = None, origin: str = "The text") -> "PartialOrder":
        """Read an order from text: an annotator's line such as `3=4>1>0=2`, or a graph's lines; see `notation`.

        Args:
            text: The lines; all hold at once.
            clusters: What must be named; by default whatever the text names.
            origin: Where the text is from, for messages.

        Raises:
            OrderError: If a line cannot be read, a cluster is unknown or missing, or the lines contradict each other.
        """
        said: Statements = read_statements(text, origin)
        known = said.named if clusters is None else set(clusters)
        check_clusters(said.named, known, origin)
        return cls.from_pairs(known, said.higher, said.equal, said.tied, origin)

    @classmethod
    def from_document(cls, document: Mapping[str, Any], origin: str) -> "PartialOrder":
        """Read an order from the `clusters` and `relations` of an order's file.

        Raises:
            OrderError: If the document is no order, names unknown clusters, or contradicts itself.
        """
        try:
            clusters = [int(cluster) for cluster in document["clusters"]]
            rows = [(int(a), int(b), str(relation)) for a, b, relation in document["relations"]]
        except (KeyError, TypeError, ValueError) as error:
            raise OrderError(f"{origin} is no partial order ({error!r}): make it again.") from None
        strange = sorted({relation for *_, relation in rows} - set(_OPPOSITE))
        if strange:
            raise OrderError(f"{origin} has the relations {strange}; known are {list(_OPPOSITE)}.")
        higher = [(a, b) if name == "higher" else (b, a) for a, b, name in rows if name in ("higher", "lower")]
        tied = [(a, b) for a, b, name in rows if name == "equal"]
        return cls.from_pairs(clusters, higher, tied=tied, origin=origin)

    @classmethod
    def _frozen(cls, clusters: tuple[int, ...], higher: np.ndarray, equal: np.ndarray) -> "PartialOrder":
        equal = equal & ~np.eye(len(clusters), dtype=bool)
        for matrix in (higher, equal):
            matrix.setflags(write=False)
        return cls(clusters, higher, equal)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PartialOrder):
            return NotImplemented
        same = (np.array_equal(getattr(self, name), getattr(other, name)) for name in ("higher", "equal"))
        return self.clusters == other.clusters and all(same)

    def __hash__(self) -> int:
        return hash((self.clusters, self.higher.tobytes(), self.equal.tobytes()))

    def relation(self, one: int, other: int) -> Relation:
        """Say what `one` is to `other`: higher, lower, equal or incomparable.

        Raises:
            OrderError: If a cluster is not in the order.
        """
        check_clusters((one, other), self.clusters, "The question", all_needed=False)
        first, second = self.clusters.index(one), self.clusters.index(other)
        if first == second or self.equal[first, second]:
            return "equal"
        if self.higher[first, second]:
            return "higher"
        return "lower" if self.higher[second, first] else "incomparable"

    def incomparable(self) -> np.ndarray:
        """Return which pairs the order says nothing of; bool, shape (n, n), false on the diagonal."""
        return np.asarray(~(self.higher | self.higher.T | self.equal | np.eye(len(self.clusters), dtype=bool)))

    def ranks(self) -> np.ndarray:
        """Return average ranks, float64, shape (n,) in the order of `clusters`; 1 is the most developed.

        A level of b clusters after c better ones gets c + (b + 1)/2 (Kendall, Biometrika 1945). In a true partial order
        a cluster gets the middle of the places that it can take, 1 + above + (neither above nor below)/2: the Borda
        count for partially ordered ballots (Cullinan, Hsiao & Polett, Social Choice and Welfare 2014), the same number
        for levels. Ranks always sum to n(n + 1)/2.
        """
        above, below = self.higher.sum(axis=0), self.higher.sum(axis=1)
        return np.asarray(1 + above + (len(self.clusters) - 1 - above - below) / 2, np.float64)

    def report_ranks(self) -> np.ndarray:
        """Return the Sichuan report's ranks (its equation 1): the number of the level plus half the ties.

        They can invert an order: in `0=1=2=3=4>5=6` the better level gets 3, the worse 2.5. Only for reproducing that
        report (Gong, Zheng & Xie 2024).
        """
        return np.asarray(depths(self.higher) + 1 + self.equal.sum(axis=1) / 2, np.float64)

    def levels(self) -> tuple[tuple[int, ...], ...] | None:
        """Return the levels, best first, or None where pairs are incomparable or ties do not join."""
        above = self.higher.sum(axis=0)
        if self.incomparable().any() or not np.array_equal(self.higher, above[:, None] < above[None, :]):
            return None
        return tuple(
            tuple(cluster for cluster, count in zip(self.clusters, above, strict=True) if count == level)
            for level in np.unique(above)
        )

    def edges(self) -> list[Pair]:
        """Return the transitive reduction: (higher, lower) with nothing between, in ascending order."""
        return [(self.clusters[a], self.clusters[b]) for a, b in np.argwhere(reduction(self.higher))]

    def restricted(self, clusters: Iterable[int]) -> "PartialOrder":
        """Return the order among some of its clusters.

        Raises:
            OrderError: If one of them is not in the order.
        """
        kept = tuple(sorted(set(clusters)))
        check_clusters(kept, self.clusters, "The selection", all_needed=False)
        places = [self.clusters.index(cluster) for cluster in kept]
        return self._frozen(kept, self.higher[np.ix_(places, places)], self.equal[np.ix_(places, places)])

    def extended(self, clusters: Iterable[int]) -> "PartialOrder":
        """Return the order with further clusters, incomparable with all."""
        known = tuple(sorted({*self.clusters, *clusters}))
        places = [known.index(cluster) for cluster in self.clusters]
        higher, equal = (np.zeros((len(known), len(known)), bool) for _ in range(2))
        higher[np.ix_(places, places)], equal[np.ix_(places, places)] = self.higher, self.equal
        return self._frozen(known, higher, equal)

    def to_text(self) -> str:
        """Write the order as text that `parse` reads back: one line of levels, or graph lines where it has none."""
        levels = self.levels()
        if levels is not None:
            return write_levels(levels)
        groups: dict[bytes, list[int]] = {}
        for cluster, up, down, ties in zip(
            self.clusters, self.higher, self.higher.T, self.equal | np.eye(len(self.clusters), dtype=bool), strict=True
        ):
            groups.setdefault(np.packbits([up, down, ties]).tobytes(), []).append(cluster)
        heads = self.restricted(group[0] for group in groups.values())
        alike = [group for group in groups.values() if len(group) > 1]
        return write_pairs(heads.clusters, heads.relation, heads.edges(), alike)

    def to_document(self) -> dict[str, Any]:
        """Return clusters, the relation of every pair a < b, levels and text, as they are in an order's file."""
        pairs = [(a, b) for place, a in enumerate(self.clusters) for b in self.clusters[place + 1 :]]
        levels = self.levels()
        return {
            "clusters": list(self.clusters),
            "relations": [[a, b, self.relation(a, b)] for a, b in pairs],
            "levels": None if levels is None else [list(level) for level in levels],
            "text": self.to_text(),
        }


def check_clusters(given: Iterable[int], known: Iterable[int], origin: str, *, all_needed: bool = True) -> None:
    """Refuse unknown clusters, and missing ones where all are needed.

    Raises:
        OrderError: Naming the clusters.
    """
    given, known = set(given), set(known)
    unknown, missing = sorted(given - known), sorted(known - given)
    if unknown:
        raise OrderError(f"{origin} names the clusters {unknown}, which do not exist; there are {sorted(known)}.")
    if missing and all_needed:
        raise OrderError(
            f"{origin} lacks the clusters {missing}: place them, or write each alone on a line to leave it out."
        )


def _matrix(count: int, pairs: Iterable[tuple[int, int]]) -> np.ndarray:
    matrix = np.zeros((count, count), bool)
    for row, column in pairs:
        matrix[row, column] = True
    return matrix


def _shown(cycle: Sequence[tuple[int, str]], clusters: Sequence[int]) -> str:
    steps = " ".join(f"{clusters[place]} {sign}" for place, sign in cycle)
    return f"{steps} {clusters[cycle[0][0]]}"


def _refuse_tied_and_ordered(both: np.ndarray, clusters: Sequence[int], origin: str) -> None:
    if both.any():
        above, below = (clusters[place] for place in np.argwhere(both)[0])
        raise OrderError(f"{origin} contradicts itself: {above} > {below} follows from it, and {above} ~ {below}.")
