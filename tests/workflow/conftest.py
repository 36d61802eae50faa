"""A finished demo in seconds: the real Snakefile and rules, with a command line that only makes the files asked for.

What reruns depends on rules, params and code versions, all real here. The stub replaces `__main__` alone, which no
stage imports, so every code version stays what it is.
"""

import shutil
from pathlib import Path

import pytest
from workflow_copy import Project, copy_workflow

STUB = """
import sys
from pathlib import Path

OUTPUTS = {"--out", "--catalogue", "--labels", "--lights", "--population", "--truth", "--districts", "--scene",
           "--counties", "--surroundings", "--record", "--patches", "--item", "--preview", "--colour", "--uncertainty",
           "--places", "--card", "--times", "--table", "--document", "--picture"}
INPUTS = {"adapt": {"--labels"}, "inspection-sheets": {"--record"}, "audit": {"--times"}, "change": {"--places"},
          "cluster": {"--labels"}}
MORE = {"tile": ".parquet", "embed": ".json", "saliency": ".npy", "rasterize": ".qml", "mosaic": ".qml",
        "change": ".qml", "regress": ".csv .tex"}
PUBLISHED = ("maps/patches.parquet", "maps/patches.csv.gz", "data-dictionary.csv", "data-dictionary.md", "README.txt",
             "CITATION.cff", "NOTICE.txt", "catalog.json", "catalog/collection.json", "catalog/items/region.json")
arguments = sys.argv[2:] if sys.argv[1] == "ranking" else sys.argv[1:]
verb = arguments[0]
outputs = OUTPUTS - INPUTS.get(verb, set())
if verb == "compose":
    outputs |= {"--quality"}
if verb == "cluster":
    outputs |= {"--summary"}
if verb == "publish":
    for name in PUBLISHED:
        path = Path(arguments[arguments.index("--out") + 1]).parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(verb)
if verb == "report":
    words = arguments[arguments.index("--studies") + 1:]
    for study in words[:next(place for place, word in enumerate(words) if word.startswith("--"))]:
        path = Path(arguments[arguments.index("--out") + 1]).with_name(f"{study}.html")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(verb)
if verb == "simulate":
    outputs |= {"--truth-earlier"}
if verb == "change":
    outputs |= {"--document", "--raster", "--images"}
for option, value in zip(arguments, arguments[1:]):
    if option in outputs:
        path = Path(value)
        if verb in ("contact-sheets", "inspection-sheets") or option == "--images":
            path = path / "00.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(verb)
        if verb in MORE and option in {"--out", "--patches", "--uncertainty"}:
            for suffix in MORE[verb].split():
                path.with_suffix(suffix).write_text(verb)
        if option == "--card":
            path.with_name(path.stem + "-curves.png").write_text(verb)
"""


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = copy_workflow(tmp_path_factory.mktemp("finished") / "project")
    (project.folder / "workflow/rankscape/__main__.py").write_text(STUB)
    project.snakemake("--set-resources", "tile:mpi=mpiexec", "tile:tasks=1")
    return project.folder


@pytest.fixture
def finished(_finished: Path, tmp_path: Path) -> Project:
    """The demo with every file made; a copy that the test may change."""
    shutil.copytree(_finished, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """The workflow as cloned, nothing made."""
    (tmp_path / "fresh").mkdir()
    return copy_workflow(tmp_path / "fresh")
