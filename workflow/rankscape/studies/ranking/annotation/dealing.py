"""Dealing the cards: one a cluster and one cluster twice, shuffled anew for every annotator."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from rankscape.studies.ranking.annotation.document import Annotation, Arrangement, Card
from rankscape.studies.ranking.annotation.region import Region

OFFERED = 60
"""Patches that a card can show; the file remembers them, which carries an annotation over to new clusters."""
_LEAST_CLUSTERS, _LEAST_PATCHES = 5, 8
"""Below these a card that comes again would be recognised."""
_TIERS = 5
"""Empty tiers to begin with."""


def deal(region: Region, annotator: str, *, started: str, package: str) -> Annotation:
    """Deal the cards to an annotator: the same name gets the same cards in the same order.

    Args:
        region: Clusters and their patches.
        annotator: Name, the seed.
        started: When (UTC).
        package: Version of Rankscape.
    """
    cards = deal_cards(region.members, annotator)
    tiers: tuple[tuple[int, ...], ...] = ((),) * min(_TIERS, len(region.facts))
    return Annotation(
        region=region.name,
        annotator=annotator,
        fingerprint=region.ranked.fingerprint,
        uninhabited=region.ranked.uninhabited,
        clusters=region.facts,
        cards=cards,
        arrangement=Arrangement(tiers=tiers, deck=tuple(card.card for card in cards)),
        started=started,
        package=package,
    )


def deal_cards(members: Mapping[int, Sequence[str]], annotator: str) -> tuple[Card, ...]:
    """Deal one card a cluster, shuffled, and a second card of one cluster far from its first.

    The second card shows other patches than the first.

    Args:
        members: Patches of each cluster.
        annotator: Name, the seed.
    """
    seed = int.from_bytes(hashlib.sha256(annotator.encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    order = [int(cluster) for cluster in rng.permutation(sorted(members))]
    twice = _twice(members, order, rng)
    if twice is not None:
        order.remove(twice)
        order.insert(int(rng.integers(0, len(order) // 3 + 1)), twice)
        order.insert(int(rng.integers(2 * len(order) // 3 + 1, len(order) + 1)), twice)
    shown = {cluster: _shuffled(members[cluster], [seed, cluster]) for cluster in members}
    cards = []
    for number, cluster in enumerate(order, start=1):
        first, second = _halves(shown[cluster]) if cluster == twice else (shown[cluster], [])
        again = cluster in order[: number - 1]
        patches = (second if again else first)[:OFFERED]
        cards.append(Card(card=number, cluster=cluster, duplicate=again, patches=tuple(patches)))
    return tuple(cards)


def _twice(members: Mapping[int, Sequence[str]], order: Sequence[int], rng: np.random.Generator) -> int | None:
    able = [cluster for cluster in order if len(members[cluster]) >= _LEAST_PATCHES]
    if len(order) < _LEAST_CLUSTERS or not able:
        return None
    # Large clusters fill both cards, so that no card shows fewer patches than the others.
    large = [cluster for cluster in able if len(members[cluster]) >= 2 * OFFERED]
    return int(rng.choice(large or able))


def _shuffled(patches: Sequence[str], seed: list[int]) -> list[str]:
    ordered = sorted(patches)
    return [ordered[place] for place in np.random.default_rng(seed).permutation(len(ordered))]


def _halves(patches: list[str]) -> tuple[list[str], list[str]]:
    middle = min(OFFERED, (len(patches) + 1) // 2)
    return patches[:middle], patches[middle:]
