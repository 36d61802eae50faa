"""What there is to annotate in a region: its clusters, their patches, and the arrays that hold the pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_table
from rankscape.scenes.addresses import is_safe_name
from rankscape.studies.ranking.annotation.document import ClusterFacts
from rankscape.studies.ranking.orders.summary import Ranked, read_ranked


@dataclass(frozen=True)
class Region:
    """The clusters of a region."""

    name: str
    """Name of the region."""
    ranked: Ranked
    """Clusters to rank, and their fingerprint."""
    facts: tuple[ClusterFacts, ...]
    """What is known of each ranked cluster."""
    members: Mapping[int, tuple[str, ...]]
    """Patches of each ranked cluster, sorted."""
    tiles: tuple[Path, ...]
    """Patch arrays of the granules that hold them."""


def read_region(results: Path, name: str) -> Region:
    """Read a region's clusters from its results.

    Raises:
        InputError: If `name` is no folder's name, or there are no results, or no clusters yet.
        TableError: If table and summary belong to different clusterings, or a granule's id cannot name a file.
    """
    if not is_safe_name(name):
        raise InputError(f"--region {name!r} is no name of a region: give the name of a folder of {results}.")
    folder = results / name
    if not folder.is_dir():
        others = sorted(path.name for path in results.glob("*") if path.is_dir())
        raise InputError(f"{folder} does not exist: mend --region (there are {others}), or run the workflow first.")
    table, summary = folder / "clusters/clusters.parquet", folder / "clusters/clusters.json"
    for path in (summary, table):
        if not path.is_file():
            raise InputError(f"Region {name} has no clusters yet ({path} is missing): run `snakemake {summary}` first.")
    ranked, facts = read_facts(summary)
    frame = read_table(table, ["patch_id", "granule", "cluster"])
    members = {
        cluster: tuple(sorted(frame.loc[frame["cluster"] == cluster, "patch_id"])) for cluster in ranked.clusters
    }
    if {cluster: len(patches) for cluster, patches in members.items()} != {one.cluster: one.size for one in facts}:
        raise TableError(f"{table} and {summary} belong to different clusterings: make the clusters again.")
    granules = sorted(frame.loc[frame["cluster"].isin(ranked.clusters), "granule"].unique())
    for granule in granules:
        if not is_safe_name(granule):
            raise TableError(f"{table}: {granule!r} is no granule id: make the clusters again.")
    return Region(name, ranked, facts, members, tuple(folder / "tiles" / f"{granule}.npy" for granule in granules))


def read_facts(summary: Path) -> tuple[Ranked, tuple[ClusterFacts, ...]]:
    """Read the clusters to rank, and what is known of each, from `clusters.json`.

    Raises:
        OrderError: If the file is no summary of clusters, or leaves no cluster to rank.
        InputError: If a cluster lacks its category or size.
    """
    ranked = read_ranked(summary)
    try:
        entries = {int(entry["cluster"]): entry for entry in read_json(summary)["clusters"]}
        facts = tuple(
            ClusterFacts(
                cluster=cluster,
                category=str(entries[cluster]["category"]),
                size=int(entries[cluster]["size"]),
                medoid=entries[cluster].get("medoid"),
            )
            for cluster in ranked.clusters
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{summary} is no whole summary of clusters ({error!r}): make it again.") from None
    return ranked, facts
