"""How far orders agree: Kendall's tau-b between pairs of orders, Kendall's W over all (docs/ranking.md)."""

from collections.abc import Sequence

import numpy as np

from rankscape.studies.ranking.orders.orders import PartialOrder


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
    return _correlation(signs)


def tau_of_ranks(ranks: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b of every two rank vectors.

    Args:
        ranks: Shape (orders, clusters); 1 is the most developed.

    Returns:
        float64, shape (orders, orders); NaN where all ranks of an order are equal.
    """
    first, second = np.triu_indices(ranks.shape[1], k=1)
    return _correlation(np.sign(ranks[:, first] - ranks[:, second]))


def _correlation(signs: np.ndarray) -> np.ndarray:
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
