# In: a reference's values of patches, clusters, patches. Out: rivals of the score, which learned from a reference where the
# score learned from judges and people, and their scores of every granule that can be compared with references.


use rule derive as derive_rival with:
    output:
        order="<results>/baselines/{baseline}/orders/data--{reference}.json",
    log:
        "<logs>/derive/baselines/{baseline}--{reference}.log",
    benchmark:
        "<benchmarks>/derive/baselines/{baseline}--{reference}.tsv"
    message:
        "Ordering the clusters by {wildcards.reference} alone, for {wildcards.baseline}"


use rule ensemble as ensemble_rival with:
    input:
        orders=lambda wildcards: expand(
            rules.derive_rival.output.order,
            baseline=wildcards.baseline,
            reference=CONFIG.baselines[wildcards.baseline].reference,
        ),
        summary=rules.cluster.output.summary,
    output:
        order="<results>/baselines/{baseline}/order.json",
    log:
        "<logs>/ensemble/baselines/{baseline}.log",
    benchmark:
        "<benchmarks>/ensemble/baselines/{baseline}.tsv"
    message:
        "Levels of the order of {wildcards.baseline}"


use rule train as train_rival with:
    input:
        order=rival_order,
        values=rival_values,
        tiles=expand(rules.tile.output.patches, granule=FIT),
        indices=expand(rules.tile.output.index, granule=FIT),
        clusters=rules.cluster.output.clusters,
        summary=rules.cluster.output.summary,
        backbone=rules.adapt.output.backbone,
    output:
        model="<results>/baselines/{baseline}/model/score.safetensors",
        record="<results>/baselines/{baseline}/model/score.json",
        card="<results>/baselines/{baseline}/model/score.md",
        curves="<results>/baselines/{baseline}/model/score-curves.png",
    log:
        "<logs>/train/baselines/{baseline}.log",
    benchmark:
        "<benchmarks>/train/baselines/{baseline}.tsv"
    params:
        settings=rival_training,
        order=lambda wildcards, input: [f"--order={file}" for file in [input.order] if file],
        values=lambda wildcards, input: [f"--values={file}" for file in input.values],
        checkpoints=lambda wildcards: f"results/{CONFIG.region}/baselines/{wildcards.baseline}/model/training",
    message:
        "Training the baseline {wildcards.baseline}"


use rule predict as predict_rival with:
    input:
        tiles=rules.tile.output.patches,
        index=rules.tile.output.index,
        model=rules.train_rival.output.model,
    output:
        scores="<results>/baselines/{baseline}/scores/{granule}.parquet",
    log:
        "<logs>/predict/baselines/{baseline}--{granule}.log",
    benchmark:
        "<benchmarks>/predict/baselines/{baseline}--{granule}.tsv"
    message:
        "Scoring granule {wildcards.granule} with the baseline {wildcards.baseline}"
