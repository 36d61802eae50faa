"""A finished demo in seconds: the real Snakefile and rules, with a command line that only makes the files asked for.

What reruns depends on rules, params and code versions, all real here. The stub replaces `__main__` alone, which no
stage imports, so every code version stays what it is.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

STUB = """
import sys
from pathlib import Path

OUTPUTS = {"--out", "--catalogue", "--labels", "--lights", "--population", "--truth", "--districts", "--scene",
           "--record", "--patches", "--item", "--preview", "--places"}
INPUTS = {"adapt": {"--labels"}, "report": {"--preview"}}
MORE = {"tile": ".parquet", "embed": ".json"}
verb, arguments = sys.argv[1], sys.argv[2:]
outputs = OUTPUTS - INPUTS.get(verb, set())
if verb == "compose":
    outputs |= {"--quality"}
if verb == "cluster":
    outputs |= {"--summary"}
for option, value in zip(arguments, arguments[1:]):
    if option in outputs:
        path = Path(value)
        if verb == "sheet":
            path = path / "00.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(verb)
        if verb in MORE and option == "--out":
            path.with_suffix(MORE[verb]).write_text(verb)
"""

_COMMAND = re.compile(r"python -m rankscape (\w+) ")
_OUT = re.compile(r"--(?:out|catalogue|scene) '?([^\s']+)")


@dataclass(frozen=True)
class Project:
    """A copy of the workflow in a folder of its own."""

    folder: Path

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Snakemake as a user does."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
        run = subprocess.run(
            command, cwd=self.folder, text=True, capture_output=True, check=False, env=environment, timeout=300
        )
        if check:
            assert run.returncode == 0, run.stdout + run.stderr
        return run

    def planned(self, *arguments: str) -> set[str]:
        """What would run: `verb first-output` of every job, outputs below results/<region>/."""
        run = self.snakemake("--dry-run", "--printshellcmds", *arguments)
        jobs = set()
        for line in (run.stdout + run.stderr).splitlines():
            if (verb := _COMMAND.search(line)) and (out := _OUT.search(line)):
                jobs.add(f"{verb[1]} {out[1].split('/', 2)[2]}")
        return jobs

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file of the copy; the old text must stand in it."""
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {path}"
        file.write_text(text.replace(old, new), encoding="utf-8")


def copy_workflow(target: Path) -> Project:
    """Copy what a clone holds of the workflow."""
    for name in ("rules", "workflow", "config", "envs", "resources"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy2(ROOT / "Snakefile", target)
    return Project(target)


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
