"""Merge the partial orders of judges, people and data into one.

Out come ranks with intervals, the weight of each order, how far the orders agree, levels, and the graph. It needs
nothing but orders: text files such as `3=4>1>0=2`, one an annotator, or one file with a line an annotator.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import settings_of
from rankscape.studies.ranking.orders.artifacts import ORDER
from rankscape.studies.ranking.orders.consensus import find_consensus, to_document
from rankscape.studies.ranking.orders.order_files import read_ranked, read_sources
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.settings import EnsembleSettings


def ensemble(
    *,
    out: Annotated[Path, Parameter(help="Merged order to write (JSON).")],
    orders: Annotated[
        list[Path] | None, Parameter(help="Orders of rounds, people and data (JSON), or text files of one order.")
    ] = None,
    collection: Annotated[
        list[Path] | None, Parameter(help="Text files with one order a line, an annotator each.")
    ] = None,
    summary: Annotated[
        Path | None, Parameter(help="What is known of every cluster: clusters.json. Without it, what orders name.")
    ] = None,
    settings: Annotated[str, settings_of(EnsembleSettings)] = "{}",
) -> None:
    """Merge the partial orders of judges, people and data into one."""
    chosen = EnsembleSettings.from_text(settings, "ranking.ensemble")
    paths, collections = orders or [], collection or []
    sources = read_sources(paths, collections, None if summary is None else read_ranked(summary))
    consensus = find_consensus(sources.orders, chosen)
    inputs = {f"order/{path.stem}": path for path in paths}
    inputs |= {f"collection/{path.stem}": path for path in collections}
    inputs |= {} if summary is None else {"summary": summary}
    ORDER.write(
        out,
        {
            "method": chosen.method,
            **to_document(consensus, sources.uninhabited),
            "fingerprint": sources.fingerprint,
        },
        provenance("ranking ensemble", chosen, inputs, seed=chosen.seed),
    )
    count = f"{len(sources.orders)} orders, effective number {consensus.merged.effective_judges:.1f}"
    say(f"{count}: {PartialOrder.from_levels(consensus.levels).to_text()}")
