"""Checks the configuration and the granule table before any job, and offers what rules of several files share."""

import gc
import json
import os
import re
import sys
from operator import attrgetter
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

ROOT = Path(workflow.current_basedir).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from rankscape.config import check_config, check_granules
from rankscape.foundation.checkout import run_this_checkout
from rankscape.foundation.code_version import Notes, code_version, names_in, stage_module
from rankscape.foundation.errors import InputError
from rankscape.foundation.locks import release_stale_locks
from rankscape.foundation.settings import read_yaml
from rankscape.foundation.studies import find_study
from rankscape.samples.listing import look_through, raster_files
from rankscape.scenes.granule_table import GRANULE_PATTERN, current_rows, parse_shard, read_granule_table

run_this_checkout(ROOT / "workflow")
# Snakemake has no way to tell the lock of a killed run from that of one that is alive, and asks the user; the kernel knows.
if release_stale_locks(Path(".snakemake")):
    logger.info("Removed the locks of a run that was killed.")

# Planning allocates much and frees little: with the usual threshold, looking for garbage is a fifth of its time.
gc.set_threshold(50_000, 20, 20)

try:
    for file in map(Path, workflow.configfiles):
        read_yaml(file)  # refuses what Snakemake's own reader lets pass, such as a key that is given twice
    CONFIG = check_config(config, ", ".join(map(os.path.relpath, workflow.configfiles)))
    GRANULE_TABLE = read_granule_table(Path(CONFIG.granules))
    check_granules(CONFIG, GRANULE_TABLE)
    LISTINGS = look_through(GRANULE_TABLE)
except InputError as error:
    raise WorkflowError(str(error)) from None

GRANULES = list(GRANULE_TABLE)
FIT = [name for name, row in GRANULE_TABLE.items() if row.role == "fit"]
LOCATED = [name for name, row in GRANULE_TABLE.items() if row.located]  # only these can be on a map
CURRENT = current_rows(GRANULE_TABLE)  # without earlier dates of places: those are only compared with
MAPPED = [name for name in CURRENT if GRANULE_TABLE[name].located]
PLACED = [name for name in CURRENT if GRANULE_TABLE[name].places]  # images with coordinates, on no grid
REFERENCES = sorted(CONFIG.references)
NOTES = Notes(Path(".snakemake/rankscape-code.json"))
NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
TARGETS = []  # files and input functions of the default target; each study adds its own
PUBLISHED = {}  # named inputs of publish, likewise
NAMES = {}  # values of wildcards of a whole run, likewise
PAGE_NAMES = {}  # lists of names by study, for the sections of its page (docs/reference/report.md), likewise


pathvars:
    results=f"results/{CONFIG.region}",
    logs=f"results/{CONFIG.region}/logs",
    benchmarks=f"results/{CONFIG.region}/benchmarks",


def one_of(names):
    """A pattern of a wildcard that has these values and no other."""
    return "|".join(map(re.escape, names)) or r"(?!)"


wildcard_constraints:
    acquisition=one_of(CONFIG.acquisitions),
    reference=NAME,
    districts=NAME,


def literal(value):
    """A param that is what it says: braces in a text of the user, such as a title, are no wildcards."""
    return (lambda wildcards: value) if isinstance(value, str) and re.search(r"\{\s*\w", value) else value


def settings(section):
    """A section of the configuration, such as ranking.train, as one canonical JSON string: all keys, sorted."""
    return literal(attrgetter(section)(CONFIG).canonical())


def acquired(pattern, acquisition):
    """The pattern of a shared rule's files for the acquisition that a study looks at."""
    return str(pattern).replace("{acquisition}", acquisition)


def code(stage, *sections):
    """Hash of all that a stage, such as `tile` or `ranking train`, uses of the package.

    Of implementations that settings choose by name, such as sensors, only those count that `sections` name.
    """
    names = names_in([section.model_dump(mode="json") for section in sections])
    return code_version(stage_module(stage), ROOT / "workflow", NOTES, names)


def by(wildcard, values, default=None):
    """The value for a wildcard's value, as an input function; what is the same for all is no function, and plans faster."""
    known = [*values.values(), *([] if default is None else [default])]
    if all(value == known[0] for value in known):
        return literal(known[0]) if known else ""
    return lambda wildcards: values.get(wildcards[wildcard], default)


# Snakemake compares the params of a job with those of its last run, and not its resources. So resources carry what changes no
# result and must not make a finished job run again: memory and time, whether downloads are dropped, and a judge's limits, prices
# and command. There is no other way to a command line that follows wildcards and is not compared.
def by_attempt(amount):
    """An amount of a resource, doubled with every attempt."""
    return lambda wildcards, attempt: amount * 2 ** (attempt - 1)


memory = by_attempt  # megabytes for a job
minutes = by_attempt  # minutes for a job


def without(section, *names):
    """A section without keys that the job does not read: the number of rounds must not ask finished rounds again."""
    values = {key: value for key, value in json.loads(section.canonical()).items() if key not in names}
    return literal(json.dumps(values, sort_keys=True, ensure_ascii=False))


def only(section, *names):
    """The keys of a section that a job of another stage reads."""
    values = section.model_dump(mode="json", include=set(names))
    return literal(json.dumps(values, sort_keys=True, ensure_ascii=False))


def add_names(**values):
    """Add values of wildcards that a study's files have; what several studies name counts once."""
    for name, some in values.items():
        NAMES[name] = list(dict.fromkeys([*NAMES.get(name, []), *some]))


# For regions of thousands of granules: which of them a run plans, and which large files are dropped.
SHARD = parse_shard(CONFIG.shard)
JOINING = CONFIG.shard == "join"


# Where shards are joined, what belongs to one granule is taken as it lies: no rule makes it, and no plan looks behind it.
wildcard_constraints:
    granule=r"(?!)" if JOINING else GRANULE_PATTERN,


def own(granules):
    """Those of the granules that this run brings to their maps."""
    mine = set(GRANULES if SHARD is None else SHARD.part(GRANULES))
    return [name for name in granules if name in mine]


def each(pattern, granules):
    """A file of each granule, as an input function.

    Of a list with a name Snakemake takes the hash once for every file in it, which for 10,000 granules is most of a plan.
    """
    return lambda wildcards: expand(pattern, granule=granules, **wildcards)


def dropped(kind, path):
    """A path that is removed once nothing planned needs it, where the configuration says so."""
    return temp(path) if kind in CONFIG.storage.drop else path
