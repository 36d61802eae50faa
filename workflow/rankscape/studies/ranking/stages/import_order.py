"""Read the partial order that a person gave, on the annotation page or as text.

One file an annotator, named after the annotator: a finished annotation (JSON) of `annotate`, or text: a line such as
`3=4>1>0=2` (`>` is more developed), or a graph's lines such as `0<1`. A number alone on a line leaves that cluster out.
Or one file of text for many annotators, a line each.
"""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rankscape.foundation.errors import InputError, OrderError
from rankscape.foundation.provenance import provenance
from rankscape.foundation.visible_files import has_suffix
from rankscape.stages.options import MaybeFile, MaybeName, Summary, only
from rankscape.studies.ranking.annotation.placing import consistency, made_for_others, read_finished
from rankscape.studies.ranking.orders.artifacts import PERSON_ORDER
from rankscape.studies.ranking.orders.notation import read_text
from rankscape.studies.ranking.orders.order_files import Ranked, read_ranked, without_uninhabited
from rankscape.studies.ranking.orders.partial_orders import PartialOrder, check_clusters
from rankscape.studies.ranking.orders.people import collection_lines


def import_order(
    *,
    annotation: Annotated[
        Path,
        Parameter(
            help="The person's order (annotation, or text), named after the person; or with --annotator a text "
            "file with one order a line."
        ),
    ],
    summary: Summary,
    out: Annotated[Path, Parameter(help="Order to write (JSON).")],
    annotator: Annotated[MaybeName, Parameter(help="Whose line to read, where the file has one order a line.")] = (),
    annotators: Annotated[
        MaybeFile,
        Parameter(
            help="Names of the people whose lines the file has, one a line; default: line 3 of poll.txt is poll-03."
        ),
    ] = (),
) -> None:
    """Read the partial order that a person gave, on the annotation page or as text."""
    names, person = only(annotators), only(annotator)
    if names is not None and person is None:
        raise InputError(f"--annotators {names} goes with --annotator: say whose line to read.")
    ranked = read_ranked(summary)
    facts: dict[str, Any] = {}
    if person is not None:
        order = _line_of(annotation, person, names, ranked)
    elif has_suffix(annotation, ".json"):
        order, facts = _annotated(annotation, ranked)
    else:
        order = _parsed(read_text(annotation), str(annotation), ranked)
    inputs = {"annotation": annotation, "summary": summary}
    inputs |= {} if names is None else {"annotators": names}
    PERSON_ORDER.write(
        out,
        {
            "source": {"kind": "person", "annotator": person or annotation.stem},
            **order.to_document(),
            **facts,
            "fingerprint": ranked.fingerprint,
        },
        provenance("ranking import-order", None, inputs),
    )


def _line_of(path: Path, annotator: str, annotators: Path | None, ranked: Ranked) -> PartialOrder:
    """One line of a file with the orders of several people."""
    lines = collection_lines(path, annotators)
    if annotator not in lines:
        raise OrderError(f"--annotator {annotator} has no line in {path}; it has the orders of {', '.join(lines)}.")
    number, line = lines[annotator]
    return _parsed(line, f"{path}, line {number} ({annotator})", ranked)


def _annotated(path: Path, ranked: Ranked) -> tuple[PartialOrder, dict[str, Any]]:
    """An order made on the annotation page, with its consistency check and the seconds spent."""
    annotation, order = read_finished(path)
    if annotation.annotator != path.stem:
        raise OrderError(
            f"{path} is the annotation of {annotation.annotator}: name the file {annotation.annotator}.json."
        )
    if annotation.fingerprint != ranked.fingerprint:
        raise OrderError(made_for_others(path, annotation.fingerprint, ranked.fingerprint))
    check_clusters(order.clusters, ranked.clusters, str(path))
    return order, {"annotation": {"duplicate": consistency(annotation), "seconds": annotation.seconds}}


def _parsed(text: str, origin: str, ranked: Ranked) -> PartialOrder:
    order = PartialOrder.parse(text, origin=origin)
    if ranked.uninhabited is not None and ranked.uninhabited in order.clusters:
        order = without_uninhabited(order, ranked.uninhabited, origin)
    check_clusters(order.clusters, ranked.clusters, origin)
    return order
