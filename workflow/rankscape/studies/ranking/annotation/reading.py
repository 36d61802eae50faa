"""Reading people's orders: text, and finished annotations."""

from pathlib import Path

from rankscape.foundation.errors import OrderError
from rankscape.studies.ranking.annotation.document import Annotation, read_annotation
from rankscape.studies.ranking.annotation.placing import order_of
from rankscape.studies.ranking.orders.orders import PartialOrder


def read_finished(path: Path) -> tuple[Annotation, PartialOrder]:
    """Read a finished annotation, and the order that its arrangement makes.

    Raises:
        OrderError: If it is not finished, contradicts itself, or the order written in it is another.
    """
    annotation = read_annotation(path)
    if not annotation.finished:
        raise OrderError(
            f"{path} is not finished ({annotation.placed} of {len(annotation.cards)} cards placed), so it is no order "
            f"yet: finish it with `rankscape annotate --region {annotation.region} --annotator {annotation.annotator}`."
        )
    order = order_of(annotation, str(path))
    written = (annotation.result or {}).get("order")
    if written != order.to_document():
        raise OrderError(
            f"{path} was changed by hand: its `result` does not follow from its `arrangement`; mend it on the page "
            f"with `rankscape annotate --continue`, or keep the order as text (.txt)."
        )
    return annotation, order


def made_for_others(path: Path, before: str, now: str) -> str:
    """Say that an annotation was made for other clusters, and how to carry it over."""
    return (
        f"{path} was made for other clusters (fingerprint {before[:12]}, now {now[:12]}), so its numbers no longer "
        f"mean the same: carry it over with `rankscape orders carry {path} --summary clusters.json --clusters "
        f"clusters.parquet`, or take it away and annotate again."
    )
