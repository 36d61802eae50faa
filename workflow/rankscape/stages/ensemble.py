"""Merge the partial orders of judges, people and data into one.

Out come ranks with intervals, the weight of each order, how far the orders agree, levels, and the graph.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from rankscape.foundation.errors import OrderError
from rankscape.foundation.files import read_json, write_json
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.foundation.settings.ranking import EnsembleSettings
from rankscape.ranking.consensus import find_consensus, to_document
from rankscape.ranking.orders import PartialOrder, check_clusters
from rankscape.ranking.summary import Ranked, read_ranked
from rankscape.stages.options import Settings, Summary


def ensemble(
    settings: Settings,
    orders: Annotated[list[Path], typer.Option(help="Orders of rounds, people and data (JSON).")],
    summary: Summary,
    out: Annotated[Path, typer.Option(help="Merged order to write (JSON).")],
) -> None:
    """Merge the partial orders of judges, people and data into one."""
    chosen, ranked = EnsembleSettings.from_text(settings, "ensemble"), read_ranked(summary)
    consensus = find_consensus(_read_orders(orders, ranked), chosen)
    inputs = {"summary": summary, **{f"order/{path.stem}": path for path in orders}}
    write_json(
        out,
        {
            "method": chosen.method,
            **to_document(consensus, ranked.uninhabited),
            "fingerprint": ranked.fingerprint,
            "provenance": provenance("ensemble", chosen, inputs, seed=chosen.seed),
        },
    )
    count = f"{len(orders)} orders, effective number {consensus.merged.effective_judges:.1f}"
    say(f"{count}: {PartialOrder.from_levels(consensus.levels).to_text()}")


def _read_orders(paths: Sequence[Path], ranked: Ranked) -> dict[str, PartialOrder]:
    found: dict[str, PartialOrder] = {}
    for path in paths:
        if path.stem in found:
            raise OrderError(f"Two orders are named {path.stem}: each source votes once; rename or drop {path}.")
        document = read_json(path)
        ranked.check_fingerprint(document, path)
        order = PartialOrder.from_document(document, str(path))
        check_clusters(order.clusters, ranked.clusters, str(path), all_needed=False)
        found[path.stem] = order.extended(ranked.clusters)
    return found
