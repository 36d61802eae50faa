"""What judges say of pairs of clusters: the votes that Kemeny's rule and the Bradley-Terry model count."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rankscape.studies.ranking.orders.orders import PartialOrder

_SAME = 1e-9
"""Ranks that differ by no more are equal: means of ranks are rounded."""
_BLOCK_NUMBERS = 1 << 17


@dataclass(frozen=True)
class Totals:
    """How many judges put each pair of clusters how."""

    higher: np.ndarray
    """float64, shape (n, n): judges that put the row's cluster above the column's."""
    equal: np.ndarray
    """float64, shape (n, n), symmetric, 0 on the diagonal: judges that tie the two."""


@dataclass(frozen=True)
class Votes:
    """What each judge says of each pair of clusters."""

    clusters: int
    """Number of clusters, n; pairs are those of `numpy.triu_indices(n, k=1)`."""
    signs: np.ndarray
    """int8, shape (judges, pairs): 1 if the first is above the second, -1 if below, 0 if tied or open."""
    compared: np.ndarray
    """bool, shape (judges, pairs): the judge puts the pair some way; open pairs are incomparable to the judge."""


def votes_of_ranks(ranks: np.ndarray) -> Votes:
    """Return the votes of rank vectors, shape (judges, clusters): every pair is compared, equal ranks are ties."""
    first, second = np.triu_indices(ranks.shape[1], k=1)
    below = ranks[:, second] - np.asarray(ranks[:, first], np.float64)
    signs = np.where(np.abs(below) <= _SAME, 0, np.sign(below)).astype(np.int8)
    return Votes(ranks.shape[1], signs, np.ones(signs.shape, bool))


def votes_of_orders(orders: Sequence[PartialOrder]) -> Votes:
    """Return the votes of orders of the same clusters."""
    upper = np.triu_indices(len(orders[0].clusters), k=1)
    signs = np.array([(order.higher.astype(np.int8) - order.higher.T)[upper] for order in orders], np.int8)
    compared = np.array([~order.incomparable()[upper] for order in orders], bool)
    return Votes(len(orders[0].clusters), signs, compared)


def totals_of_votes(votes: Votes, counts: np.ndarray) -> Totals:
    """Count votes.

    Args:
        votes: What each judge says.
        counts: How often each judge counts, shape (judges,).
    """
    higher, equal = (np.zeros((votes.clusters, votes.clusters)) for _ in range(2))
    first, second = np.triu_indices(votes.clusters, k=1)
    higher[first, second], higher[second, first] = counts @ (votes.signs > 0), counts @ (votes.signs < 0)
    equal[first, second] = counts @ (votes.compared & (votes.signs == 0))
    return Totals(higher, equal + equal.T)


def totals_of_ranks(ranks: np.ndarray) -> Totals:
    """Count the votes of rank vectors, shape (judges, clusters), without keeping them."""
    judges, clusters = ranks.shape
    higher, equal = (np.zeros((clusters, clusters)) for _ in range(2))
    rows = max(1, _BLOCK_NUMBERS // clusters)
    for start in range(0, judges, rows):
        block = np.asarray(ranks[start : start + rows], np.float64)
        for cluster in range(clusters):
            below = block - block[:, cluster : cluster + 1]
            higher[cluster] += np.count_nonzero(below > _SAME, axis=0)
            equal[cluster] += np.count_nonzero(np.abs(below) <= _SAME, axis=0)
    np.fill_diagonal(equal, 0)
    return Totals(higher, equal)
