"""Describe a finished run for others: data dictionary, STAC catalogue, citation, notice, and a README.

Everything is written into the run's own folder, with relative links; nothing that a run has already is copied.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.artifacts import read_names
from rankscape.foundation.files import write_bytes
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.foundation.studies import find_study, load
from rankscape.products.artifacts import CITATION, DICTIONARY, DICTIONARY_PAGE, NOTICE
from rankscape.products.artifacts import README as READ_ME
from rankscape.products.outputs.catalogue import write_catalogue
from rankscape.products.outputs.dictionary import as_markdown, as_table, entries
from rankscape.products.outputs.run import FinishedRun
from rankscape.products.outputs.settings import PublishSettings
from rankscape.products.outputs.words import Publication, citation, notice, readme, title_of
from rankscape.stages.artifacts import artifacts_of
from rankscape.stages.options import Names, settings_of

_MADE = "made"
"""Key of the names that lists the verbs of optional files."""


def publish(
    *,
    settings: Annotated[str, settings_of(PublishSettings)],
    region: Annotated[str, Parameter(help="Name of the region.")],
    out: Annotated[Path, Parameter(help="Catalogue to write in the folder of the run: results/<region>/catalog.json.")],
    studies: Annotated[list[str], Parameter(help="Studies of the region.")],
    names: Names = "{}",
) -> None:
    """Write a STAC catalogue over a finished run, and into its folder what travels with it.

    These are data-dictionary.csv and .md, README.txt, CITATION.cff and NOTICE.txt. Which granules, references and so on
    the run has is read from its folder where `names` does not say it.
    """
    chosen, found = PublishSettings.from_text(settings, "publish"), [find_study(name) for name in studies]
    known = read_names(names)
    declared = [load(study.artifacts) for study in found if study.artifacts]
    words = [module.WORDS for module in declared if hasattr(module, "WORDS")]
    run = FinishedRun(out.parent, region, artifacts_of(found), known, frozenset(known.get(_MADE, ())), words)
    run.check()
    record = provenance("publish", chosen, run.inputs())
    titles = Publication(run, chosen, record, {}).credits.references
    rows = entries(run, titles)
    columns = {file: [one for other, one in rows if other == file] for file, _ in rows}
    given = Publication(run, chosen, record, columns)
    DICTIONARY.write(DICTIONARY.of(run.root), as_table(rows), record)
    write_bytes(DICTIONARY_PAGE.of(run.root), as_markdown(run, rows, title_of(given)))
    write_bytes(CITATION.of(run.root), citation(given))
    write_bytes(NOTICE.of(run.root), notice(given))
    write_bytes(READ_ME.of(run.root), readme(given))
    write_catalogue(given)
    say(f"{out}: {len(run.inputs())} files of {', '.join(studies)}")
