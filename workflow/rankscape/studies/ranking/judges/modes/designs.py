"""Which pairs of clusters a round compares: all, or a balanced few that still join every cluster with every other."""

from itertools import combinations

import numpy as np

Pair = tuple[int, int]


def pair_design(clusters: tuple[int, ...], pairs_per_cluster: int | None, seed: tuple[int, ...]) -> list[Pair]:
    """Choose pairs of clusters.

    A few pairs make a cyclic design (David, Journal of the Australian Mathematical Society 1963): clusters stand in a
    random circle, and each is compared with those at certain distances along it. Distance 1 is among these, so that
    comparisons join all clusters; the others are drawn. Other seeds give other circles, so that rounds compare other
    pairs.

    Args:
        clusters: Two or more clusters.
        pairs_per_cluster: Pairs that every cluster is in, 2 or more; where that number and the number of clusters are
            both odd, one more. None gives all pairs.
        seed: Seed of the circle and of the distances.

    Returns:
        Pairs with the smaller cluster first, sorted.
    """
    size = len(clusters)
    if pairs_per_cluster is None or pairs_per_cluster >= size - 1:
        return sorted(combinations(sorted(clusters), 2))
    chance = np.random.default_rng(seed)
    circle = [clusters[place] for place in chance.permutation(size)]
    distances = _distances(size, pairs_per_cluster, chance)
    pairs = {(circle[place], circle[(place + distance) % size]) for distance in distances for place in range(size)}
    return sorted({(min(pair), max(pair)) for pair in pairs})


def _distances(size: int, pairs_per_cluster: int, chance: np.random.Generator) -> list[int]:
    """Distances along the circle: each joins a cluster with two others, half of an even circle with one."""
    half = size // 2 if size % 2 == 0 and pairs_per_cluster % 2 else None
    wanted = pairs_per_cluster // 2 if half or pairs_per_cluster % 2 == 0 else pairs_per_cluster // 2 + 1
    others = chance.permutation(np.arange(2, (size - 1) // 2 + 1))[: wanted - 1]
    return [1, *(int(distance) for distance in others), *([half] if half else [])]
