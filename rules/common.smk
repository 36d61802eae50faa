"""Checks the configuration and the sheet before any job, and holds what all rules share: settings() and code()."""

import json
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.current_basedir).parent
sys.path.insert(0, str(ROOT / "workflow"))

from rankscape.foundation.codeversion import code_version
from rankscape.foundation.errors import InputError
from rankscape.foundation.settings.config import check_config
from rankscape.foundation.sheet import GRANULE_PATTERN, Window, read_sheet

# Jobs run this checkout's package with the Python that runs Snakemake, unless conda puts its own in front.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "workflow"), *filter(None, [os.environ.get("PYTHONPATH")])])
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

try:
    CONFIG = check_config(config, ", ".join(map(str, workflow.configfiles)))
    SHEET = read_sheet(Path(CONFIG.granules))
except InputError as error:
    raise WorkflowError(str(error)) from None

GRANULES = list(SHEET)
FIT = [name for name, row in SHEET.items() if row.role == "fit"]
APPLY = [name for name, row in SHEET.items() if row.role == "apply"]
ROUNDS = range(1, CONFIG.rate.rounds + 1) if CONFIG.prompts else []
REFERENCES = list(CONFIG.references)


pathvars:
    results=f"results/{CONFIG.region}",
    logs=f"results/{CONFIG.region}/logs",
    benchmarks=f"results/{CONFIG.region}/benchmarks",


wildcard_constraints:
    granule=GRANULE_PATTERN,
    judge=r"[a-z0-9]+(-[a-z0-9]+)*",
    prompt=r"[a-z0-9]+(-[a-z0-9]+)*",
    round=r"[1-9][0-9]*",
    annotator=r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*",
    reference=r"[a-z0-9]+(-[a-z0-9]+)*",


def settings(section):
    """A section of the configuration as one canonical JSON string: names included, keys sorted."""
    return getattr(CONFIG, section).canonical()


def code(stage):
    """Hash of a stage's module and of everything that it imports from the package."""
    return code_version(f"rankscape.stages.{stage}", ROOT / "workflow")


def memory(mb):
    """Megabytes for a job, doubled with every attempt."""
    return lambda wildcards, attempt: mb * 2 ** (attempt - 1)


def minutes(count):
    """Minutes for a job, doubled with every attempt."""
    return lambda wildcards, attempt: count * 2 ** (attempt - 1)


def local_file(href):
    """A path that jobs can wait for, or nothing where `href` is an address."""
    return [] if "://" in href else [href]


def without(section, *names):
    """A section without keys that the job does not read: the number of rounds must not ask finished rounds again."""
    values = json.loads(section.canonical())
    return json.dumps(
        {key: value for key, value in values.items() if key not in names},
        sort_keys=True,
        ensure_ascii=False,
    )


def judge_settings(name):
    """What a judge's answers depend on; how often and how fast it is asked are resources."""
    return without(CONFIG.judges[name], "concurrency", "attempts", "timeout_s")
