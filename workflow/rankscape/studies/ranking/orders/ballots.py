"""What judges say of clusters as rank vectors and as votes on pairs, how far they agree, and what merging gives."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rankscape.studies.ranking.orders.partial_orders import PartialOrder


@dataclass(frozen=True)
class Merged:
    """Merged ranks and what each judge counts for."""

    ranks: np.ndarray
    """float64, shape (clusters,); 1 is the most developed."""
    weights: np.ndarray
    """float64, shape (judges,); they sum to 1."""
    iterations: int
    """Iterations taken."""
    scale: float | None
    """Scale of the last iteration in ranks (sigma); None for methods without one."""

    @property
    def effective_judges(self) -> float:
        """Number of equally weighted judges that would count as much: 1/sum(weights²)."""
        return float(1 / (self.weights**2).sum())


def uniform(judges: int) -> np.ndarray:
    """Return equal weights, float64, shape (judges,)."""
    return np.full(judges, 1 / judges)


def checked(ranks: np.ndarray) -> np.ndarray:
    """Return rank vectors as a numeric matrix, without a copy where they are one.

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    matrix = shaped(ranks)
    # A sum is finite only if every number is; it takes no copy.
    if not np.isfinite(matrix.sum(dtype=np.float64)):
        raise not_finite(matrix)
    return matrix


def shaped(ranks: np.ndarray) -> np.ndarray:
    """Return rank vectors as a numeric matrix, finite or not.

    Raises:
        ValueError: If `ranks` is no matrix with at least one judge and one cluster.
    """
    matrix = np.asarray(ranks)
    if matrix.dtype.kind not in "iuf":
        matrix = matrix.astype(np.float64)
    if matrix.ndim != 2 or not matrix.size:
        raise not_finite(matrix)
    return matrix


def not_finite(matrix: np.ndarray) -> ValueError:
    """Say what ranks must be."""
    return ValueError(f"ranks must be a finite matrix (judges, clusters), not of shape {matrix.shape}")


def completed_ranks(orders: Sequence[PartialOrder]) -> np.ndarray:
    """Return one rank vector an order, with pairs that it leaves incomparable put as the other orders put them.

    The rank of a cluster is 1 plus, over all other clusters, 1 for each above it, 1/2 for each tied with it, and for
    each that it is incomparable with the share of those orders that compare the two which put the other above (ties
    half; 1/2 if no order compares them). Without incomparable pairs this is the average rank. So a judge who leaves a
    cluster out neither pulls it to the middle nor squeezes the rest, and if every order puts a above b, every
    vector does.

    Args:
        orders: Orders of the same clusters.

    Returns:
        float64, shape (orders, clusters); every row sums to n(n + 1)/2.
    """
    above = sum(_put_above(order) for order in orders)
    compared = sum((~order.incomparable()).astype(np.float64) for order in orders)
    share = np.divide(above, compared, out=np.full(np.shape(above), 0.5), where=np.asarray(compared) > 0)
    return np.array([_completed(order, share) for order in orders])


def report_ranks(orders: Sequence[PartialOrder]) -> np.ndarray:
    """Return the Sichuan report's ranks of each order (`PartialOrder.report_ranks`).

    That report knows no incomparable pairs. An order that has some is completed by the others first, and its levels
    are then its different completed ranks.

    Returns:
        float64, shape (orders, clusters).
    """
    rows = zip(orders, completed_ranks(orders), strict=True)
    return np.array([(_of_ranks(row) if order.incomparable().any() else order).report_ranks() for order, row in rows])


def _of_ranks(ranks: np.ndarray) -> PartialOrder:
    rounded = np.round(ranks, 9)
    return PartialOrder.from_levels([np.flatnonzero(rounded == rank).tolist() for rank in np.unique(rounded)])


def _put_above(order: PartialOrder) -> np.ndarray:
    """1 where the row's cluster is above the column's, 1/2 where they are tied."""
    return np.asarray(order.higher + 0.5 * order.equal)


def _completed(order: PartialOrder, share: np.ndarray) -> np.ndarray:
    """Average ranks, incomparable pairs put by `share` (the row's cluster above the column's)."""
    votes = np.where(order.incomparable(), share, _put_above(order))
    return np.asarray(1 + votes.sum(axis=0))


def never_compared(orders: Sequence[PartialOrder]) -> np.ndarray:
    """Return the pairs that every order leaves incomparable; bool, shape (n, n)."""
    return np.asarray(np.logical_and.reduce([order.incomparable() for order in orders]))


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


def tau_matrix(orders: Sequence[PartialOrder]) -> np.ndarray:
    """Return Kendall's tau-b of every two orders of the same clusters.

    Of all pairs of clusters, those that both orders put the same way less those that they put opposite ways, over the
    geometric mean of the numbers of pairs that each puts either way (Kendall 1945). Tied and incomparable pairs are
    put neither way.

    Returns:
        float64, shape (orders, orders); NaN where an order puts no pair either way.
    """
    upper = np.triu_indices(len(orders[0].clusters), k=1)
    signs = np.array([(order.higher.astype(np.int8) - order.higher.T)[upper] for order in orders], np.float64)
    decided = (signs**2).sum(axis=1)
    scale = np.sqrt(decided[:, None] * decided[None, :])
    return np.asarray(np.divide(signs @ signs.T, scale, out=np.full(scale.shape, np.nan), where=scale > 0))


def mean_tau(matrix: np.ndarray) -> float | None:
    """Return the mean over pairs of different orders; None if there is none that has a tau."""
    values = matrix[np.triu_indices(len(matrix), k=1)]
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else None


def kendall_w(ranks: np.ndarray) -> float | None:
    """Return Kendall's coefficient of concordance with tie correction: 1 if all orders agree, 0 if they cancel out.

    W = 12 S/(m² (n³ - n) - m sum(T_j)), S the squared deviations of the rank sums, T_j = sum(t³ - t) over the ties of
    order j (Kendall & Babington Smith 1939; Siegel 1956). The divisor is m times the squared deviations within the
    orders, which holds for any ranks of constant sum.

    Args:
        ranks: Average ranks, shape (orders, clusters).

    Returns:
        W, or None for a single order or if no order tells any clusters apart.
    """
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    within = float((centred**2).sum())
    if len(ranks) < 2 or within <= 0:
        return None
    return float((centred.sum(axis=0) ** 2).sum() / (len(ranks) * within))
