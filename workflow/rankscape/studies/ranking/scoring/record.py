"""What is known of a trained score model, as a document."""

from collections.abc import Sequence
from typing import Any

from rankscape.learning.selection import Selection
from rankscape.learning.splits import Split
from rankscape.studies.ranking.scoring.metrics import TOLERANCE, held_out_metrics
from rankscape.studies.ranking.scoring.samples import clusters_of
from rankscape.studies.ranking.scoring.targets import Learned, Targets
from rankscape.studies.ranking.scoring.team import History
from rankscape.studies.ranking.settings.scoring import TrainSettings

_FEW_BLOCKS = 5
_GROUPS: dict[Learned, str] = {"order": "clusters", "values": "strata of values"}
_LIMIT_OF_LABELS: dict[Learned, str] = {
    "order": "The metrics compare scores with pseudo labels (the clusters' places in the merged order), not with a "
    "measured development; the stage `evaluate` does that.",
    "values": "The metrics compare scores with the ranks of the reference's values that were learned from, not with a "
    "measure of development; agreement with that reference is no evidence.",
}


def training_record(
    settings: TrainSettings, targets: Targets, pool: Selection, split: Split, fits: Sequence[History]
) -> dict[str, Any]:
    """Describe a training: curves and best epoch a seed, metrics on the held-out patches, numbers of patches, limits.

    Args:
        settings: How it was trained.
        targets: Pseudo labels.
        pool: All patches, before the split.
        split: The two sides.
        fits: History of each network.

    Returns:
        The document `score.json`, without its provenance and what `team.assemble` knows of the whole model. The
        metrics of every seed stand beside its curve.
    """
    held_out = pool.take(split.validation)
    return {
        "objective": settings.objective,
        "learned": targets.learned,
        **targets.to_document(),
        "tolerance": TOLERANCE,
        "seeds": [{**fit.to_document(), "validation": held_out_metrics(fit.scores, held_out)} for fit in fits],
        "patches": {
            "training": len(split.training),
            "validation": len(split.validation),
            "left_out_overlapping": split.overlapping,
            "left_out_identical": split.identical,
        },
        "blocks": {"training": split.training_groups, "validation": split.validation_groups},
        "places": split.places,
        "clusters": _cluster_counts(targets, pool, split),
        "settings": settings.model_dump(mode="json"),
        "limits": _limits(settings, targets, pool, split),
    }


def _cluster_counts(targets: Targets, pool: Selection, split: Split) -> dict[str, dict[str, int]]:
    clusters = clusters_of(pool)
    training, validation = clusters[split.training], clusters[split.validation]
    return {
        str(cluster): {
            "training": int((training == cluster).sum()),
            "validation": int((validation == cluster).sum()),
        }
        for cluster in sorted(targets.target)
    }


def _limits(settings: TrainSettings, targets: Targets, pool: Selection, split: Split) -> list[str]:
    """Say what the validation metrics do not show."""
    limits = [
        _LIMIT_OF_LABELS[targets.learned],
        _limit_of_places(settings, split),
        *_limits_of_choices(settings),
    ]
    if split.validation_groups < _FEW_BLOCKS:
        limits.append(f"Few {split.places} were held out ({split.validation_groups}): the metrics are uncertain.")
    group = _GROUPS[targets.learned]
    for side, positions in (("trained on", split.training), ("held out", split.validation)):
        absent = sorted(set(targets.target) - set(clusters_of(pool)[positions].tolist()))
        if absent:
            limits.append(f"No patch of the {group} {absent} was {side}: they lie in blocks of the other side alone.")
    if settings.objective in ("rank", "listwise"):
        limits += _limits_of_order(settings, targets)
    return limits


def _limits_of_choices(settings: TrainSettings) -> list[str]:
    """Say what the held-out patches decided, and so flatter."""
    limits = []
    if settings.refit:
        limits.append(
            "After it was measured, the model was fitted anew to all patches, held-out ones included: the metrics are "
            "those of the model before."
        )
    chosen = [] if settings.objective == "ridge" else ["the epoch at which training stopped"]
    if settings.auxiliary is not None and settings.auxiliary.weight == "auto":
        chosen.append("the auxiliary model's share in the score")
    if chosen:
        limits.append(
            f"The held-out patches also chose {' and '.join(chosen)}, so their metrics are slightly too good."
        )
    return limits


def _limit_of_places(settings: TrainSettings, split: Split) -> str:
    if split.places == "pictures":
        return (
            "Where the pictures were taken is not known: held-out ones can show land beside that which was trained on, "
            "so metrics on other places and dates can be lower."
        )
    return (
        f"The held-out blocks of {settings.block_m:g} m lie in the granules that were trained on: metrics on other "
        "granules and dates can be lower."
    )


def _limits_of_order(settings: TrainSettings, targets: Targets) -> list[str]:
    """Say what an objective that learns from the order alone leaves out."""
    limits = [
        f"`{settings.objective}` learned which {_GROUPS[targets.learned]} are above which, not by how much: how far "
        "scores lie apart was set afterwards by two numbers a network, fitted to the targets.",
    ]
    order = targets.order
    alone = ~(order.higher | order.higher.T).any(axis=1)
    if alone.any():
        clusters = [cluster for cluster, is_alone in zip(order.clusters, alone, strict=True) if is_alone]
        limits.append(f"The order puts the clusters {clusters} above or below no other: they were not learned from.")
    return limits
