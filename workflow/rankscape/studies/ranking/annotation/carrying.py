"""Carrying an annotation over to clusters that were made anew, by the patches that it remembers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rankscape.foundation.errors import OrderError
from rankscape.studies.ranking.annotation.document import Annotation, Carried, ClusterFacts
from rankscape.studies.ranking.annotation.session import result_of
from rankscape.studies.ranking.orders.summary import Ranked

MAJORITY = 2 / 3
"""Share of an old cluster's patches that must lie in one new cluster."""
FOUND = 0.5
"""Share of an old cluster's patches that must be known to the new clusters at all."""


def carry(
    annotation: Annotation,
    ranked: Ranked,
    facts: Sequence[ClusterFacts],
    table: pd.DataFrame,
    before: pd.DataFrame | None,
    origin: str,
) -> Annotation:
    """Give an annotation the numbers of new clusters.

    Args:
        annotation: Finished or not.
        ranked: The new clusters to rank.
        facts: What is known of them.
        table: Columns patch_id and cluster of the new clusters.
        before: The same of the old clusters; by default the patches that the annotation remembers stand for them.
        origin: Where the annotation is from, for messages.

    Raises:
        OrderError: If an old cluster has no clear successor, two have the same one, or a new cluster has none; the
            message names all of them.
    """
    now = dict(zip(table["patch_id"], (int(cluster) for cluster in table["cluster"]), strict=True))
    known = remembered(annotation) if before is None else _members(annotation, before)
    counts = {cluster: Counter(now[patch] for patch in patches if patch in now) for cluster, patches in known.items()}
    faults = [_fault(cluster, counts[cluster], len(known[cluster])) for cluster in sorted(known)]
    heirs = {cluster: count.most_common(1)[0][0] for cluster, count in counts.items() if count}
    problems = [fault for fault in faults if fault] or _not_one_to_one(heirs, ranked)
    if problems:
        raise OrderError(f"{origin} cannot be carried over: {'; '.join(problems)}. Annotate the new clusters instead.")
    shares = {str(c): round(counts[c][heir] / counts[c].total(), 3) for c, heir in sorted(heirs.items())}
    return _renumbered(annotation, ranked, facts, heirs, shares, now)


def remembered(annotation: Annotation) -> dict[int, list[str]]:
    """Return the patches of each cluster that its cards could show."""
    patches: dict[int, list[str]] = {facts.cluster: [] for facts in annotation.clusters}
    for card in annotation.cards:
        patches[card.cluster] += card.patches
    return patches


def _members(annotation: Annotation, before: pd.DataFrame) -> dict[int, list[str]]:
    known = {facts.cluster for facts in annotation.clusters}
    by_cluster = {int(str(cluster)): list(own) for cluster, own in before.groupby("cluster")["patch_id"]}
    return {cluster: by_cluster.get(cluster, []) for cluster in known}


def _fault(cluster: int, count: Counter[int], patches: int) -> str:
    """What keeps an old cluster from having a clear successor; empty if nothing does."""
    if count.total() < FOUND * patches or not count:
        return f"of cluster {cluster}, {count.total()} of {patches} known patches are in the new clusters"
    if count.most_common(1)[0][1] < MAJORITY * count.total():
        parts = ", ".join(f"{number} in {heir}" for heir, number in count.most_common(4))
        return f"the {count.total()} known patches of cluster {cluster} are spread over new clusters ({parts})"
    return ""


def _not_one_to_one(heirs: Mapping[int, int], ranked: Ranked) -> list[str]:
    problems = []
    for heir in sorted(set(heirs.values())):
        old = sorted(cluster for cluster, own in heirs.items() if own == heir)
        if len(old) > 1:
            problems.append(f"the clusters {old} have become one, {heir}")
        if heir not in ranked.clusters:
            problems.append(f"cluster {old[0]} has become the uninhabited cluster {heir}")
    new = sorted(set(ranked.clusters) - set(heirs.values()))
    if new:
        problems.append(f"the new clusters {new} were no clusters before")
    return problems


def _renumbered(
    annotation: Annotation,
    ranked: Ranked,
    facts: Sequence[ClusterFacts],
    heirs: Mapping[int, int],
    shares: dict[str, float],
    now: Mapping[str, int],
) -> Annotation:
    cards = []
    for card in annotation.cards:
        heir = heirs[card.cluster]
        kept = [place for place, patch in enumerate(card.patches) if now.get(patch) == heir]
        seen = sum(place < card.seen for place in kept)
        patches = tuple(card.patches[place] for place in kept)
        cards.append(card.model_copy(update={"cluster": heir, "patches": patches, "seen": seen}))
    numbers = {str(cluster): heir for cluster, heir in sorted(heirs.items())}
    step = Carried(before=annotation.fingerprint, after=ranked.fingerprint, clusters=numbers, shares=shares)
    values: dict[str, Any] = {
        "fingerprint": ranked.fingerprint,
        "uninhabited": ranked.uninhabited,
        "clusters": tuple(facts),
        "cards": tuple(cards),
        "carried": (*annotation.carried, step),
    }
    carried = annotation.changed(**values, result=None)
    return carried.changed(result=result_of(carried)) if carried.finished else carried
