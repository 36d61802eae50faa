# The study `ranking`: who orders the clusters, and how networks learn a score from that order. In: patches of the
# granules, labels, orders. Out: a score of every patch, maps, and what the score is worth. Rules are in the files below.

from rankscape.learning.settings import SELF_SUPERVISED
from rankscape.studies.ranking.clusters.folders import check_cluster_folders
from rankscape.studies.ranking.judges.prompts import read_prompt
from rankscape.studies.ranking.orders.people import ANNOTATOR_PATTERN, orders_of_people

RANKING = CONFIG.ranking

try:
    PEOPLE = orders_of_people(RANKING.people)
    PROMPTS = {name: read_prompt(Path(f"config/prompts/{name}.md")) for name in RANKING.prompts}
    for name in FIT if RANKING.cluster.given == "folders" else []:
        if GRANULE_TABLE[name].images is not None:
            check_cluster_folders(Path(GRANULE_TABLE[name].images))
except InputError as error:
    raise WorkflowError(str(error)) from None

ACQUISITION = CONFIG.acquisition(RANKING.acquisition, "ranking.acquisition")
PATCHES = acquired(rules.tile.output.patches, ACQUISITION)
INDEX = acquired(rules.tile.output.index, ACQUISITION)
VALUES = acquired(rules.aggregate.output.values, ACQUISITION)
STATISTICS = acquired(rules.pixel_statistics.output.statistics, ACQUISITION)
ROUNDS = range(1, RANKING.rate.rounds + 1) if RANKING.prompts else []
BASELINES = list(RANKING.baselines)
RANKING_NAMES = {"granule": MAPPED, "acquisition": [ACQUISITION], "reference": REFERENCES, "baseline": BASELINES}
FOLDER = f"results/{CONFIG.region}/ranking"
STORE = f"{FOLDER}/replies"  # grows from run to run: no output of any rule
CHECKPOINTS = f"{FOLDER}/model/training"  # a training that was killed goes on from here
PRETRAINING = f"{FOLDER}/model/pretraining"  # and so does a pre-training


wildcard_constraints:
    judge=NAME,
    prompt=NAME,
    round=r"[1-9][0-9]*",
    annotator=ANNOTATOR_PATTERN,
    regression=NAME,
    baseline=NAME,


def pretrained(wildcards):
    """The weights that the backbone taught itself, where the configuration asks for them."""
    return rules.ranking_pretrain.output.weights if RANKING.adapt.weights == SELF_SUPERVISED else []


def label_file(wildcards):
    """The labels that a person made, where the configuration names them."""
    return [RANKING.label.file] if RANKING.label.source == "file" else []


def labels_of_given(wildcards):
    """The labels, where clusters are given: they say of labelled patches whether people live there."""
    return [] if RANKING.cluster.given == "none" else rules.ranking_label.output.labels


def given_file(wildcards):
    """The table of given clusters, where there is one."""
    return RANKING.cluster.file or []


def label_judge(part):
    """What the replies of the judge that labels depend on (`asked`), or its limits; nothing where no judge labels."""
    return getattr(RANKING.judges[RANKING.label.judge], part) if RANKING.label.source == "judge" else "{}"


def grouped_features(wildcards):
    """The features that clusters are made of: the backbone's, or those that DeepCluster refined."""
    if RANKING.cluster.method == "deepcluster":
        return rules.ranking_refine.output.features
    return expand(rules.ranking_embed.output.features, granule=FIT)


def interviewed(wildcards):
    """What a round of a judge that the workflow starts waits for, besides its pictures.

    The interview is `ancient`: when it is held anew, for a new round or prompt, finished rounds have no reason to run.
    What does change a round reaches it through its requests.
    """
    if RANKING.judges[wildcards.judge].command is None:
        return []
    return [
        *expand(rules.ranking_build_requests.output.requests, judge=wildcards.judge, prompt=wildcards.prompt),
        *map(ancient, expand(rules.ranking_collect_replies.output.interview, judge=wildcards.judge)),
    ]


def annotation_file(wildcards):
    """The annotator's file, or a collection; of a collection's lines only the annotator's own counts, a param."""
    order = PEOPLE[wildcards.annotator]
    return order.file if order.line is None else ancient(order.file)


def annotator(wildcards):
    """Whose line of a collection to read; none where the file is one person's."""
    return [] if PEOPLE[wildcards.annotator].line is None else [wildcards.annotator]


def annotators(wildcards):
    """The names of a collection's people, where they have names."""
    names = RANKING.people.annotators
    return [names] if names and PEOPLE[wildcards.annotator].line else []


def polygon_files(wildcards):
    """The file of polygons, and what lies beside a shapefile."""
    return list(map(str, CONFIG.districts[wildcards.districts].files()))


def population_file(wildcards):
    """The population raster, where land is weighted by people."""
    population = CONFIG.districts[wildcards.districts].population
    return [] if population is None else population.path


def dates(pattern, side):
    """A file of the earlier (0) or later (1) row of each place that a change compares, as an input function."""
    return lambda wildcards: expand(pattern, granule=[rows[side] for rows in DATES[wildcards.change]])


def baseline_training(wildcards):
    """How a baseline is trained: the section `train`, with what its own says."""
    return RANKING.baselines[wildcards.baseline].training(RANKING.train).canonical()


def baseline_order(wildcards):
    """The merged order of a baseline that learns from one."""
    is_ordered = RANKING.baselines[wildcards.baseline].kind == "order"
    return rules.ranking_ensemble_baseline.output.order if is_ordered else []


def baseline_values(wildcards):
    """The reference's values of patches, for a baseline that learns from them."""
    baseline = RANKING.baselines[wildcards.baseline]
    if baseline.kind == "order":
        return []
    return expand(VALUES, reference=baseline.reference, granule=TAUGHT)


def baseline_scores(wildcards):
    """The scores of all baselines, one baseline after another."""
    return expand(rules.ranking_predict_baseline.output.scores, baseline=BASELINES, granule=MAPPED)


def baseline_options(wildcards, input):
    """Whose scores each of these files contains."""
    names = [name for name in BASELINES for _ in MAPPED]
    return [f"{name}={file}" for name, file in zip(names, input.baselines, strict=True)]


include: "learning.smk"
include: "clusters.smk"
include: "judges.smk"
include: "orders.smk"
include: "scoring.smk"
include: "maps.smk"
include: "evaluation.smk"
include: "regressions.smk"
include: "baselines.smk"
include: "districts.smk"
include: "change.smk"
include: "saliency.smk"


# Clusters are made of patches of FIT; nothing else is shown that is not current.
PAGE_NAMES["ranking"] = {
    "acquisition": ACQUISITION,
    "shown": list(dict.fromkeys([*CURRENT, *FIT])),
    "current": CURRENT,
    "located": LOCATED,
    "explained": EXPLAINED,
    "imaged": [name for name in MAPPED if GRANULE_TABLE[name].local is None],
    "references": REFERENCES,
    "districts": DISTRICTS,
    "changes": CHANGES,
    "regressions": list(RANKING.regressions),
    "rounds": [
        f"{judge}/{prompt}/{number}" for judge in RANKING.judges for prompt in RANKING.prompts for number in ROUNDS
    ],
    "people": list(PEOPLE),
    "voting": list(RANKING.order_from_reference.references),
}
TARGETS += [
    [rules.ranking_mosaic.output.raster] if MAPPED and not SHARD else [],
    [] if SHARD else [rules.ranking_contact_sheets.output.sheets],
    expand(rules.ranking_predict.output.scores, granule=own(GRANULES)),
    expand(rules.ranking_rasterize.output.raster, granule=own(LOCATED)),
    expand(rules.ranking_saliency.output.record, granule=own(EXPLAINED)),
    expand(rules.ranking_dense.output.raster, granule=own(LOCATED) if RANKING.dense.enabled else []),
    expand(STATISTICS, granule=own(MAPPED) if REFERENCES else []),
    expand(VALUES, granule=own(MAPPED), reference=REFERENCES),
    expand(rules.ranking_change.output.table, change=CHANGES),
    [] if SHARD else expand(rules.ranking_regress.output.document, regression=list(RANKING.regressions)),
    expand(rules.ranking_predict_baseline.output.scores, granule=own(MAPPED), baseline=BASELINES),
    [] if SHARD else expand(rules.ranking_district.output, districts=DISTRICTS),
]

add_names(
    **RANKING_NAMES,
    districts=DISTRICTS,
    change=CHANGES,
    regression=RANKING.regressions,
    made=["ranking dense"] if RANKING.dense.enabled else [],
)
PUBLISHED |= {
    "maps": each(rules.ranking_rasterize.output.item, MAPPED),
    "rasters": each(rules.ranking_rasterize.output.raster, MAPPED),
    "dense": each(rules.ranking_dense.output.item, MAPPED if RANKING.dense.enabled else []),
    "region": rules.ranking_mosaic.output.item,
    "patches": rules.ranking_tabulate.output,
    "evaluations": expand(rules.ranking_evaluate.output, reference=REFERENCES),
    "districts": expand(rules.ranking_district.output, districts=DISTRICTS),
    "changes": expand(rules.ranking_change.output, change=CHANGES),
    "regressions": expand(rules.ranking_regress.output, regression=list(RANKING.regressions)),
    "orders": [rules.ranking_ensemble.output.order, rules.ranking_audit.output.audit],
    "clusters": rules.ranking_cluster.output,
    "model": rules.ranking_train.output,
}
