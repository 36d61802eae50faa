"""A copy of the workflow in a folder of its own, run as a user runs it."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


_COMMAND = re.compile(r"python -m rankscape (?:\w+ )?([\w-]+) --")
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
            command, cwd=self.folder, text=True, capture_output=True, check=False, env=environment, timeout=900
        )
        if check:
            assert run.returncode == 0, run.stdout + run.stderr
        return run

    def planned(self, *arguments: str) -> set[str]:
        """What would run: `verb first-output` of every job, without its study, outputs below results/<region>/."""
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
