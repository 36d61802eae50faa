"""Make a finished run fit to travel: one table of all patches, data dictionary, STAC catalogue, citation, notice.

Everything is written into the run's own folder, with relative links; nothing that a run has already is copied.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.files import write_bytes
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.products.outputs.catalogue import write_catalogue
from rankscape.products.outputs.citation import citation, notice, readme, title_of
from rankscape.products.outputs.dictionary import as_csv, as_markdown, entries
from rankscape.products.outputs.patches import all_patches, write_patches
from rankscape.products.outputs.run import Run
from rankscape.products.outputs.settings import PublishSettings
from rankscape.products.outputs.sources import read_sources
from rankscape.stages.options import settings_of


def publish(
    *,
    settings: Annotated[str, settings_of(PublishSettings)],
    region: Annotated[str, Parameter(help="Name of the region.")],
    out: Annotated[Path, Parameter(help="Catalogue to write in the folder of the run: results/<region>/catalog.json.")],
    granules: Annotated[list[str], Parameter(help="Granules with coordinates.")],
    apply: Annotated[list[str] | None, Parameter(help="Those of role `apply`.")] = None,
    references: Annotated[list[str] | None, Parameter(help="References that the score was compared with.")] = None,
    baselines: Annotated[list[str] | None, Parameter(help="Baseline models that scored the granules.")] = None,
    districts: Annotated[list[str] | None, Parameter(help="Sets of districts.")] = None,
    changes: Annotated[list[str] | None, Parameter(help="Changes: pairs of periods, before--after.")] = None,
    regressions: Annotated[list[str] | None, Parameter(help="Regressions.")] = None,
    dense: Annotated[bool, Parameter(name="--dense", help="Finer maps were made.")] = False,
) -> None:
    """Write a STAC catalogue over a finished run, and into its folder the tables and words that travel with it.

    These are maps/patches.parquet and .csv.gz, data-dictionary.csv and .md, README.txt, CITATION.cff and NOTICE.txt.
    """
    chosen = PublishSettings.from_text(settings, "publish")
    run = Run(
        out.parent, region, granules, apply or (), dense, references or (), baselines or (), districts or (),
        changes or (), regressions or (),
    )  # fmt: skip
    run.check()
    sources = read_sources(run)
    record = provenance("publish", chosen, run.inputs())
    patches = all_patches(run, chosen.confidence)
    write_patches(run.path("maps/patches.parquet"), run.path("maps/patches.csv.gz"), patches, record)
    rows = entries(run, sources.references)
    write_bytes(run.path("data-dictionary.csv"), as_csv(rows))
    write_bytes(run.path("data-dictionary.md"), as_markdown(rows, title_of(run, chosen)))
    write_bytes(run.path("CITATION.cff"), citation(run, chosen, sources))
    write_bytes(run.path("NOTICE.txt"), notice(chosen, sources))
    write_bytes(run.path("README.txt"), readme(run, chosen, sources))
    tables = {file: [one for other, one in rows if other == file] for file, _ in rows}
    write_catalogue(run, chosen, sources, tables, record)
    say(f"{out}: {len(patches)} patches of {len(run.granules)} granules")
