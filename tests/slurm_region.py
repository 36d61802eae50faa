"""A region small enough to be made by twenty jobs on a cluster of two cores, each job a few seconds."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import yaml
from small_region import small_region
from workflow_copy import Project

FIT, APPLY = "03TVG", "03TXG"
CATEGORIES = ["urban", "rural", "highland", "uninhabited"]
MOST_MB = 3000
"""Memory of a node, as the profile says it: rules that ask for more get this."""
Start = Callable[..., subprocess.Popen[str]]
"""`start(project, *arguments)` starts Snakemake on the cluster."""


def two_granules(folder: Path) -> Project:
    """The small region with one granule to learn from, one to apply the score to, one prompt, and the toy's profile."""
    project = small_region(folder)
    config = yaml.safe_load((folder / "config/config.yaml").read_text())
    config |= {"references": {}, "districts": {}}
    ranking = config["ranking"]
    ranking |= {"prompts": ["economics-student-en"], "baselines": {}, "regressions": {}}
    ranking["cluster"] |= {"k_min": 2, "k_max": 2}
    ranking["label"]["file"] = "config/labels.csv"
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    sheet = folder / "config/granules/demo.tsv"
    header, *rows = sheet.read_text().splitlines()
    sheet.write_text("\n".join([header, *(row for row in rows if row.split("\t")[0] in (FIT, APPLY))]) + "\n")
    labels = [",".join(["patch_id", *CATEGORIES])]
    for row in range(8):
        shares = ",".join("1" if row // 2 == place else "0" for place in range(4))
        labels += [f"{FIT}_{row}_{col},{shares}" for col in range(8)]
    (folder / "config/labels.csv").write_text("\n".join(labels) + "\n")
    profile = "workflow/profiles/slurm/profile.yaml"
    project.edit(profile, "max-threads: 8", "max-threads: 1")
    project.edit(profile, "mem_mb: 64000", f"mem_mb: {MOST_MB}")
    project.edit(profile, "tasks: 4", "tasks: 2")
    project.edit(profile, "status-checks: 10", "status-checks: 2")
    return project
