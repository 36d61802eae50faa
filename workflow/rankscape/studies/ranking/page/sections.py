"""The sections of the ranking study's page, and what each reads.

Light: planning a run imports this module, but no module that draws.
"""

from rankscape.products.report.sections import PageSection, Read
from rankscape.samples.artifacts import INDEX, PATCHES
from rankscape.scenes.artifacts import DOWNLOAD
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS, SUMMARY
from rankscape.studies.ranking.judges.artifacts import ROUND
from rankscape.studies.ranking.orders.artifacts import AUDIT, DATA_ORDER, ORDER, PERSON_ORDER, ROUND_ORDER
from rankscape.studies.ranking.product_files import (
    CHANGE,
    CHANGE_IMAGES,
    CHANGE_IMAGES_INDEX,
    CHANGE_PREVIEW,
    CHANGE_RECORD,
    DISTRICTS,
    DISTRICTS_MAP,
    DISTRICTS_RECORD,
    EVALUATION,
    PLACES,
    REGION_PREVIEW,
    REGRESSION,
)
from rankscape.studies.ranking.scoring.artifacts import (
    BACKBONE_RECORD,
    INSPECTION,
    INSPECTION_INDEX,
    SALIENCY,
    SALIENCY_RECORD,
    SCORES,
    TRAINING,
)

_PAGE = "rankscape.studies.ranking.page"
_SAMPLES = (Read(PATCHES, "shown"), Read(INDEX, "shown"))
_CLUSTERS = (Read(SUMMARY), Read(CLUSTERS))
_SCORES = Read(SCORES, "current")
_ORDER = (Read(SUMMARY), Read(ORDER))
_VOTES = (Read(ROUND_ORDER, "rounds"), Read(PERSON_ORDER, "people"), Read(DATA_ORDER, "voting"))
_ROUNDS = Read(ROUND, "rounds")
_EVALUATIONS = (Read(EVALUATION, "references"), Read(PLACES, "references"))
_DISTRICTS = (Read(DISTRICTS_RECORD, "districts"), Read(DISTRICTS, "districts"))
_CHANGES = (Read(CHANGE_RECORD, "changes"), Read(CHANGE, "changes"))
_PREVIEW = Read(REGION_PREVIEW, "located")
_SALIENCY = (Read(SALIENCY_RECORD, "explained", "ignore"), Read(SALIENCY, "explained", "ignore"))

SECTIONS = (
    PageSection(
        "figures", "Key figures", f"{_PAGE}.overview:overview",
        (*_CLUSTERS, *_ORDER, *_SAMPLES, _SCORES, *_VOTES, _ROUNDS, *_EVALUATIONS), "overview",
    ),
    PageSection("values", "Values of places", f"{_PAGE}.overview:place_values", (_SCORES, *_SAMPLES), "values"),
    PageSection(
        "map", "The map", f"{_PAGE}.map:draw",
        (_PREVIEW, *_CLUSTERS, *_ORDER, *_SAMPLES, _SCORES, *_EVALUATIONS, *_DISTRICTS,
         *_CHANGES, *_SALIENCY), "first",
    ),
    PageSection(
        "trust", "How far to trust it", f"{_PAGE}.trust:draw",
        (*_CLUSTERS, *_VOTES, *_EVALUATIONS, _PREVIEW), "open",
    ),
    PageSection(
        "surprising", "Where score and references part", f"{_PAGE}.surprises:draw",
        (_SCORES, *_SAMPLES, *_EVALUATIONS),
        lead="Residuals: the rank of a patch by its score less its rank by something else, both as shares of all "
        "compared patches. +0.5 means that the score places it half the region higher. A large one is a question, "
        "not an error: either side may be wrong, or they may measure different things.",
    ),
    PageSection(
        "districts", "Districts", f"{_PAGE}.products:districts",
        (*_DISTRICTS, Read(DISTRICTS_MAP, "districts", "ignore")),
        lead="Scores of patches brought to districts. Intervals carry the uncertainty of the patches, whose errors are "
        "correlated where they lie close; where the intervals of two ranks overlap, the order of the two is open.",
    ),
    PageSection(
        "change", "Change over time", f"{_PAGE}.products:changes",
        (*_CHANGES, Read(CHANGE_PREVIEW, "changes", "ignore"), Read(CHANGE_IMAGES, "changes", "ignore"),
         Read(CHANGE_IMAGES_INDEX, "changes", "ignore", waits=False)),
        lead="The same places at two dates. A place counts as changed where chance alone would rarely make such a "
        "difference, after allowing for the many places looked at.",
    ),
    PageSection(
        "regressions", "Regressions", f"{_PAGE}.products:regressions", (Read(REGRESSION, "regressions"),),
        lead="What goes along with the scores, other things equal. These are associations: they do not say what causes "
        "what.",
    ),
    PageSection("order", "The order of the clusters", f"{_PAGE}.order:draw",
                (*_ORDER, *_CLUSTERS, *_SAMPLES, _SCORES, Read(AUDIT))),
    PageSection(
        "clusters", "Clusters from least to most developed", f"{_PAGE}.clusters:draw",
        (*_ORDER, *_CLUSTERS, *_SAMPLES, _SCORES),
        lead="A cluster is a group of patches that look alike. The first image is its most typical patch where one is "
        "known; the others are drawn at random, not chosen. The score is the mean of its patches and their standard "
        "deviation.",
    ),
    PageSection("judges", "Who ranked the clusters", f"{_PAGE}.judges:draw", (*_ORDER, *_VOTES, _ROUNDS, Read(AUDIT))),
    PageSection(
        "choosing", "How many clusters", f"{_PAGE}.clusters:draw_choice", (Read(SUMMARY),),
        lead="Within each land category the patches are grouped by k-means on the network's features, for every "
        "number K in a range. The silhouette says how well the groups are separated (1 wholly, 0 not at all). "
        "Stability is the mean adjusted Rand index of clusterings from other starts: 1 if they are all alike.",
    ),
    PageSection("training", "How the score was learned", f"{_PAGE}.training:draw",
                (Read(TRAINING), Read(BACKBONE_RECORD))),
    PageSection("uncertainty", "Uncertainty", f"{_PAGE}.training:draw_uncertainty",
                (Read(TRAINING), _SCORES, *_SAMPLES)),
    PageSection("inspection", "Patches to judge the score by", f"{_PAGE}.inspection:draw",
                (Read(INSPECTION, missing="omit"), Read(INSPECTION_INDEX, missing="omit", waits=False))),
    PageSection(
        "methods", "Methods", f"{_PAGE}.methods:draw",
        (Read(DOWNLOAD, "imaged", "ignore", waits=False), *_SAMPLES, *_CLUSTERS, *_VOTES, _ROUNDS, *_ORDER,
         Read(TRAINING), Read(BACKBONE_RECORD), _SCORES, *_EVALUATIONS, *_DISTRICTS, *_CHANGES,
         Read(REGRESSION, "regressions")),
        lead="Written from the records of this run; take it as the draft of a methods section.",
    ),
    PageSection("limits", "What the score is, and what it is not", f"{_PAGE}.methods:draw_limits", _EVALUATIONS),
)  # fmt: skip
