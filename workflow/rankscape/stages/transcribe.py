"""Read the partial order that a person gave, on the annotation page or as text.

One file an annotator, named after the annotator: a finished annotation (JSON) of `annotate`, or text: a line such as
`3=4>1>0=2` (`>` is more developed), or a graph's lines such as `0<1`. A number alone on a line leaves that cluster out.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from rankscape.foundation.errors import OrderError
from rankscape.foundation.files import write_json
from rankscape.foundation.provenance import provenance
from rankscape.ranking.annotation.placing import consistency
from rankscape.ranking.annotation.reading import made_for_others, read_finished
from rankscape.ranking.orders import PartialOrder, check_clusters
from rankscape.ranking.summary import Ranked, read_ranked
from rankscape.stages.options import Summary


def transcribe(
    annotation: Annotated[
        Path, typer.Option(help="The person's order (annotation, or text); the file is named after the person.")
    ],
    summary: Summary,
    out: Annotated[Path, typer.Option(help="Order to write (JSON).")],
) -> None:
    """Read the partial order that a person gave, on the annotation page or as text."""
    ranked = read_ranked(summary)
    order, facts = _annotated(annotation, ranked) if annotation.suffix == ".json" else (_read(annotation, ranked), {})
    write_json(
        out,
        {
            "source": {"kind": "person", "annotator": annotation.stem},
            **order.to_document(),
            **facts,
            "fingerprint": ranked.fingerprint,
            "provenance": provenance("transcribe", None, {"annotation": annotation, "summary": summary}),
        },
    )


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


def _read(annotation: Path, ranked: Ranked) -> PartialOrder:
    order = PartialOrder.parse(read_text(annotation), origin=str(annotation))
    if ranked.uninhabited is not None and ranked.uninhabited in order.clusters:
        order = _without_uninhabited(order, ranked.uninhabited, annotation)
    check_clusters(order.clusters, ranked.clusters, str(annotation))
    return order


def _without_uninhabited(order: PartialOrder, uninhabited: int, annotation: Path) -> PartialOrder:
    """People may write the uninhabited cluster down where it belongs: at the bottom."""
    others = [cluster for cluster in order.clusters if cluster != uninhabited]
    wrong = [cluster for cluster in others if order.relation(uninhabited, cluster) in ("higher", "equal")]
    if wrong or not others:
        raise OrderError(
            f"{annotation} puts the uninhabited cluster {uninhabited} level with or above {wrong}: it is the lowest by "
            f"definition; leave it out."
        )
    return order.restricted(others)
