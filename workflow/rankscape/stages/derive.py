"""Derive a partial order of the clusters from a reference raster.

Clusters are compared by their mean of the reference; a difference that the bootstrap finds not significant is a tie.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from rankscape.foundation.errors import TableError
from rankscape.foundation.files import write_json
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.foundation.settings.ranking import DeriveSettings
from rankscape.foundation.tables import read_table
from rankscape.ranking.significance import order_of_values
from rankscape.ranking.summary import read_ranked
from rankscape.stages.options import Clusters, Settings, Summary

_LEAST_COVERAGE = 0.5
"""Patches of which the reference covers less say little about the patch."""


def derive(
    settings: Settings,
    reference: Annotated[str, typer.Option(help="Name of the reference.")],
    values: Annotated[list[Path], typer.Option(help="The reference's mean in every patch (Parquet), a granule each.")],
    clusters: Clusters,
    summary: Summary,
    out: Annotated[Path, typer.Option(help="Order to write (JSON).")],
) -> None:
    """Derive a partial order of the clusters from a reference raster."""
    chosen, ranked = DeriveSettings.from_text(settings, "derive"), read_ranked(summary)
    by_cluster = _values(values, clusters, ranked.clusters)
    if not any(len(own) for own in by_cluster.values()):
        raise TableError(f"Reference {reference} has no value in any ranked patch: does it cover the region?")
    order = order_of_values(by_cluster, chosen)
    inputs = {"clusters": clusters, "summary": summary, **{f"values/{path.stem}": path for path in values}}
    write_json(
        out,
        {
            "source": {"kind": "data", "reference": reference},
            **order.to_document(),
            "scores": {str(c): float(own.mean()) if len(own) else None for c, own in by_cluster.items()},
            "fingerprint": ranked.fingerprint,
            "provenance": provenance("derive", chosen, inputs, seed=chosen.seed),
        },
    )
    say(f"Order from {reference}: {order.to_text().splitlines()[0]}")


def _values(paths: Sequence[Path], clusters: Path, ranked: Sequence[int]) -> dict[int, np.ndarray]:
    """Finite values by ranked cluster, in the order of patch ids; an array may be empty."""
    table = pd.concat([read_table(path, ["patch_id", "value", "coverage"]) for path in sorted(paths)])
    table = table[np.isfinite(table["value"]) & (table["coverage"] >= _LEAST_COVERAGE)]
    joined = read_table(clusters, ["patch_id", "cluster"]).merge(table, on="patch_id", validate="one_to_one")
    joined = joined.sort_values("patch_id")
    return {cluster: joined.loc[joined["cluster"] == cluster, "value"].to_numpy(np.float64) for cluster in ranked}
