"""Kemeny's rule with ties: the weak order that contradicts the judges' pairs least (docs/methods/ranking.md).

A pair costs 1 for every judge who puts it the opposite way and 1/2 for every judge who ties it where the order does
not, or orders it where the order ties (Kemeny & Snell 1962; Fagin et al., PODS 2004). Judges to whom a pair is
incomparable cost nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from rankscape.studies.ranking.orders.ballots import Totals

EXACT_CLUSTERS = 25
"""So many clusters that have to be decided together are decided exactly; more by local search."""
_TIE = 0.01
"""How little a tie is preferred where two clusters' mean ranks are equal, as a share of the mean ranks' spread."""
_ROUNDING = 1e-9
_SCALE = 4096.0
"""The solver's absolute tolerance is 1e-6; preferences between orders of equal cost are small."""

Buckets = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class KemenyOrder:
    """A weak order and what it costs."""

    buckets: Buckets
    """Places of clusters, best first; those of one bucket are tied."""
    cost: float
    """Judges contradicted, summed over pairs."""
    exact: bool
    """No order costs less."""
    rounds: int
    """Integer programs solved and sweeps of the local search."""


@dataclass(frozen=True)
class Costs:
    """What a pair costs, whichever way it is put."""

    above: np.ndarray
    """float64, shape (n, n): the row's cluster above the column's."""
    tied: np.ndarray
    """float64, shape (n, n), symmetric."""

    def of(self, places: np.ndarray) -> "Costs":
        """Return the costs among some clusters."""
        return Costs(self.above[np.ix_(places, places)], self.tied[np.ix_(places, places)])


def kemeny_order(totals: Totals, most: int = EXACT_CLUSTERS, start: np.ndarray | None = None) -> KemenyOrder:
    """Find a weak order of least cost.

    Clusters fall apart into groups such that every cluster of a group is best put above every cluster of the next,
    pair by pair; then no order costs less than one that keeps the groups apart, and each is decided by itself (the
    extended Condorcet criterion; Truchon 1998).

    Args:
        totals: Judges by pair.
        most: Largest group that is decided exactly; the local search begins with the order of the mean ranks.
        start: Ranks of any kind, shape (n,), with which the local search begins too; the cheaper end is taken.
    """
    plain = costs_of(totals)
    costs = _with_preference(plain, totals)
    buckets: list[tuple[int, ...]] = []
    exact, rounds = True, 0
    for group in _groups(costs):
        own = costs.of(group)
        if len(group) <= max(1, most):
            split, solved = exact_order(own)
        else:
            starts = [_borda(own), *([] if start is None else [start[group]])]
            ends = [local_order(own, begin) for begin in starts]
            split, solved = min(ends, key=lambda end: cost_of(end[0], own))
            exact = False
        buckets += [tuple(int(place) for place in group[list(bucket)]) for bucket in split]
        rounds += solved
    order = tuple(buckets)
    return KemenyOrder(order, cost_of(order, plain), exact, rounds)


def costs_of(totals: Totals) -> Costs:
    """Return what every pair costs."""
    return Costs(totals.higher.T + totals.equal / 2, (totals.higher + totals.higher.T) / 2)


def cost_of(buckets: Sequence[Sequence[int]], costs: Costs) -> float:
    """Return what an order costs."""
    level = levels_of_buckets(buckets)
    above, tied = level[:, None] < level[None, :], level[:, None] == level[None, :]
    return float(costs.above[above].sum() + np.triu(costs.tied * tied, k=1).sum())


def levels_of_buckets(buckets: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the number of each place's bucket, int, shape (n,)."""
    level = np.zeros(sum(map(len, buckets)), int)
    for number, bucket in enumerate(buckets):
        level[list(bucket)] = number
    return level


def average_ranks(buckets: Sequence[Sequence[int]]) -> np.ndarray:
    """Return average ranks, float64, shape (n,): a bucket of b after c better ones gets c + (b + 1)/2."""
    ranks = np.zeros(sum(map(len, buckets)))
    better = 0
    for bucket in buckets:
        ranks[list(bucket)] = better + (len(bucket) + 1) / 2
        better += len(bucket)
    return ranks


def _with_preference(costs: Costs, totals: Totals) -> Costs:
    """Add what decides between orders of equal cost, too little to decide between others.

    Votes are whole numbers, so costs differ by 1/2 at least; the preference sums to less than 1/4.
    """
    votes = totals.higher + totals.equal / 2
    asked = votes + votes.T
    ranks = np.divide(votes, asked, out=np.full(votes.shape, 0.5), where=asked > 0).sum(axis=0)
    spread = float(np.ptp(ranks)) or 1.0
    preference = (ranks[:, None] - ranks[None, :]) / spread
    preference[np.abs(preference) <= _ROUNDING] = 0.0
    return Costs(costs.above + (preference + _TIE) / (4.1 * max(1, len(ranks) ** 2)), costs.tied)


def _groups(costs: Costs) -> Iterator[np.ndarray]:
    """Yield the groups that can be decided apart, best first, as places in ascending order."""
    surely_above = costs.above + _ROUNDING < np.minimum(costs.above.T, costs.tied)
    count, group = connected_components(csr_array(~surely_above.T), connection="strong")
    below = surely_above.sum(axis=1)
    # Groups stand in a line: every cluster of a group is surely above all of the later groups, and none outside these.
    members = [np.flatnonzero(group == number) for number in range(count)]
    yield from sorted(members, key=lambda own: surely_above[own[0], own].sum() - below[own[0]])


def exact_order(costs: Costs) -> tuple[Buckets, int]:
    """Find a weak order of least cost by integer programming (HiGHS).

    x_ij = 1 if i is above or level with j. Every pair has x_ij + x_ji >= 1, and x_ij + x_jk - x_ik <= 1 makes the
    relation transitive; of these only the ones that a solution breaks are added, until it breaks none.

    Args:
        costs: Costs among k clusters.

    Returns:
        The order and the number of integer programs.
    """
    count = len(costs.above)
    number = np.zeros((count, count), int)
    row, column = np.nonzero(~np.eye(count, dtype=bool))
    number[row, column] = np.arange(len(row))
    first, second = np.triu_indices(count, k=1)
    constraints = [LinearConstraint(_rows([number[first, second], number[second, first]], [1, 1], len(row)), lb=1)]
    level, rounds, broken = np.eye(count, dtype=bool), 0, count > 1
    while broken:
        level[row, column] = _solved(_SCALE * (costs.tied - costs.above.T)[row, column], constraints)
        rounds += 1
        i, j, k = np.nonzero(level[:, :, None] & level[None, :, :] & ~level[:, None, :])
        broken = len(i) > 0
        transitive = _rows([number[i, j], number[j, k], number[i, k]], [1, 1, -1], len(row))
        constraints.append(LinearConstraint(transitive, ub=1))
    return _buckets(level.sum(axis=0)), rounds


def _solved(objective: np.ndarray, constraints: Sequence[LinearConstraint]) -> np.ndarray:
    """Return which of the variables, 0 or 1, are 1 where the objective is least."""
    exact = {"mip_rel_gap": 0}
    found = milp(
        objective, integrality=np.ones(len(objective)), bounds=Bounds(0, 1), constraints=constraints, options=exact
    )
    return np.asarray(found.x > 0.5)


def _rows(columns: Sequence[np.ndarray], signs: Sequence[int], width: int) -> csr_array:
    """One constraint a row: the signs at the columns."""
    count = len(columns[0])
    places = np.concatenate(columns)
    values = np.repeat(np.asarray(signs, float), count)
    return csr_array((values, (np.tile(np.arange(count), len(columns)), places)), shape=(count, width))


def _buckets(above_or_level: np.ndarray) -> Buckets:
    """Buckets from how many clusters are above or level with each."""
    return tuple(tuple(np.flatnonzero(above_or_level == number).tolist()) for number in np.unique(above_or_level))


def _borda(costs: Costs) -> np.ndarray:
    """Order by how much it costs to be above all others; int, shape (n,): one bucket each."""
    order = np.argsort((costs.above - costs.above.T).sum(axis=1), kind="stable")
    level = np.empty(len(order), int)
    level[order] = np.arange(len(order))
    return level


def local_order(costs: Costs, start: np.ndarray) -> tuple[Buckets, int]:
    """Improve an order by moving single clusters, into a bucket or between two, until no move gains.

    Such an order keeps to what all judges say of a pair.

    Args:
        costs: Costs among n clusters.
        start: Bucket of every cluster, int, shape (n,); 0 is the best.

    Returns:
        The order and the number of sweeps over all clusters.
    """
    level = np.unique(start, return_inverse=True)[1]
    sweeps, moved = 0, True
    while moved:
        sweeps, moved = sweeps + 1, False
        for place in range(len(level)):
            best = _best_place(costs, level, place)
            if best is not None:
                level, moved = best, True
    return _buckets(level), sweeps


def _best_place(costs: Costs, level: np.ndarray, place: int) -> np.ndarray | None:
    """Move one cluster where it costs least; None if it is there already."""
    others = np.ones(len(level), bool)
    others[place] = False
    size = int(level.max()) + 1
    above, tied, below = (
        np.bincount(level[others], weights=cost[others], minlength=size)
        for cost in (costs.above[place], costs.tied[place], costs.above[:, place])
    )
    # gaps[g]: between the buckets g - 1 and g.
    gaps = np.concatenate([[0.0], np.cumsum(below)]) + np.concatenate([np.cumsum(above[::-1])[::-1], [0.0]])
    inside = gaps[:-1] - above + tied
    gap, bucket = int(gaps.argmin()), int(inside.argmin())
    if min(gaps[gap], inside[bucket]) >= inside[level[place]] - _ROUNDING:
        return None
    moved = 2 * level
    moved[place] = 2 * bucket if inside[bucket] <= gaps[gap] else 2 * gap - 1
    return np.unique(moved, return_inverse=True)[1]
