"""From scores to an order: which clusters a margin ties (docs/ranking.md)."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from rankscape.studies.ranking.orders.orders import PartialOrder

TieRule = Literal["leader", "chain", "interval"]

_ROUNDING = 1e-9
"""Mean scores such as 30.1 and 20.1 differ by 10 and a little in floating point: that is still the margin."""


def order_of_scores(scores: Mapping[int, float | None], margin: float, ties: TieRule) -> PartialOrder:
    """Turn scores into an order; scores that differ by no more than the margin are tied.

    Being within a margin is not transitive, so the rule has to be named. Scores 30, 22, 14, 6 with margin 10:

    - `leader`: a group takes all within the margin of its first member: {30, 22} > {14, 6}. What the Sichuan report's
      code does (Gong, Zheng & Xie 2024).
    - `chain`: neighbours within the margin join: all four are tied.
    - `interval`: pairs within the margin are equal and nothing more: 30 ~ 22, 22 ~ 14, 14 ~ 6, the rest ordered. A
      semiorder (Luce, Econometrica 1956); it has no levels.

    Args:
        scores: Score of each cluster; a cluster without a score is incomparable with all others.
        margin: Largest difference of tied scores, in points.
        ties: The rule.
    """
    given = {cluster: score for cluster, score in sorted(scores.items()) if score is not None}
    order = _semiorder(given, margin) if ties == "interval" else _weak_order(given, margin, ties)
    return order.extended(scores)


def _weak_order(scores: Mapping[int, float], margin: float, ties: TieRule) -> PartialOrder:
    descending = sorted(scores, key=lambda cluster: (-scores[cluster], cluster))
    levels: list[list[int]] = []
    for cluster in descending:
        anchor = levels[-1][0 if ties == "leader" else -1] if levels else None
        if anchor is not None and scores[anchor] - scores[cluster] <= margin + _ROUNDING:
            levels[-1].append(cluster)
        else:
            levels.append([cluster])
    return PartialOrder.from_levels(levels)


def _semiorder(scores: Mapping[int, float], margin: float) -> PartialOrder:
    return order_of_differences(list(scores), _differences(list(scores.values())) > margin + _ROUNDING)


def _differences(values: Sequence[float]) -> np.ndarray:
    column = np.asarray(values, np.float64)
    return np.asarray(column[:, None] - column[None, :])


def order_of_differences(clusters: Sequence[int], higher: np.ndarray) -> PartialOrder:
    """Make an order in which `higher` (bool, shape (n, n)) and what follows from it is ordered, and all else tied."""
    pairs = [(clusters[a], clusters[b]) for a, b in np.argwhere(higher)]
    order = PartialOrder.from_pairs(clusters, pairs)
    ties = [(clusters[a], clusters[b]) for a, b in np.argwhere(np.triu(order.incomparable()))]
    return PartialOrder.from_pairs(clusters, pairs, tied=ties)
