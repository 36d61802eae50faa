"""A copy of the workflow in a folder of its own, run as a user runs it."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from snakemake.utils import update_config

ROOT = Path(__file__).parents[1]
CONFIG = "config/config.yaml"
PATIENCE_S = 7200.0
"""How long tests wait for a run: this ends what hangs, and nothing that a busy machine does four times slower."""


_COMMAND = re.compile(r"python -m rankscape (?:\w+ )?([a-z][\w-]*) --")
_OUT = re.compile(r"--(?:out|catalogue|scene) '?([^\s']+)")


@dataclass(frozen=True)
class Project:
    """A copy of the workflow in a folder of its own."""

    folder: Path
    path: str = ""
    """Folders of further packages, such as a study's, as in `PYTHONPATH`."""

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Snakemake as a user does."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
        if self.path:
            environment["PYTHONPATH"] = self.path
        run = subprocess.run(
            command, cwd=self.folder, text=True, capture_output=True, check=False, env=environment, timeout=PATIENCE_S
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

    def pretend(self, *arguments: str) -> None:
        """Make every file that is planned, without its content, and let Snakemake record that its jobs ran."""
        table = self.snakemake("--summary", *arguments).stdout
        for line in table[table.index("output_file\t") :].splitlines()[1:]:
            path = self.folder / line.partition("\t")[0]
            made = path if path.suffix else path / "00.png"
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text("made up")
        self.snakemake("--touch", "--forceall", *arguments)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file of the copy; the old text must stand in it."""
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {path}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def configure(self, path: str = CONFIG, **sections: Any) -> None:
        """Change sections of a configuration, key by key as Snakemake merges files; None takes a section out."""
        file = self.folder / path
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        update_config(values, {name: section for name, section in sections.items() if section is not None})
        kept = {name: section for name, section in values.items() if sections.get(name, section) is not None}
        file.write_text(yaml.safe_dump(kept, allow_unicode=True, sort_keys=False, width=1000), encoding="utf-8")


def copy_workflow(target: Path) -> Project:
    """Copy what a clone holds of the workflow."""
    for name in ("rules", "workflow", "config", "envs", "resources"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy2(ROOT / "Snakefile", target)
    return Project(target)
