"""Checks the configuration and the sheet before any job, and holds what all rules share: settings() and code()."""

import gc
import json
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

ROOT = Path(workflow.current_basedir).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from rankscape.studies.ranking.clusters.folders import look_through
from rankscape.foundation.checkout import run_this_checkout
from rankscape.foundation.code_version import Notes, code_version, stage_module
from rankscape.foundation.errors import InputError
from rankscape.foundation.locks import release_stale_locks
from rankscape.config import check_config, check_places
from rankscape.scenes.storage import parse_shard
from rankscape.learning.settings import SELF_SUPERVISED
from rankscape.scenes.granule_table import GRANULE_PATTERN, current_rows, read_sheet
from rankscape.studies.ranking.orders.people import ANNOTATOR_PATTERN, orders_of_people
from rankscape.studies.ranking.judges.prompts import read_prompt

run_this_checkout(ROOT / "workflow")
if release_stale_locks(Path(".snakemake")):
    logger.info("Removed the locks of a run that was killed.")

# Planning allocates much and frees little: with the usual threshold, looking for garbage is a fifth of its time.
gc.set_threshold(50_000, 20, 20)

try:
    CONFIG = check_config(config, ", ".join(map(os.path.relpath, workflow.configfiles)))
    SHEET = read_sheet(Path(CONFIG.granules))
    check_places(CONFIG, SHEET)
    PEOPLE = orders_of_people(CONFIG.people)
    PICTURES = look_through(SHEET, CONFIG.cluster.given)
    PROMPTS = {name: read_prompt(Path(f"config/prompts/{name}.md")) for name in CONFIG.prompts}
except InputError as error:
    raise WorkflowError(str(error)) from None

GRANULES = list(SHEET)
FIT = [name for name, row in SHEET.items() if row.role == "fit"]
LOCATED = [name for name, row in SHEET.items() if row.located]  # only these can stand on a map
CURRENT = current_rows(SHEET)  # without earlier dates of places: those are only compared with
MAPPED = [name for name in CURRENT if SHEET[name].located]
ROUNDS = range(1, CONFIG.rate.rounds + 1) if CONFIG.prompts else []
REFERENCES = list(CONFIG.references)
NOTES = Notes(Path(".snakemake/rankscape-code.json"))
STORE = f"results/{CONFIG.region}/ranking/replies"  # grows from run to run: no output of any rule
CHECKPOINTS = f"results/{CONFIG.region}/model/training"  # a training that was killed goes on from here
PRETRAINING = f"results/{CONFIG.region}/model/pretraining"  # and so does a pre-training


pathvars:
    results=f"results/{CONFIG.region}",
    logs=f"results/{CONFIG.region}/logs",
    benchmarks=f"results/{CONFIG.region}/benchmarks",


wildcard_constraints:
    judge=r"[a-z0-9]+(-[a-z0-9]+)*",
    prompt=r"[a-z0-9]+(-[a-z0-9]+)*",
    round=r"[1-9][0-9]*",
    annotator=ANNOTATOR_PATTERN,
    reference=r"[a-z0-9]+(-[a-z0-9]+)*",
    regression=r"[a-z0-9]+(-[a-z0-9]+)*",


def settings(section):
    """A section of the configuration as one canonical JSON string: names included, keys sorted."""
    return getattr(CONFIG, section).canonical()


def code(stage):
    """Hash of the module of a stage, such as `tile` or `ranking train`, and of everything that it imports from the package."""
    return code_version(stage_module(stage), ROOT / "workflow", NOTES)


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
    values = {key: value for key, value in json.loads(section.canonical()).items() if key not in names}
    return json.dumps(values, sort_keys=True, ensure_ascii=False)


def only(section, *names):
    """The keys of a section that a job of another stage reads."""
    values = section.model_dump(mode="json", include=set(names))
    return json.dumps(values, sort_keys=True, ensure_ascii=False)


def window(wildcards):
    """Place, dates and cloud limit of a row, and nothing else of it."""
    return SHEET[wildcards.granule].window().canonical()


def catalogue_file(wildcards):
    """The catalogues, where they are files that a rule may make."""
    static = [source.href for source in CONFIG.search.catalogues() if source.kind == "static"]
    return [file for href in static for file in local_file(href)]


def tile_source(wildcards):
    """The composed scene, or the folder that the granule's row names.

    A folder of pictures is `ancient`: its time knows nothing of its subfolders, and the listing says what counts.
    """
    row = SHEET[wildcards.granule]
    if row.folder or row.pictures:
        return {"source": row.folder or ancient(row.pictures), "quality": []}
    return {
        "source": rules.compose.output.scene,
        "quality": [rules.compose.output.quality],
    }


def pretrained(wildcards):
    """The weights that the backbone taught itself, where the configuration asks for them."""
    return rules.ranking_pretrain.output.weights if CONFIG.adapt.weights == SELF_SUPERVISED else []


def label_file(wildcards):
    """The labels that a person made, where the configuration names them."""
    return [CONFIG.label.file] if CONFIG.label.source == "file" else []


def given_files(wildcards):
    """What given clusters depend on, the labels first; nothing where clusters are found by look."""
    if CONFIG.cluster.given == "none":
        return []
    return [rules.ranking_label.output.labels, *([CONFIG.cluster.file] if CONFIG.cluster.file else [])]


def label_judge(part):
    """What the replies of the judge that labels depend on (`asked`), or its limits; nothing where no judge labels."""
    return getattr(CONFIG.judges[CONFIG.label.judge], part) if CONFIG.label.source == "judge" else "{}"


def grouped_features(wildcards):
    """The features that clusters are made of: the backbone's, or those that DeepCluster refined."""
    if CONFIG.cluster.method == "deepcluster":
        return rules.ranking_refine.output.features
    return expand(rules.ranking_embed.output.features, granule=FIT)


def interviewed(wildcards):
    """What a round of a judge that the workflow starts waits for, besides its pictures.

    The interview is `ancient`: when it is held anew, for a new round or prompt, finished rounds have no reason to run.
    What does change a round reaches it through its brief.
    """
    if CONFIG.judges[wildcards.judge].command is None:
        return []
    return [
        *expand(rules.ranking_build_requests.output.brief, judge=wildcards.judge, prompt=wildcards.prompt),
        *map(ancient, expand(rules.ranking_collect_replies.output.interview, judge=wildcards.judge)),
    ]


def rate_code(wildcards):
    """Code of `rate`, and of the stand-in where it answers: a change of the demo's judge asks no other judge again."""
    if CONFIG.judges[wildcards.judge].kind == "endpoint":
        return code("ranking rate")
    stand_in = code_version("rankscape.synthetic.stand_in", ROOT / "workflow", NOTES)
    return f"{code('ranking rate')} {stand_in}"


def annotation_file(wildcards):
    """The annotator's file, or a collection; of a collection's lines only the annotator's own counts, a param."""
    order = PEOPLE[wildcards.annotator]
    return order.file if order.line is None else ancient(order.file)


def annotator_option(wildcards):
    """Whose line of a collection to read."""
    return [] if PEOPLE[wildcards.annotator].line is None else [f"--annotator={wildcards.annotator}"]


def annotators_option(wildcards):
    """The names of a collection's people, where they have names."""
    names = CONFIG.people.annotators
    return [f"--annotators={names}"] if names and PEOPLE[wildcards.annotator].line else []
