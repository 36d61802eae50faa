"""Orders of people: shown as text, imported from text, carried over to clusters that were made anew."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rankscape.foundation.checkout import package_version
from rankscape.foundation.errors import OrderError
from rankscape.foundation.visible_files import has_suffix
from rankscape.studies.ranking.annotation.cards import deal_cards
from rankscape.studies.ranking.annotation.document import (
    FORMAT,
    Annotation,
    Arrangement,
    Carried,
    ClusterFacts,
    Mark,
    read_annotation,
)
from rankscape.studies.ranking.annotation.placing import consistency, read_finished
from rankscape.studies.ranking.annotation.session import finished, result_of, utc_now
from rankscape.studies.ranking.orders.notation import read_text
from rankscape.studies.ranking.orders.order_files import Ranked
from rankscape.studies.ranking.orders.partial_orders import PartialOrder, check_clusters


def order_in(path: Path) -> PartialOrder:
    """Read the order in a text file, a finished annotation, or an order of the workflow.

    Raises:
        OrderError: If there is none.
    """
    text = read_text(path)
    if not has_suffix(path, ".json"):
        return PartialOrder.parse(text, origin=str(path))
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise OrderError(f"{path} is no valid JSON ({error}).") from None
    if isinstance(document, dict) and document.get("format") == FORMAT:
        return read_finished(path)[1]
    if not isinstance(document, dict):
        raise OrderError(f"{path} is no order: it holds a JSON {type(document).__name__}.")
    return PartialOrder.from_document(document, str(path))


def described(path: Path) -> str:
    """Say in a few lines what an order or an annotation holds.

    Raises:
        OrderError: If the file is none.
    """
    lines: list[str] = []
    if has_suffix(path, ".json") and f'"{FORMAT}"' in read_text(path):
        annotation = read_annotation(path)
        lines = _about(annotation)
        if not annotation.finished:
            return "\n".join([*lines, "Not finished: no order yet."])
    order = order_in(path)
    pairs = len(order.clusters) * (len(order.clusters) - 1) // 2
    apart = int(order.incomparable().sum()) // 2
    ties = int(order.equal.sum()) // 2
    lines.append(f"{len(order.clusters)} clusters, {pairs} pairs: {ties} tied, {apart} not comparable.")
    return "\n".join([*lines, "Order (> is more developed):", order.to_text()])


def _about(annotation: Annotation) -> list[str]:
    minutes, seconds = divmod(round(annotation.seconds), 60)
    lines = [
        f"Annotator {annotation.annotator}, region {annotation.region}, clusters {annotation.fingerprint[:12]}",
        f"{annotation.placed} of {len(annotation.cards)} cards placed, "
        f"{len(annotation.arrangement.marks)} pairs marked, "
        f"{minutes} min {seconds:02d} s spent.",
    ]
    check = consistency(annotation)
    if check is not None and not annotation.arrangement.deck:
        apart = check["tiers_apart"]
        said = "in the tray, so not comparable" if apart is None else f"{apart} tiers apart"
        lines.append(f"Consistency check: the two cards of cluster {check['cluster']} lie {said}.")
    lines += [f"Carried over from clusters {step.before[:12]}." for step in annotation.carried]
    return lines


def imported(
    path: Path,
    annotator: str,
    region: str,
    ranked: Ranked,
    facts: Sequence[ClusterFacts],
    table: pd.DataFrame,
) -> Annotation:
    """Make a finished annotation of an order that is written as text.

    Args:
        path: The text.
        annotator: Name.
        region: Region of the clusters.
        ranked: Clusters to rank.
        facts: What is known of them.
        table: Columns patch_id and cluster.

    Raises:
        OrderError: If the text is no order of these clusters.
    """
    order = PartialOrder.parse(read_text(path), origin=str(path))
    check_clusters(order.clusters, ranked.clusters, str(path))
    members = {c: tuple(sorted(table.loc[table["cluster"] == c, "patch_id"])) for c in ranked.clusters}
    cards = tuple(card for card in deal_cards(members, annotator) if not card.duplicate)
    card_of = {card.cluster: card.card for card in cards}
    return finished(
        Annotation(
            region=region,
            annotator=annotator,
            fingerprint=ranked.fingerprint,
            uninhabited=ranked.uninhabited,
            clusters=tuple(facts),
            cards=cards,
            arrangement=_arrangement(order, card_of),
            started=utc_now(),
            package=package_version(),
        )
    )


def _arrangement(order: PartialOrder, card_of: dict[int, int]) -> Arrangement:
    """Tiers where the order has levels; else every card in the tray, and every pair that it speaks of marked."""
    levels = order.levels()
    if levels is not None:
        return Arrangement(tiers=tuple(tuple(card_of[cluster] for cluster in level) for level in levels))
    marks = tuple(
        Mark(a=card_of[a], b=card_of[b], relation=relation)
        for a, b, relation in order.to_document()["relations"]
        if relation != "incomparable"
    )
    return Arrangement(tray=tuple(card_of[cluster] for cluster in order.clusters), marks=marks)


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
