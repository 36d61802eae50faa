# The study `ranking`: who orders the clusters, and how networks learn a score from that order. In: patches of the
# granules, labels, orders. Out: a score of every patch, maps, and what the score is worth. Rules are in the files below.

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
BASELINES = sorted(RANKING.baselines)
RANKING_NAMES = {"granule": MAPPED, "acquisition": [ACQUISITION], "reference": REFERENCES, "baseline": BASELINES}
FOLDER = f"results/{CONFIG.region}/ranking"
STORE = f"{FOLDER}/replies"  # grows from run to run: no output of any rule
CHECKPOINTS = f"{FOLDER}/model/training"  # a training that was killed goes on from here
PRETRAINING = f"{FOLDER}/model/pretraining"  # and so does a pre-training


wildcard_constraints:
    judge=one_of(RANKING.judges),
    prompt=one_of(RANKING.prompts),
    round=r"[1-9][0-9]*",
    annotator=ANNOTATOR_PATTERN,
    regression=NAME,
    baseline=NAME,


include: "inputs.smk"
include: "learning.smk"
include: "clusters.smk"
include: "judges.smk"
include: "orders.smk"
include: "scoring.smk"
include: "baselines.smk"
include: "maps.smk"
include: "products.smk"


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
    "regressions": sorted(RANKING.regressions),
    "rounds": [
        f"{judge}/{prompt}/{number}"
        for judge in sorted(RANKING.judges)
        for prompt in RANKING.prompts
        for number in ROUNDS
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
    [] if SHARD else expand(rules.ranking_regress.output.document, regression=sorted(RANKING.regressions)),
    expand(rules.ranking_predict_baseline.output.scores, granule=own(MAPPED), baseline=BASELINES),
    [] if SHARD else expand(rules.ranking_district.output, districts=DISTRICTS),
]

add_names(
    **RANKING_NAMES,
    districts=DISTRICTS,
    change=CHANGES,
    regression=sorted(RANKING.regressions),
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
    "regressions": expand(rules.ranking_regress.output, regression=sorted(RANKING.regressions)),
    "orders": [rules.ranking_ensemble.output.order, rules.ranking_audit.output.audit],
    "clusters": rules.ranking_cluster.output,
    "model": rules.ranking_train.output,
}
