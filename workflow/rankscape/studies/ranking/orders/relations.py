"""Relations of clusters as matrices and graphs: conclusions, contradictions as cycles, depths (by networkx)."""

from collections.abc import Iterable, Sequence

import networkx as nx
import numpy as np

Pair = tuple[int, int]


def _graph(higher: np.ndarray) -> nx.DiGraph:
    return nx.from_numpy_array(higher, create_using=nx.DiGraph)


def closure(higher: np.ndarray) -> np.ndarray:
    """Add what follows: a above b and b above c put a above c.

    Args:
        higher: bool, shape (n, n); `higher[a, b]` says that a is above b. Must have no cycle.

    Returns:
        The transitive closure, bool, shape (n, n).
    """
    return np.asarray(nx.to_numpy_array(nx.transitive_closure_dag(_graph(higher))) > 0)


def reduction(higher: np.ndarray) -> np.ndarray:
    """Leave out what follows from the rest: the edges of the Hasse diagram.

    Args:
        higher: A relation without cycles, bool, shape (n, n).

    Returns:
        bool, shape (n, n): a above b with nothing between.
    """
    reduced = nx.transitive_reduction(_graph(higher))
    return np.asarray(nx.to_numpy_array(reduced, nodelist=range(len(higher))) > 0)


def classes(count: int, equal: Iterable[Pair]) -> np.ndarray:
    """Join places that are equal, directly or through others.

    Returns:
        Class of each place, int, shape (count,): the smallest place in it.
    """
    graph = nx.empty_graph(count)
    graph.add_edges_from(equal)
    smallest = np.arange(count)
    for members in nx.connected_components(graph):
        smallest[list(members)] = min(members)
    return smallest


def find_cycle(count: int, higher: Sequence[Pair], equal: Sequence[Pair]) -> list[tuple[int, str]]:
    """Find a shortest contradiction: a way from a place down to itself.

    Args:
        count: Places 0 ... count - 1.
        higher: Pairs (a, b), a above b.
        equal: Pairs that are equal, and so can be walked both ways.

    Returns:
        Steps (place, sign to the next place), the last one leading back to the first; empty if there is none.
    """
    steps = nx.empty_graph(count, create_using=nx.DiGraph)
    steps.add_edges_from([way for one, other in equal for way in ((one, other), (other, one))], sign="=")
    steps.add_edges_from([pair for pair in higher if not steps.has_edge(*pair)], sign=">")
    ways = ((high, shortest_way(steps, low, high)) for high, low in higher)
    found = [
        [(high, ">"), *((place, steps.edges[place, following]["sign"]) for place, following in nx.utils.pairwise(way))]
        for high, way in ways
        if way
    ]
    return min(found, key=len, default=[])


def shortest_way(steps: nx.DiGraph, start: int, end: int) -> list[int]:
    """Return the shortest way from start to end, both included; empty if there is none."""
    found = nx.single_source_shortest_path(steps, start) if start in steps else {}
    return list(found.get(end, ()))


def has_cycle(higher: np.ndarray) -> bool:
    """Say whether the relation, bool of shape (n, n), leads from a place down to itself."""
    return not nx.is_directed_acyclic_graph(_graph(higher))


def depths(higher: np.ndarray) -> np.ndarray:
    """Return the length of the longest way down to each place, 0 for those with none above; int, shape (n,)."""
    result = np.zeros(len(higher), int)
    for depth, places in enumerate(nx.topological_generations(_graph(higher))):
        result[places] = depth
    return result
