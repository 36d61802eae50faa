"""Which patches an epoch shows, and in what order."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rankscape.foundation.errors import OrderError, SettingsError
from rankscape.studies.ranking.orders.partial_orders import PartialOrder

Balance = Literal["levels", "clusters", "patches"]


def epoch_order(
    clusters: np.ndarray, levels: np.ndarray, balance: Balance, generator: np.random.Generator
) -> np.ndarray:
    """Draw one epoch: as many patches as there are, in random order.

    Clusters differ in size by two orders of magnitude and levels in their number of clusters. Shown as they come, the
    rare ones (towns) would hardly move the network, and its scores would shrink to those of the common ones. `levels`
    shows every level equally often, and within a level every cluster; `clusters` every cluster; `patches` every patch
    once. A patch that is shown again comes up only after all others of its cluster.

    Args:
        clusters: Cluster of every patch, int64, shape (n,).
        levels: Level of every patch, int64, shape (n,).
        balance: What is shown equally often.
        generator: Source of chance.

    Returns:
        Positions of patches, int64, shape (n,).
    """
    if balance == "patches":
        return generator.permutation(len(clusters))
    outer = np.zeros_like(levels) if balance == "clusters" else levels
    drawn: list[np.ndarray] = []
    for group, share in zip(np.unique(outer), _even(len(clusters), len(np.unique(outer)), generator), strict=True):
        members = np.unique(clusters[outer == group])
        for cluster, count in zip(members, _even(share, len(members), generator), strict=True):
            drawn.append(_repeated(np.flatnonzero(clusters == cluster), count, generator))
    return generator.permutation(np.concatenate(drawn))


def balance_weights(clusters: np.ndarray, levels: np.ndarray, balance: Balance) -> np.ndarray:
    """Return how much every patch counts, as `epoch_order` shows it: float64, shape (n,), mean 1.

    Args:
        clusters: Cluster of every patch, shape (n,).
        levels: Level of every patch, shape (n,).
        balance: What counts alike: levels (and in each its clusters), clusters, or patches.
    """
    if balance == "patches":
        return np.ones(len(clusters))
    weights: np.ndarray = 1 / _count(clusters)
    if balance == "levels":
        weights = weights / _clusters_beside(clusters, levels)
    return np.asarray(weights * (len(weights) / weights.sum()))


def _count(groups: np.ndarray) -> np.ndarray:
    """Number of members that the group of every patch has."""
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    found: np.ndarray = counts[inverse]
    return found


def _clusters_beside(clusters: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Number of clusters in the level of every patch."""
    names, inverse = np.unique(levels, return_inverse=True)
    found: np.ndarray = np.array([len(np.unique(clusters[levels == level])) for level in names])[inverse]
    return found


def batches(order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Cut an epoch into batches; a last one of a single patch joins the one before: batch normalisation needs two."""
    cuts = list(range(batch_size, len(order), batch_size))
    if cuts and len(order) - cuts[-1] == 1:
        cuts.pop()
    return np.split(order, cuts)


def chain_batches(
    labels: np.ndarray, order: PartialOrder, batch_size: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Draw one epoch of batches, each from a chain of the order, with equally many images of every level of the chain.

    There are as many batches as `batches` makes of the patches. Chains start from every cluster equally often, so tied
    clusters and rare branches are all trained on; within a level the images are shared among its clusters. A patch is
    shown again only after all others of its cluster. Clusters that the order leaves incomparable never share a batch.

    Args:
        labels: Cluster of every patch, int64, shape (n,).
        order: What the clusters are to each other.
        batch_size: Largest number of images in a batch; what does not divide by the levels of its chain is left out.
        generator: Source of chance.

    Returns:
        Positions of patches, int64, one array a batch.

    Raises:
        OrderError: If the order puts no two of the clusters one above the other.
        SettingsError: If a chain has more levels than a batch has images.
    """
    among = order.restricted(np.unique(labels).tolist())
    starts = np.flatnonzero((among.higher | among.higher.T).any(axis=1))
    if not len(starts):
        raise OrderError(f"The order ranks no two of the clusters {list(among.clusters)} that can be trained on.")
    decks = [_Deck(np.flatnonzero(labels == cluster), generator) for cluster in among.clusters]
    drawn = []
    for start in _repeated(starts, len(batches(np.arange(len(labels)), batch_size)), generator):
        chain = draw_chain(among, int(start), generator)
        if len(chain) > batch_size:
            raise SettingsError(
                f"train.batch_size = {batch_size} has no room for an image of each of the {len(chain)} levels of a "
                "chain of the order: raise it."
            )
        drawn.append(np.concatenate([_of_level(level, batch_size // len(chain), decks, generator) for level in chain]))
    return drawn


def draw_chain(order: PartialOrder, start: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Draw a set of clusters, any two of which are ordered or tied, that no further cluster fits into.

    It begins with a cluster and one that is ordered with it, and takes in the others by chance, each if the order
    compares it with all that are in. In a weak order that is always every cluster.

    Args:
        order: What the clusters are to each other.
        start: Place of the first cluster in `order.clusters`; another must be above or below it.
        generator: Source of chance.

    Returns:
        Places in `order.clusters` by level, best first; at least two levels.
    """
    related = order.higher | order.higher.T
    meets = related | order.equal
    chain = [start, int(generator.choice(np.flatnonzero(related[start])))]
    for place in generator.permutation(len(meets)).tolist():
        if meets[place, chain].all():
            chain.append(place)
    chosen = np.sort(chain)
    above = order.higher[np.ix_(chosen, chosen)].sum(axis=0)
    return [chosen[above == count] for count in np.unique(above)]


class _Deck:
    """Positions of a cluster's patches, dealt in random order and shuffled anew when all were dealt."""

    def __init__(self, positions: np.ndarray, generator: np.random.Generator) -> None:
        self._positions, self._generator = positions, generator
        self._waiting = np.empty(0, np.int64)

    def deal(self, count: int) -> np.ndarray:
        while len(self._waiting) < count:
            self._waiting = np.concatenate([self._waiting, self._generator.permutation(self._positions)])
        dealt, self._waiting = np.split(self._waiting, [count])
        return dealt


def _of_level(level: np.ndarray, count: int, decks: Sequence[_Deck], generator: np.random.Generator) -> np.ndarray:
    """Deal `count` images of a level, evenly from its clusters."""
    shares = _even(count, len(level), generator)
    return np.concatenate([decks[place].deal(share) for place, share in zip(level, shares, strict=True)])


def _even(total: int, parts: int, generator: np.random.Generator) -> np.ndarray:
    """Split a number into nearly equal whole parts; chance decides which are larger by one."""
    counts = np.full(parts, total // parts, np.int64)
    counts[generator.permutation(parts)[: total % parts]] += 1
    return counts


def _repeated(positions: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    rounds = -(-count // len(positions))
    shuffled = [generator.permutation(positions) for _ in range(rounds)]
    return np.concatenate([np.empty(0, np.int64), *shuffled])[:count]
