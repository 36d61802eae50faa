"""The sections of the ranking study's page, and what each reads.

Light: planning a run imports this module, but no module that draws.
"""

from rankscape.products.report.section_registry import PageSection, Read

_PAGE = "rankscape.studies.ranking.page"
_SAMPLES = (
    Read("samples/{acquisition}/{granule}.npy", "shown"),
    Read("samples/{acquisition}/{granule}.parquet", "shown"),
)
_CLUSTERS = (Read("ranking/clusters/clusters.json"), Read("ranking/clusters/clusters.parquet"))
_SCORES = Read("ranking/scores/{granule}.parquet", "current")
_ORDER = (Read("ranking/clusters/clusters.json"), Read("ranking/order.json"))
_VOTES = (
    Read("ranking/orders/{judge}--{prompt}--{round}.json", "rounds"),
    Read("ranking/orders/person--{annotator}.json", "people"),
    Read("ranking/orders/data--{reference}.json", "voting"),
)
_ROUNDS = Read("ranking/rounds/{judge}/{prompt}/{round}.json", "rounds")
_EVALUATIONS = (
    Read("ranking/evaluation/{reference}.json", "references"),
    Read("ranking/evaluation/{reference}.parquet", "references"),
)
_DISTRICTS = (
    Read("ranking/districts/{districts}.json", "districts"),
    Read("ranking/districts/{districts}.parquet", "districts"),
)
_CHANGES = (Read("ranking/change/{change}.json", "changes"), Read("ranking/change/{change}.parquet", "changes"))
_PREVIEW = Read("ranking/maps/region.png", "located")
_AUDIT = Read("ranking/audit.json")
_TRAINING, _BACKBONE = Read("ranking/model/score.json"), Read("ranking/model/backbone.json")
_REGRESSIONS = Read("ranking/regressions/{regression}.json", "regressions")
_CHANGE_IMAGES = (
    Read("ranking/change/{change}.png", "changes", "ignore"),
    Read("ranking/change/{change}-images", "changes", "ignore"),
    Read("ranking/change/{change}-images/index.json", "changes", "ignore", waits=False),
)
_INSPECTION = (
    Read("ranking/inspection", missing="omit"),
    Read("ranking/inspection/index.json", missing="omit", waits=False),
)
_DOWNLOADS = Read("scenes/{acquisition}/{granule}/download.json", "imaged", "ignore", waits=False)
_SALIENCY = (
    Read("ranking/saliency/{granule}.json", "explained", "ignore"),
    Read("ranking/saliency/{granule}.npy", "explained", "ignore"),
)

SECTIONS = (
    PageSection(
        "figures", "Key figures", f"{_PAGE}.overview:overview",
        (*_CLUSTERS, *_ORDER, *_SAMPLES, _SCORES, *_VOTES, _ROUNDS, *_EVALUATIONS), "overview",
    ),
    PageSection("values", "Values of places", f"{_PAGE}.overview:place_values", (_SCORES, *_SAMPLES), "values"),
    PageSection(
        "map", "The map", f"{_PAGE}.map_section:draw",
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
        (*_DISTRICTS, Read("ranking/districts/{districts}.png", "districts", "ignore")),
        lead="Scores of patches brought to districts. Intervals carry the uncertainty of the patches, whose errors are "
        "correlated where they lie close; where the intervals of two ranks overlap, the order of the two is open.",
    ),
    PageSection(
        "change", "Change over time", f"{_PAGE}.products:changes",
        (*_CHANGES, *_CHANGE_IMAGES),
        lead="The same places at two dates. A place counts as changed where chance alone would rarely make such a "
        "difference, after allowing for the many places looked at.",
    ),
    PageSection(
        "regressions", "Regressions", f"{_PAGE}.products:regressions", (_REGRESSIONS,),
        lead="What goes along with the scores, other things equal. These are associations: they do not say what causes "
        "what.",
    ),
    PageSection("order", "The order of the clusters", f"{_PAGE}.order:draw",
                (*_ORDER, *_CLUSTERS, *_SAMPLES, _SCORES, _AUDIT)),
    PageSection(
        "clusters", "Clusters from least to most developed", f"{_PAGE}.clusters:draw",
        (*_ORDER, *_CLUSTERS, *_SAMPLES, _SCORES),
        lead="A cluster is a group of patches that look alike. The first image is its most typical patch where one is "
        "known; the others are drawn at random, not chosen. The score is the mean of its patches and their standard "
        "deviation.",
    ),
    PageSection("judges", "Who ranked the clusters", f"{_PAGE}.judges_section:draw",
                (*_ORDER, *_VOTES, _ROUNDS, _AUDIT)),
    PageSection(
        "choosing", "How many clusters", f"{_PAGE}.clusters:draw_choice", (Read("ranking/clusters/clusters.json"),),
        lead="Within each land category the patches are grouped by k-means on the network's features, for every "
        "number K in a range. The silhouette says how well the groups are separated (1 wholly, 0 not at all). "
        "Stability is the mean adjusted Rand index of clusterings from other starts: 1 if they are all alike.",
    ),
    PageSection("training", "How the score was learned", f"{_PAGE}.training_section:draw",
                (_TRAINING, _BACKBONE)),
    PageSection("uncertainty", "Uncertainty", f"{_PAGE}.training_section:draw_uncertainty",
                (_TRAINING, _SCORES, *_SAMPLES)),
    PageSection("inspection", "Patches to judge the score by", f"{_PAGE}.inspection_section:draw", _INSPECTION),
    PageSection(
        "methods", "Methods", f"{_PAGE}.methods:draw",
        (_DOWNLOADS, *_SAMPLES, *_CLUSTERS, *_VOTES, _ROUNDS, *_ORDER,
         _TRAINING, _BACKBONE, _SCORES, *_EVALUATIONS, *_DISTRICTS, *_CHANGES,
         _REGRESSIONS),
        lead="Written from the records of this run; take it as the draft of a methods section.",
    ),
    PageSection("limits", "What the score is, and what it is not", f"{_PAGE}.methods:draw_limits", _EVALUATIONS),
)  # fmt: skip
