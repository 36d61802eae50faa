"""Rank vectors of orders that leave pairs open: where a judge says nothing, the others speak."""

from collections.abc import Sequence

import numpy as np

from rankscape.studies.ranking.orders.orders import PartialOrder


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
    above = sum(_above(order) for order in orders)
    compared = sum((~order.incomparable()).astype(np.float64) for order in orders)
    share = np.divide(above, compared, out=np.full(np.shape(above), 0.5), where=np.asarray(compared) > 0)
    return np.array([_ranks(order, share) for order in orders])


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


def _above(order: PartialOrder) -> np.ndarray:
    """1 where the row's cluster is above the column's, 1/2 where they are tied."""
    return np.asarray(order.higher + 0.5 * order.equal)


def _ranks(order: PartialOrder, share: np.ndarray) -> np.ndarray:
    """Average ranks, incomparable pairs put by `share` (the row's cluster above the column's)."""
    votes = np.where(order.incomparable(), share, _above(order))
    return np.asarray(1 + votes.sum(axis=0))


def never_compared(orders: Sequence[PartialOrder]) -> np.ndarray:
    """Return the pairs that every order leaves incomparable; bool, shape (n, n)."""
    return np.asarray(np.logical_and.reduce([order.incomparable() for order in orders]))
