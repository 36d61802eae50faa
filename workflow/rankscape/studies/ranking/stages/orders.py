"""Show people's orders, export and import them as text, carry them over to new clusters.

`show`, `export`, `import` and `carry` work on annotations of `annotate`; `show` and `export` read text files and the
orders of the workflow as well. What they write goes where --out says.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import App, Parameter

from rankscape.foundation.errors import OrderError
from rankscape.foundation.files import write_bytes
from rankscape.foundation.progress import say
from rankscape.stages.options import Clusters, Summary
from rankscape.studies.ranking.annotation import conversions as carrying
from rankscape.studies.ranking.annotation.cards import read_facts
from rankscape.studies.ranking.annotation.conversions import described, imported, order_in
from rankscape.studies.ranking.annotation.document import read_annotation, write_annotation
from rankscape.studies.ranking.annotation.placing import made_for_others
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS
from rankscape.studies.ranking.orders.people import check_annotator

orders = App(
    "orders",
    help="Show people's orders, export and import them as text, carry them over to new clusters.",
)
File = Annotated[Path, Parameter(help="Annotation (.json), text (.txt), or an order of the workflow (.json).")]


@orders.command
def show(
    file: File,
    /,
) -> None:
    """Say what an order or an annotation contains."""
    print(described(file))


@orders.command
def export(
    file: File,
    /,
    *,
    out: Annotated[Path | None, Parameter(help="Text file to write; default: standard output.")] = None,
) -> None:
    """Write an order as text: one line of levels, or graph lines."""
    text = order_in(file).to_text() + "\n"
    if out is None:
        print(text, end="")
    else:
        write_bytes(out, text.encode())


@orders.command(name="import")
def import_(
    file: Annotated[Path, Parameter(help="Order as text, such as 3=4>1>0=2.")],
    /,
    *,
    summary: Summary,
    clusters: Clusters,
    region: Annotated[str, Parameter(help="Region of the clusters.")],
    out: Annotated[Path, Parameter(help="Annotation to write; its name is the annotator's.")],
) -> None:
    """Read an order from text into an annotation, which remembers the clusters that it was made for."""
    if out.exists() or out.suffix != ".json":
        raise OrderError(f"--out {out}: give the name of a .json file that does not exist yet.")
    annotator = check_annotator(out.stem, f"--out {out}")
    ranked, facts = read_facts(summary)
    table = CLUSTERS.read(clusters, "patch_id", "cluster")
    write_annotation(out, imported(file, annotator, region, ranked, facts, table))
    say(f"{out} has the order of {annotator}. Take {file} away if both lie in people.folder.")


@orders.command
def carry(
    file: Annotated[Path, Parameter(help="Annotation, finished or not, that was made for other clusters.")],
    /,
    *,
    summary: Summary,
    clusters: Clusters,
    before: Annotated[
        Path | None,
        Parameter(help="The old clusters.parquet, if it is still there: all patches count, not only those shown."),
    ] = None,
    out: Annotated[Path | None, Parameter(help="Annotation to write; default: FILE is replaced.")] = None,
) -> None:
    """Carry an annotation over to clusters that were made anew, by the patches that it remembers."""
    annotation = read_annotation(file)
    ranked, facts = read_facts(summary)
    if annotation.fingerprint == ranked.fingerprint:
        say(f"{file} is made for these very clusters: nothing to carry over.")
        return
    old = None if before is None else CLUSTERS.read(before, "patch_id", "cluster")
    if old is not None and _fingerprint(old) != annotation.fingerprint:
        raise OrderError(f"--before: {made_for_others(file, annotation.fingerprint, _fingerprint(old))}")
    table = CLUSTERS.read(clusters, "patch_id", "cluster")
    if _fingerprint(table) != ranked.fingerprint:
        raise OrderError(f"{clusters} and {summary} belong to different clusterings: make the clusters again.")
    carried = carrying.carry(annotation, ranked, facts, table, old, str(file))
    write_annotation(out or file, carried)
    step = carried.carried[-1]
    moved = ", ".join(f"{old} is now {new}" for old, new in step.clusters.items() if old != str(new))
    say(f"{out or file}: {moved or 'all clusters keep their numbers'}; least share {min(step.shares.values()):.0%}.")


def _fingerprint(table: pd.DataFrame) -> str:
    from rankscape.studies.ranking.clusters.clustering import fingerprint

    return fingerprint(table)
