"""How developed does a place look? Clusters of patches, ordered by people, models or data, teach networks a score."""

from rankscape.foundation.studies import Study

_VERBS = (
    "label", "pretrain", "adapt", "embed", "categorize", "refine", "cluster", "contact-sheets", "judges", "sample",
    "build-requests", "serve", "collect-replies", "rate", "rank", "annotate", "orders", "import-order",
    "order-from-reference", "ensemble", "audit", "train", "predict", "score", "explain", "inspection-sheets",
    "saliency", "rasterize", "dense", "tabulate", "evaluate", "change", "district", "regress",
)  # fmt: skip

STUDY = Study(
    name="ranking",
    title="Ranking",
    question="How developed does this place look?",
    verbs={verb: f"rankscape.studies.ranking.stages.{verb.replace('-', '_')}" for verb in _VERBS},
    settings="rankscape.studies.ranking.settings:RankingSettings",
    sections="rankscape.studies.ranking.page.contents",
    artifacts="rankscape.studies.ranking.artifacts",
    compare="rankscape.studies.ranking.compare.order_comparison:compare_study",
)
