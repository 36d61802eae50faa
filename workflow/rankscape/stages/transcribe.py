"""Read the partial order that a person wrote down as text.

One file an annotator, named after the annotator: a line such as `3=4>1>0=2` (`>` is more developed), or a graph's
lines such as `0<1`. A number alone on a line leaves that cluster out.
"""

from pathlib import Path
from typing import Annotated

import typer

from rankscape.foundation.errors import OrderError
from rankscape.foundation.files import write_json
from rankscape.foundation.provenance import provenance
from rankscape.ranking.orders import PartialOrder, check_clusters
from rankscape.ranking.summary import Ranked, read_ranked
from rankscape.stages.options import Summary


def transcribe(
    annotation: Annotated[Path, typer.Option(help="The person's order (text); the file is named after the person.")],
    summary: Summary,
    out: Annotated[Path, typer.Option(help="Order to write (JSON).")],
) -> None:
    """Read the partial order that a person wrote down as text."""
    ranked = read_ranked(summary)
    order = _read(annotation, ranked)
    write_json(
        out,
        {
            "source": {"kind": "person", "annotator": annotation.stem},
            **order.to_document(),
            "fingerprint": ranked.fingerprint,
            "provenance": provenance("transcribe", None, {"annotation": annotation, "summary": summary}),
        },
    )


def _read(annotation: Path, ranked: Ranked) -> PartialOrder:
    try:
        text = annotation.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise OrderError(f"{annotation} does not exist: write the order there, such as 3=4>1>0=2.") from None
    except UnicodeDecodeError as error:
        raise OrderError(f"{annotation} is no UTF-8 text ({error}): save it as UTF-8.") from None
    order = PartialOrder.parse(text, origin=str(annotation))
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
