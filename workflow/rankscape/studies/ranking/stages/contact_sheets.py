"""Draw a contact sheet of every cluster, so that people can inspect the clustering."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.provenance import provenance
from rankscape.samples.patches import index_of, open_patches
from rankscape.stages.options import Clusters, PatchArrays, Summary, settings_of
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS, SUMMARY
from rankscape.studies.ranking.clusters.cluster_sheets import (
    SHEET_PATCHES,
    plan_contact_sheets,
    write_contact_sheets,
)
from rankscape.studies.ranking.clusters.settings import ClusterSettings


def contact_sheets(
    *,
    settings: Annotated[str, settings_of(ClusterSettings)],
    patches: PatchArrays,
    clusters: Clusters,
    summary: Summary,
    out: Annotated[Path, Parameter(help="Folder to write: one PNG a cluster, and index.json.")],
) -> None:
    """Draw one image a cluster, with a seeded sample of its patches in true colour."""
    section = ClusterSettings.from_text(settings, "ranking.cluster")
    table = CLUSTERS.read(clusters, "patch_id", "cluster")
    known = [one.model_dump() for one in SUMMARY.read(summary).clusters]
    sheets = plan_contact_sheets(table, known, SHEET_PATCHES, section.seed)
    inputs = {"clusters": clusters, "summary": summary} | {f"index/{path.stem}": index_of(path) for path in patches}
    record = provenance("ranking contact-sheets", section, inputs, seed=section.seed)
    write_contact_sheets(out, sheets, [open_patches(path) for path in sorted(patches)], record)
