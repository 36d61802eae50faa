# In: a reference's values of patches, clusters, patches. Out: baseline models, which learn from a reference where the score
# learns from judges and people, and their scores of every granule that can be compared with references.


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
        model=rules.ranking_train_baseline.output.model,
    output:
        scores="<results>/ranking/baselines/{baseline}/scores/{granule}.parquet",
    log:
        "<logs>/ranking_predict_baseline/{baseline}--{granule}.log",
    benchmark:
        "<benchmarks>/ranking_predict_baseline/{baseline}--{granule}.tsv"
    message:
        "Scoring granule {wildcards.granule} with the baseline {wildcards.baseline}"
