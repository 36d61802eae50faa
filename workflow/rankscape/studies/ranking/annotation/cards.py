"""The clusters of a region, and the cards dealt to an annotator: one a cluster and one cluster twice, shuffled."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.visible_files import visible
from rankscape.samples.artifacts import INDEX, PATCHES
from rankscape.scenes.addresses import is_safe_name
from rankscape.studies.ranking.annotation.document import Annotation, AnnotationCard, Arrangement, ClusterFacts
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS, SUMMARY
from rankscape.studies.ranking.orders.order_files import Ranked, read_ranked


@dataclass(frozen=True)
class Region:
    """The clusters of a region."""

    name: str
    """Name of the region."""
    ranked: Ranked
    """Clusters to rank, and their fingerprint."""
    facts: tuple[ClusterFacts, ...]
    """What is known of each ranked cluster."""
    members: Mapping[int, tuple[str, ...]]
    """Patches of each ranked cluster, sorted."""
    tiles: tuple[Path, ...]
    """Patch arrays of the granules that hold them."""


def read_region(results: Path, name: str) -> Region:
    """Read a region's clusters from its results.

    Raises:
        InputError: If `name` is no folder's name, or there are no results, or no clusters yet.
        TableError: If table and summary belong to different clusterings, or a granule's id cannot name a file.
    """
    if not is_safe_name(name):
        raise InputError(f"--region {name!r} is no name of a region: give the name of a folder of {results}.")
    folder = results / name
    if not folder.is_dir():
        others = [path.name for path in visible(results) if path.is_dir()]
        raise InputError(f"{folder} does not exist: mend --region (there are {others}), or run the workflow first.")
    table, summary = CLUSTERS.of(folder), SUMMARY.of(folder)
    for path in (summary, table):
        if not path.is_file():
            raise InputError(f"Region {name} has no clusters yet ({path} is missing): run `snakemake {summary}` first.")
    ranked, facts = read_facts(summary)
    frame = CLUSTERS.read(table, "patch_id", "granule", "cluster")
    members = {
        cluster: tuple(sorted(frame.loc[frame["cluster"] == cluster, "patch_id"])) for cluster in ranked.clusters
    }
    if {cluster: len(patches) for cluster, patches in members.items()} != {one.cluster: one.size for one in facts}:
        raise TableError(f"{table} and {summary} belong to different clusterings: make the clusters again.")
    granules = sorted(frame.loc[frame["cluster"].isin(ranked.clusters), "granule"].unique())
    for granule in granules:
        if not is_safe_name(granule):
            raise TableError(f"{table}: {granule!r} is no granule id: make the clusters again.")
    return Region(name, ranked, facts, members, _arrays(folder, granules))


def _arrays(folder: Path, granules: Sequence[str]) -> tuple[Path, ...]:
    """Patch arrays of granules, of the first acquisition that has most of them."""
    cut = [(names["acquisition"], names["granule"]) for names, _ in INDEX.found(folder)]
    counts = Counter(acquisition for acquisition, granule in cut if granule in granules)
    acquisition = max(sorted(counts), key=counts.__getitem__, default="*")
    return tuple(PATCHES.of(folder, acquisition=acquisition, granule=granule) for granule in granules)


def read_facts(summary: Path) -> tuple[Ranked, tuple[ClusterFacts, ...]]:
    """Read the clusters to rank, and what is known of each, from `clusters.json`.

    Raises:
        OrderError: If the file is no summary of clusters, or leaves no cluster to rank.
        InputError: If a cluster lacks its category or size.
    """
    ranked = read_ranked(summary)
    entries = {entry.cluster: entry for entry in SUMMARY.read(summary).clusters}
    facts = tuple(
        ClusterFacts(
            cluster=cluster, category=entries[cluster].category, size=entries[cluster].size,
            medoid=entries[cluster].medoid,
        )
        for cluster in ranked.clusters
    )  # fmt: skip
    return ranked, facts


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


def deal_cards(members: Mapping[int, Sequence[str]], annotator: str) -> tuple[AnnotationCard, ...]:
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
        cards.append(AnnotationCard(card=number, cluster=cluster, duplicate=again, patches=tuple(patches)))
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
