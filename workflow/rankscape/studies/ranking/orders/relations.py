"""Relations of clusters as matrices: ties as classes, transitive closure and reduction, contradictions as cycles."""

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

Pair = tuple[int, int]


def closure(higher: np.ndarray) -> np.ndarray:
    """Add what follows: a above b and b above c put a above c.

    Args:
        higher: bool, shape (n, n); `higher[a, b]` says that a is above b. Must have no cycle.

    Returns:
        The transitive closure, bool, shape (n, n).
    """
    closed = np.array(higher, bool)
    # Lowest first: what stands below a is known in full before a is reached.
    for place in _lowest_first(closed):
        below = np.flatnonzero(closed[place])
        if below.size:
            closed[place] |= closed[below].any(axis=0)
    return closed


def _lowest_first(higher: np.ndarray) -> list[int]:
    waiting = higher.sum(axis=1)
    ready = deque(np.flatnonzero(waiting == 0).tolist())
    order = []
    while ready:
        place = ready.popleft()
        order.append(place)
        above = np.flatnonzero(higher[:, place])
        waiting[above] -= 1
        ready.extend(above[waiting[above] == 0].tolist())
    return order


def reduction(higher: np.ndarray) -> np.ndarray:
    """Leave out what follows from the rest: the edges of the Hasse diagram.

    Args:
        higher: A transitive relation, bool, shape (n, n).

    Returns:
        bool, shape (n, n): a above b with nothing between.
    """
    steps = higher.astype(np.float32)
    return np.asarray(higher & (steps @ steps == 0))


def classes(count: int, equal: Iterable[Pair]) -> np.ndarray:
    """Join places that are equal, directly or through others.

    Returns:
        Class of each place, int, shape (count,): the smallest place in it.
    """
    parent = list(range(count))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for one, other in equal:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    return np.array([root(place) for place in range(count)], int)


def find_cycle(count: int, higher: Sequence[Pair], equal: Sequence[Pair]) -> list[tuple[int, str]]:
    """Find a shortest contradiction: a way from a place down to itself.

    Args:
        count: Places 0 ... count - 1.
        higher: Pairs (a, b), a above b.
        equal: Pairs that are equal, and so can be walked both ways.

    Returns:
        Steps (place, sign to the next place), the last one leading back to the first; empty if there is none.
    """
    steps: list[list[tuple[int, str]]] = [[] for _ in range(count)]
    for one, other in equal:
        steps[one].append((other, "="))
        steps[other].append((one, "="))
    for one, other in higher:
        steps[one].append((other, ">"))
    ways = (_way(steps, low, high) for high, low in higher)
    found = [[(high, ">"), *way] for (high, _), way in zip(higher, ways, strict=True) if way is not None]
    return min(found, key=len, default=[])


def _way(steps: Sequence[Sequence[tuple[int, str]]], start: int, end: int) -> list[tuple[int, str]] | None:
    """Shortest way from start to end as (place, sign to the next); None if there is none."""
    came: dict[int, tuple[int, str] | None] = {start: None}
    todo = deque([start])
    while todo and end not in came:
        place = todo.popleft()
        for following, sign in steps[place]:
            if following not in came:
                came[following] = (place, sign)
                todo.append(following)
    if end not in came:
        return None
    way, step = [], came[end]
    while step is not None:
        way.append(step)
        step = came[step[0]]
    return way[::-1]


def has_cycle(higher: np.ndarray) -> bool:
    """Say whether the relation, bool of shape (n, n), leads from a place down to itself."""
    return len(_lowest_first(higher)) < len(higher)


def depths(higher: np.ndarray) -> np.ndarray:
    """Return the length of the longest way down to each place, 0 for those with none above; int, shape (n,)."""
    result = np.zeros(len(higher), int)
    for place in reversed(_lowest_first(higher)):
        above = result[higher[:, place]]
        result[place] = above.max() + 1 if above.size else 0
    return result
