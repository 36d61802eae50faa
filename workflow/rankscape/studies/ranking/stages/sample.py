"""Draw the patches that a round shows, as pictures: the same for all judges and prompts."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation.provenance import provenance
from rankscape.foundation.tables import read_table
from rankscape.stages.options import Clusters, Summary, Tiles, settings_of
from rankscape.studies.ranking.judges.round_samples import draw_table, load_pictures, sample_patches, write_draw
from rankscape.studies.ranking.orders.order_files import read_ranked
from rankscape.studies.ranking.settings.judges import DrawSettings


def sample(
    *,
    settings: Annotated[str, settings_of(DrawSettings)],
    number: Annotated[int, Parameter(name="--round", help="Number of the round.", validator=Number(gte=1))],
    tiles: Tiles,
    clusters: Clusters,
    summary: Summary,
    out: Annotated[Path, Parameter(help="Table to write (.parquet): cluster, patch and picture.")],
) -> None:
    """Draw a few patches of every cluster for one round, and keep them as PNG pictures."""
    chosen, ranked = DrawSettings.from_text(settings, "ranking.sample"), read_ranked(summary)
    sample = sample_patches(read_table(clusters, ["patch_id", "cluster"]), ranked.clusters, chosen, number)
    shown = [patch for patches in sample.values() for patch in patches]
    pictures = load_pictures(tiles, shown, chosen.min_picture_px)
    record = provenance("ranking sample", chosen, {"clusters": clusters, "summary": summary}, seed=chosen.seed)
    write_draw(out, draw_table(sample, pictures), ranked, chosen.seed, number, record)
