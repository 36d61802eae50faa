# What each baseline learns from, and how it is trained. No rule stands here.

BASELINES = list(CONFIG.baselines)


wildcard_constraints:
    baseline=r"[a-z0-9]+(-[a-z0-9]+)*",


def rival_training(wildcards):
    """How a baseline is trained: the section `train`, with what its own says."""
    return CONFIG.baselines[wildcards.baseline].training(CONFIG.train).canonical()


def rival_order(wildcards):
    """The merged order of a baseline that learns from one."""
    is_ordered = CONFIG.baselines[wildcards.baseline].kind == "order"
    return rules.ranking_ensemble_baseline.output.order if is_ordered else []


def rival_values(wildcards):
    """The reference's values of patches, for a baseline that learns from them."""
    baseline = CONFIG.baselines[wildcards.baseline]
    if baseline.kind == "order":
        return []
    return expand(rules.aggregate.output.values, reference=baseline.reference, granule=TAUGHT)


def rival_scores(wildcards):
    """The scores of all baselines, one baseline after another."""
    return expand(rules.ranking_predict_baseline.output.scores, baseline=BASELINES, granule=MAPPED)


def rival_options(wildcards, input):
    """Whose scores each of these files holds."""
    names = [name for name in BASELINES for _ in MAPPED]
    return [f"--rival={name}={file}" for name, file in zip(names, input.rivals, strict=True)]
