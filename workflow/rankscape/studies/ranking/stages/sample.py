"""Sample the patches that a round shows, as images: the same for all judges and prompts."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation.provenance import provenance
from rankscape.stages.options import Clusters, PatchArrays, Summary, settings_of
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS
from rankscape.studies.ranking.judges.round_samples import (
    load_images,
    round_sample_table,
    sample_patches,
    write_round_sample,
)
from rankscape.studies.ranking.judges.settings import SampleSettings
from rankscape.studies.ranking.orders.order_files import read_ranked


def sample(
    *,
    settings: Annotated[str, settings_of(SampleSettings)],
    number: Annotated[int, Parameter(name="--round", help="Number of the round.", validator=Number(gte=1))],
    patches: PatchArrays,
    clusters: Clusters,
    summary: Summary,
    out: Annotated[Path, Parameter(help="Table to write (.parquet): cluster, patch and image.")],
) -> None:
    """Sample a few patches of every cluster for one round, and keep them as PNG images."""
    chosen, ranked = SampleSettings.from_text(settings, "ranking.sample"), read_ranked(summary)
    sample = sample_patches(CLUSTERS.read(clusters, "patch_id", "cluster"), ranked.clusters, chosen, number)
    shown = [patch for of_cluster in sample.values() for patch in of_cluster]
    images = load_images(patches, shown, chosen.min_image_px)
    record = provenance("ranking sample", chosen, {"clusters": clusters, "summary": summary}, seed=chosen.seed)
    write_round_sample(out, round_sample_table(sample, images), ranked, chosen.seed, number, record)
