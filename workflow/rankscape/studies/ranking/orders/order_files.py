"""Orders in files: which clusters there are to rank, and orders as documents, text and collections."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankscape.foundation.errors import OrderError
from rankscape.foundation.files import read_json
from rankscape.foundation.visible_files import has_suffix
from rankscape.studies.ranking.clusters.artifacts import SUMMARY
from rankscape.studies.ranking.orders.notation import order_lines, read_statements, read_text
from rankscape.studies.ranking.orders.partial_orders import PartialOrder, check_clusters
from rankscape.studies.ranking.orders.people import numbered_lines


@dataclass(frozen=True)
class Ranked:
    """The clusters that are ranked, and those facts of them that orders depend on."""

    clusters: tuple[int, ...]
    """Clusters in ascending order, without the uninhabited one."""
    uninhabited: int | None
    """Cluster without people: the lowest by definition, shown to nobody."""
    fingerprint: str
    """Hash of which patch is in which cluster; it differs when clusters were made anew."""

    def check_fingerprint(self, document: dict[str, Any], path: Path) -> None:
        """Refuse a document about other clusters.

        Raises:
            OrderError: If the document was made for clusters that have been made anew since.
        """
        if document.get("fingerprint") != self.fingerprint:
            raise OrderError(
                f"{path} was made for other clusters (fingerprint {str(document.get('fingerprint'))[:12]}, now "
                f"{self.fingerprint[:12]}): the numbers no longer mean the same; make it again."
            )


def read_ranked(path: Path) -> Ranked:
    """Read the clusters to rank from `clusters.json`.

    Raises:
        InputError: If the file is no summary of clusters.
        OrderError: If it leaves no cluster to rank.
    """
    found = SUMMARY.read(path)
    clusters = tuple(sorted(one.cluster for one in found.clusters if one.cluster != found.uninhabited))
    if not clusters:
        raise OrderError(f"{path} has no cluster to rank: all patches are uninhabited.")
    return Ranked(clusters, found.uninhabited, str(found.fingerprint))


_FEWEST_CLUSTERS = 3
"""Lines about so many clusters that name the same ones are several annotators' lines, not one graph's."""


@dataclass(frozen=True)
class Sources:
    """Orders of the same clusters, ready to be merged."""

    orders: dict[str, PartialOrder]
    """Orders by source; at least one."""
    uninhabited: int | None
    """Cluster without people, which nobody ranks."""
    fingerprint: str | None
    """Hash of which patch is in which cluster; None for orders that come as text alone."""


@dataclass(frozen=True)
class _Given:
    """An order as it is in its file."""

    order: PartialOrder
    origin: str
    fingerprint: str | None
    """None for text; empty for a document that has none."""


def read_sources(paths: Sequence[Path], collections: Sequence[Path], ranked: Ranked | None) -> Sources:
    """Read orders from the workflow's files (.json), from text files of one order each, and from collections.

    Text must place every cluster, or leave it out by name, since a forgotten cluster is a slip; files of the workflow
    say themselves which clusters they know. Without a summary the clusters are those that the orders name.

    Args:
        paths: Orders; the file's name without its suffix is the source's.
        collections: Text files with one order a line, one annotator each; line 3 of poll.txt is the source poll-03.
        ranked: What there is to rank; None if the orders themselves say it.

    Raises:
        OrderError: If there is no order, a name occurs twice, a file cannot be read, or an order contradicts itself,
            names unknown clusters, lacks some, or was made for other clusters.
    """
    given: dict[str, _Given] = {}
    for name, one in _all(paths, collections):
        if name in given:
            raise OrderError(f"Two orders are named {name}: each source votes once; rename or drop {one.origin}.")
        given[name] = one
    if not given:
        raise OrderError("There is no order to merge: give --orders or --collection.")
    chosen = ranked or _ranked_by(given)
    orders = {name: _ready(one, chosen, strange=ranked is not None) for name, one in given.items()}
    return Sources(orders, chosen.uninhabited, chosen.fingerprint or None)


def _all(paths: Sequence[Path], collections: Sequence[Path]) -> Iterator[tuple[str, _Given]]:
    for path in paths:
        yield path.stem, _read(path)
    for path in collections:
        yield from _read_collection(path)


def _read(path: Path) -> _Given:
    if has_suffix(path, ".json"):
        document = read_json(path)
        if "arrangement" in document:
            raise OrderError(
                f"{path} is an annotation, not yet an order: make one of it with `rankscape ranking import-order`."
            )
        order = PartialOrder.from_document(document, str(path))
        return _Given(order, str(path), str(document.get("fingerprint") or ""))
    text = read_text(path)
    _refuse_collection(text, path)
    return _Given(PartialOrder.parse(text, origin=str(path)), str(path), None)


def _read_collection(path: Path) -> Iterator[tuple[str, _Given]]:
    text = read_text(path)
    lines = numbered_lines(text, path)
    read_statements(text, str(path))
    for name, (number, line) in lines.items():
        origin = f"{path}, line {number}"
        yield name, _Given(PartialOrder.parse(line, origin=origin), origin, None)


def _refuse_collection(text: str, path: Path) -> None:
    """Refuse a text that orders the same clusters again and again: the lines of one order hold at once."""
    read_statements(text, str(path))
    named = [frozenset(read_statements(line, f"{path}, line {number}").named) for number, line in order_lines(text)]
    alike = max((named.count(clusters) for clusters in named if len(clusters) >= _FEWEST_CLUSTERS), default=1)
    if alike > 1:
        raise OrderError(
            f"{path} orders the same clusters in {alike} lines, so it holds the orders of several annotators, and a "
            f"file of --orders holds one: give it as --collection {path}, or give every annotator a file."
        )


def _ranked_by(given: Mapping[str, _Given]) -> Ranked:
    """What there is to rank according to the orders themselves."""
    made_for = {one.fingerprint: one.origin for one in given.values() if one.fingerprint}
    if len(made_for) > 1:
        raise OrderError(
            f"{' and '.join(sorted(made_for.values()))} were made for different clusters (their fingerprints differ): "
            f"the numbers do not mean the same; make them again for the same clusters."
        )
    clusters = sorted({cluster for one in given.values() for cluster in one.order.clusters})
    return Ranked(tuple(clusters), None, next(iter(made_for), ""))


def _ready(one: _Given, ranked: Ranked, *, strange: bool) -> PartialOrder:
    """Check an order against what there is to rank, and add what it leaves out."""
    if strange and one.fingerprint is not None:
        ranked.check_fingerprint({"fingerprint": one.fingerprint}, Path(one.origin))
    order = one.order
    if one.fingerprint is None and ranked.uninhabited in order.clusters:
        order = without_uninhabited(order, ranked.uninhabited, one.origin)
    check_clusters(order.clusters, ranked.clusters, one.origin, all_needed=one.fingerprint is None)
    return order.extended(ranked.clusters)


def without_uninhabited(order: PartialOrder, uninhabited: int | None, origin: str) -> PartialOrder:
    """Take the uninhabited cluster out of an order: text may name it where it belongs, at the bottom.

    Raises:
        OrderError: If it stands elsewhere.
    """
    others = [cluster for cluster in order.clusters if cluster != uninhabited]
    wrong = [c for c in others if uninhabited is None or order.relation(uninhabited, c) in ("higher", "equal")]
    if wrong or not others:
        raise OrderError(
            f"{origin} puts the uninhabited cluster {uninhabited} level with or above {wrong}: it is the lowest by "
            f"definition; leave it out."
        )
    return order.restricted(others)
