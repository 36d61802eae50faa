"""Levels: the best split of merged ranks into groups (docs/ranking.md)."""

import numpy as np

_SAME = 9
"""Decimals to which ranks that differ by rounding alone are the same."""


def levels_of(ranks: np.ndarray, count: int | None = None, fewest: int = 2) -> np.ndarray:
    """Split ranks into levels by exact one-dimensional k-means.

    Args:
        ranks: float64, shape (n,); 1 is the most developed.
        count: Number of levels; None takes the number with the largest mean silhouette (Rousseeuw 1987), the smaller
            one of equals. Never more than there are different ranks.
        fewest: Smallest number that the silhouette may choose; so many different ranks or fewer stay apart.

    Returns:
        Level of each rank, int, shape (n,); 0 is the best. Equal ranks share a level.
    """
    values, place, sizes = np.unique(np.round(ranks, _SAME), return_inverse=True, return_counts=True)
    splits = best_splits(values, sizes, len(values) if count is None else min(count, len(values)))
    if count is not None or len(values) <= fewest:
        return np.asarray(splits[-1][place])
    choices = [splits[k - 1][place] for k in range(fewest, len(values))]
    return max(choices, key=lambda labels: round(silhouette(ranks, labels), _SAME))


def best_splits(values: np.ndarray, sizes: np.ndarray, most: int) -> list[np.ndarray]:
    """Return the splits of sorted values into 1 ... most groups with the least sum of squares within.

    Dynamic programming over the last group's start (Fisher 1958; Wang & Song, The R Journal 2011): exact, where k-means
    with random starts is not.

    Args:
        values: Different values in ascending order, shape (n,).
        sizes: How often each occurs.
        most: Largest number of groups, at most n.

    Returns:
        For each number of groups, the group of every value, int, shape (n,).
    """
    cost = _costs(values, sizes)
    best, starts = cost[0], [np.zeros(len(values), int)]
    for _ in range(1, most):
        # total[s, e]: values up to s - 1 in one group fewer, the rest up to e in the last group.
        total = np.concatenate([[np.inf], best[:-1]])[:, None] + cost
        starts.append(total.argmin(axis=0))
        best = total.min(axis=0)
    return [_trace(starts[:groups]) for groups in range(1, most + 1)]


def _costs(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Sum of squares within the group from place s to place e; infinite where e < s."""
    centred = values - np.average(values, weights=sizes)
    count, first, second = (np.concatenate([[0.0], np.cumsum(sizes * centred**power)]) for power in range(3))
    members, sums, squares = (c[None, 1:] - c[:-1, None] for c in (count, first, second))
    upper = np.triu(np.ones((len(values), len(values)), bool))
    within = squares - np.divide(sums**2, members, out=np.zeros_like(sums), where=upper)
    return np.where(upper, np.maximum(within, 0.0), np.inf)


def _trace(starts: list[np.ndarray]) -> np.ndarray:
    groups = np.zeros(len(starts[0]), int)
    end = len(groups) - 1
    for group in range(len(starts) - 1, 0, -1):
        start = int(starts[group][end])
        groups[start : end + 1] = group
        end = start - 1
    return groups


def silhouette(ranks: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean silhouette of a split into two groups or more; a member alone in its group counts 0."""
    distances = np.abs(ranks[:, None] - ranks[None, :])
    members = labels[:, None] == np.unique(labels)[None, :]
    sums, sizes = distances @ members, members.sum(axis=0)
    own = members.argmax(axis=1)
    everyone = np.arange(len(ranks))
    inside = sums[everyone, own] / np.maximum(sizes[own] - 1, 1)
    others = np.where(members, np.inf, sums / sizes).min(axis=1)
    larger = np.maximum(inside, others)
    gain = np.divide(others - inside, larger, out=np.zeros(len(ranks)), where=(larger > 0) & (sizes[own] > 1))
    return float(gain.mean())
