"""Derive a partial order of the clusters from a reference.

Clusters are compared by their mean of the reference, an amount or weights of land cover; a difference that the
bootstrap over spatial blocks finds not significant is a tie.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from cyclopts import Parameter

from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.samples.patches import read_index
from rankscape.samples.places import block_of
from rankscape.stages.options import Clusters, Indices, Summary, settings_of
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS
from rankscape.studies.ranking.orders.artifacts import DATA_ORDER
from rankscape.studies.ranking.orders.order_files import read_ranked
from rankscape.studies.ranking.orders.order_from_values import Values, covered_values, means_of_values, order_of_means
from rankscape.studies.ranking.orders.settings import OrderFromReferenceSettings


def order_from_reference(
    *,
    settings: Annotated[str, settings_of(OrderFromReferenceSettings)],
    reference: Annotated[str, Parameter(help="Name of the reference.")],
    values: Annotated[list[Path], Parameter(help="The reference's mean in every patch (Parquet), a granule each.")],
    indices: Indices,
    clusters: Clusters,
    summary: Summary,
    out: Annotated[Path, Parameter(help="Order to write (JSON).")],
) -> None:
    """Derive a partial order of the clusters from a reference."""
    chosen = OrderFromReferenceSettings.from_text(settings, "ranking.order_from_reference")
    ranked = read_ranked(summary)
    by_cluster = _by_cluster(covered_values(values), _blocks(indices, chosen.block_m), clusters, ranked.clusters)
    if not any(len(own.values) for own in by_cluster.values()):
        raise TableError(f"Reference {reference} has no value in any ranked patch: does it cover the region?")
    means = means_of_values(by_cluster, chosen)
    order = order_of_means(means, chosen).extended(ranked.clusters)
    inputs = {"clusters": clusters, "summary": summary}
    inputs |= {
        f"{role}/{path.stem}": path for role, paths in (("values", values), ("indices", indices)) for path in paths
    }
    DATA_ORDER.write(
        out,
        {
            "source": {"kind": "data", "reference": reference},
            **order.to_document(),
            "scores": {str(c): float(own.values.mean()) if own.values.size else None for c, own in by_cluster.items()},
            "means": {str(cluster): mean.to_document() for cluster, mean in means.items()},
            "fingerprint": ranked.fingerprint,
        },
        provenance("ranking order-from-reference", chosen, inputs, seed=chosen.seed),
    )
    say(f"Order from {reference}: {order.to_text().splitlines()[0]}")


def _blocks(paths: Sequence[Path], block_m: float | None) -> pd.DataFrame:
    """The spatial block of every patch: patch_id, block; each patch is its own where no side is given."""
    indices = [read_index(path) for path in sorted(paths)]
    ids = np.concatenate([index["patch_id"].to_numpy() for index in indices])
    blocks = np.arange(len(ids)) if block_m is None else np.concatenate(block_of(indices, block_m))
    return pd.DataFrame({"patch_id": ids, "block": blocks})


def _by_cluster(known: pd.DataFrame, blocks: pd.DataFrame, clusters: Path, ranked: Sequence[int]) -> dict[int, Values]:
    """Values by ranked cluster, in the order of patch ids; there may be none."""
    joined = CLUSTERS.read(clusters, "patch_id", "cluster").merge(known, on="patch_id", validate="one_to_one")
    placed = joined.merge(blocks, on="patch_id", validate="one_to_one").sort_values("patch_id")
    if len(placed) < len(joined):
        lost = sorted(set(joined["patch_id"]) - set(placed["patch_id"]))
        raise TableError(f"--indices lacks {len(lost)} patches of {clusters}, such as {lost[0]}: give all granules'.")
    groups = {cluster: placed[placed["cluster"] == cluster] for cluster in ranked}
    return {c: Values(own["value"].to_numpy(np.float64), own["block"].to_numpy()) for c, own in groups.items()}
