# In: a reference's values of patches, clusters, patches. Out: baseline models, which learn from a reference where the score
# learns from judges and people, and their scores of every granule that can be compared with references.


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


use rule ranking_order_from_reference as ranking_order_from_reference_baseline with:
    output:
        order="<results>/ranking/baselines/{baseline}/orders/data--{reference}.json",
    log:
        "<logs>/ranking_order_from_reference_baseline/{baseline}--{reference}.log",
    benchmark:
        "<benchmarks>/ranking_order_from_reference_baseline/{baseline}--{reference}.tsv"
    message:
        "Ordering the clusters by {wildcards.reference} alone, for {wildcards.baseline}"


use rule ranking_ensemble as ranking_ensemble_baseline with:
    input:
        orders=lambda wildcards: expand(
            rules.ranking_order_from_reference_baseline.output.order,
            baseline=wildcards.baseline,
            reference=RANKING.baselines[wildcards.baseline].reference,
        ),
        summary=rules.ranking_cluster.output.summary,
    output:
        order="<results>/ranking/baselines/{baseline}/order.json",
    log:
        "<logs>/ranking_ensemble_baseline/{baseline}.log",
    benchmark:
        "<benchmarks>/ranking_ensemble_baseline/{baseline}.tsv"
    message:
        "Levels of the order of {wildcards.baseline}"


use rule ranking_train as ranking_train_baseline with:
    input:
        order=baseline_order,
        values=baseline_values,
        patches=expand(PATCHES, granule=FIT),
        indices=expand(INDEX, granule=FIT),
        clusters=rules.ranking_cluster.output.clusters,
        summary=rules.ranking_cluster.output.summary,
        backbone=rules.ranking_adapt.output.backbone,
    output:
        model="<results>/ranking/baselines/{baseline}/model/score.safetensors",
        record="<results>/ranking/baselines/{baseline}/model/score.json",
        card="<results>/ranking/baselines/{baseline}/model/score.md",
        curves="<results>/ranking/baselines/{baseline}/model/score-curves.png",
    log:
        "<logs>/ranking_train_baseline/{baseline}.log",
    benchmark:
        "<benchmarks>/ranking_train_baseline/{baseline}.tsv"
    params:
        settings=baseline_training,
        checkpoints=lambda wildcards: f"{FOLDER}/baselines/{wildcards.baseline}/model/training",
    message:
        "Training the baseline {wildcards.baseline}"


use rule ranking_predict as ranking_predict_baseline with:
    input:
        patches=PATCHES,
        index=INDEX,
        model=rules.ranking_train_baseline.output.model,
    output:
        scores="<results>/ranking/baselines/{baseline}/scores/{granule}.parquet",
    log:
        "<logs>/ranking_predict_baseline/{baseline}--{granule}.log",
    benchmark:
        "<benchmarks>/ranking_predict_baseline/{baseline}--{granule}.tsv"
    message:
        "Scoring granule {wildcards.granule} with the baseline {wildcards.baseline}"
