"""Write the page that people open: map, evaluation, order, clusters, judges, training, versions.

One HTML file that carries its pictures, its scripts and the numbers behind its map; it opens from disk without a
network, and without scripts it shows the map as a picture.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.files import write_bytes
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.products.report.settings import ReportSettings
from rankscape.stages.options import Clusters, MaybeFile, Summary, Tiles, only, settings_of
from rankscape.studies.ranking.page.inputs import Files, read_material
from rankscape.studies.ranking.page.page import render

Paths = list[Path] | None
"""Files of one kind; there may be none."""


def report(
    *,
    settings: Annotated[str, settings_of(ReportSettings)],
    region: Annotated[str, Parameter(help="Name of the region.")],
    order: Annotated[Path, Parameter(help="The merged order: order.json.")],
    orders: Annotated[list[Path], Parameter(help="Partial orders (JSON), a source each.")],
    audit: Annotated[Path, Parameter(help="What the sources of orders can be trusted with: audit.json.")],
    summary: Summary,
    clusters: Clusters,
    tiles: Tiles,
    training: Annotated[Path, Parameter(help="Record of the score networks' training: score.json.")],
    backbone: Annotated[Path, Parameter(help="Record of the backbone's adaptation: backbone.json.")],
    scores: Annotated[list[Path], Parameter(help="Scores (.parquet), a granule each.")],
    out: Annotated[Path, Parameter(help="Page to write (HTML).")],
    preview: Annotated[
        MaybeFile, Parameter(help="Picture of the region map (PNG); none where no patch has coordinates.")
    ] = (),
    evaluations: Annotated[
        Paths, Parameter(help="Evaluations (JSON), a reference each; the table of places lies beside (.parquet).")
    ] = None,
    rounds: Annotated[Paths, Parameter(help="Rounds (JSON), for counts of missing replies.")] = None,
    review: Annotated[
        Path | None,
        Parameter(help="Folder of sheets to judge the score by, as `rankscape ranking inspection-sheets` wrote it."),
    ] = None,
    saliency: Annotated[
        Paths, Parameter(help="What the networks responded to (JSON), a granule each; the maps lie beside.")
    ] = None,
    districts: Annotated[Paths, Parameter(help="Districts (JSON); the table and the picture lie beside.")] = None,
    change: Annotated[Paths, Parameter(help="Changes (JSON); the table and the pictures lie beside.")] = None,
    regressions: Annotated[Paths, Parameter(help="Regressions (JSON).")] = None,
    scenes: Annotated[
        Paths, Parameter(help="What was fetched (download.json), for dates; records dropped since are passed over.")
    ] = None,
    configuration: Annotated[
        str | None,
        Parameter(help="The whole configuration, JSON or a YAML file; without it the inputs' records are shown."),
    ] = None,
) -> None:
    """Write the page that people open."""
    chosen = ReportSettings.from_text(settings, "report")
    lists = (saliency, districts, change, regressions, [path for path in scenes or () if path.is_file()])
    files = Files(
        order, orders, audit, summary, clusters, tiles, training, backbone, only(preview), scores, evaluations or (),
        rounds or (), review, *(given or () for given in lists),
    )  # fmt: skip
    material = read_material(files)
    record = provenance("report", chosen, files.by_role(), seed=chosen.seed)
    page = render(material, chosen, region, configuration, record).encode()
    write_bytes(out, page)
    say(f"{out}: {len(page) / 1e6:.1f} MB, opens in any browser")
