"""Compare two runs: settings, scenes, versions, the numbers of their files, and what their studies find.

For people who add a prompt, a judge, a granule or a model and want to see what it changed.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.artifacts import declared_in
from rankscape.foundation.errors import InputError
from rankscape.foundation.files import atomic_path, write_bytes, write_json
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.foundation.studies import Study, find_studies, load
from rankscape.products.compare.comparison import compare_runs, document_of, render, rows_of
from rankscape.products.compare.differences import open_runs
from rankscape.samples import artifacts as samples
from rankscape.scenes import artifacts as scenes


def compare(
    run_a: Annotated[Path, Parameter(help="Results folder of one run, such as results/demo.")],
    run_b: Annotated[Path, Parameter(help="Results folder of another run of the same region.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder to write: index.html, compare.json, compare.csv.")],
    movers: Annotated[
        int, Parameter(help="How many of the places that moved most to show.", validator=Number(gte=0, lte=100))
    ] = 12,
) -> None:
    """Compare two runs of the same region, as a table and as a page."""
    if run_a.resolve() == run_b.resolve():
        raise InputError(f"{run_a} and {run_b} are one folder: give two runs.")
    studies = [study for study in find_studies() if all((run / study.name).is_dir() for run in (run_a, run_b))]
    own = [load(study.artifacts) for study in studies if study.artifacts]
    a, b = open_runs([run_a, run_b], declared_in(scenes, samples, *own))
    found = compare_runs(a, b, [load(study.compare)(a, b, movers) for study in studies if study.compare])
    record = provenance("compare", None, _inputs(run_a, run_b, studies))
    write_json(out / "compare.json", document_of(found, record))
    with atomic_path(out / "compare.csv") as temporary:
        rows_of(found).to_csv(temporary, index=False, lineterminator="\n")
    write_bytes(out / "index.html", render(found, record).encode())
    say(f"{out / 'index.html'}: {len(found.settings)} settings and {len(found.numbers)} numbers differ")


def _inputs(run_a: Path, run_b: Path, studies: list[Study]) -> dict[str, Path]:
    """Documents and tables of the studies, by side and path."""
    own = declared_in(*(load(study.artifacts) for study in studies if study.artifacts))
    return {
        f"{side}/{path.relative_to(run).as_posix()}": path
        for side, run in (("a", run_a), ("b", run_b))
        for kind in own if kind.shown
        for _, path in kind.found(run)
        if path.is_file()
    }  # fmt: skip
