"""Compare two runs: settings, scenes, clusters, order, judges, score, evaluation, versions.

For people who add a prompt, a judge, a granule or a model and want to see what it changed.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import atomic_path, write_bytes, write_json
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.studies.ranking.compare.comparison import compare_runs, document_of, render, rows_of
from rankscape.studies.ranking.compare.runs import read_runs

_HASHED = ("clusters/clusters.json", "ranking/order.json", "model/score.json", "scores")


def compare(
    run_a: Annotated[Path, Parameter(help="Results folder of one run, such as results/demo.")],
    run_b: Annotated[Path, Parameter(help="Results folder of another run of the same land.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder to write: index.html, compare.json, compare.csv.")],
    movers: Annotated[
        int, Parameter(help="How many of the places that moved most to show.", validator=Number(gte=0, lte=100))
    ] = 12,
) -> None:
    """Compare two runs of the same land, as a table and as a page."""
    if run_a.resolve() == run_b.resolve():
        raise InputError(f"{run_a} and {run_b} are one folder: give two runs.")
    a, b = read_runs([run_a, run_b])
    comparison, both = compare_runs(a, b, movers)
    inputs = {f"{side}/{name}": run / name for side, run in (("a", run_a), ("b", run_b)) for name in _HASHED}
    record = provenance("compare", None, inputs)
    page = render(a, b, comparison, both, record).encode()
    write_json(out / "compare.json", document_of(comparison, record))
    with atomic_path(out / "compare.csv") as temporary:
        rows_of(comparison).to_csv(temporary, index=False, lineterminator="\n")
    write_bytes(out / "index.html", page)
    say(f"{out / 'index.html'}: {len(comparison.settings)} settings differ, {len(both):,} places in both runs")
