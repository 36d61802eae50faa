"""Orders of people as text: shown, read, written."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from rankscape.foundation.errors import OrderError
from rankscape.foundation.version import package_version
from rankscape.studies.ranking.annotation.dealing import deal_cards
from rankscape.studies.ranking.annotation.document import (
    FORMAT,
    Annotation,
    Arrangement,
    ClusterFacts,
    Mark,
    read_annotation,
)
from rankscape.studies.ranking.annotation.placing import consistency
from rankscape.studies.ranking.annotation.reading import read_finished
from rankscape.studies.ranking.annotation.session import finished, utc_now
from rankscape.studies.ranking.orders.notation import read_text
from rankscape.studies.ranking.orders.orders import PartialOrder, check_clusters
from rankscape.studies.ranking.orders.summary import Ranked


def order_in(path: Path) -> PartialOrder:
    """Read the order in a text file, a finished annotation, or an order of the workflow.

    Raises:
        OrderError: If there is none.
    """
    text = read_text(path)
    if path.suffix != ".json":
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
    if path.suffix == ".json" and f'"{FORMAT}"' in read_text(path):
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
