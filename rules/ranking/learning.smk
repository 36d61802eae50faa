# In: patches of the granules to learn from, and soft labels of their land categories. Out: a backbone that was fitted to
# them, and the features of every patch.

from rankscape.learning.settings import SELF_SUPERVISED


# Nobody asks for this rule but `adapt.weights: self_supervised`. Its checkpoints are no declared output: Snakemake would
# remove them before a job that goes on from them.
rule ranking_pretrain:
    input:
        patches=expand(PATCHES, granule=FIT),
    output:
        weights="<results>/ranking/model/pretrained.safetensors",
        record="<results>/ranking/model/pretrained.json",
    log:
        "<logs>/ranking_pretrain.log",
    benchmark:
        "<benchmarks>/ranking_pretrain.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 8
    resources:
        gpu=0,
        mem_mb=memory(8000),
        runtime=minutes(600),
    params:
        settings=settings("ranking.pretrain"),
        network=only(RANKING.adapt, "architecture", "colour", "normalisation"),
        checkpoints=PRETRAINING,
        code=code("ranking pretrain"),
    message:
        "Pre-training the backbone on patches without labels"
    shell:
        "python -m rankscape ranking pretrain --settings {params.settings:q} --network {params.network:q} --patches {input.patches:q}"
        " --out {output.weights:q} --record {output.record:q} --checkpoints {params.checkpoints:q}"
        " --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


rule ranking_adapt:
    input:
        labels="<results>/ranking/categories/labels.parquet",
        patches=expand(PATCHES, granule=FIT),
        pretrained=pretrained,
    output:
        backbone="<results>/ranking/model/backbone.safetensors",
        record="<results>/ranking/model/backbone.json",
    log:
        "<logs>/ranking_adapt.log",
    benchmark:
        "<benchmarks>/ranking_adapt.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 8
    resources:
        gpu=0,
        mem_mb=memory(8000),
        runtime=minutes(120),
    params:
        settings=settings("ranking.adapt"),
        code=code("ranking adapt"),
    message:
        "Fitting the backbone to the land categories"
    shell:
        "python -m rankscape ranking adapt --settings {params.settings:q} --labels {input.labels:q} --patches {input.patches:q}"
        " --pretrained {input.pretrained:q} --out {output.backbone:q} --record {output.record:q}"
        " --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


rule ranking_embed:
    input:
        patches=PATCHES,
        backbone=rules.ranking_adapt.output.backbone,
    output:
        features=dropped("features", "<results>/ranking/features/{granule}.npy"),
        record="<results>/ranking/features/{granule}.json",
    log:
        "<logs>/ranking_embed/{granule}.log",
    benchmark:
        "<benchmarks>/ranking_embed/{granule}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=settings("ranking.embed"),
        code=code("ranking embed"),
    message:
        "Computing features of granule {wildcards.granule}"
    shell:
        "python -m rankscape ranking embed --settings {params.settings:q} --patches {input.patches:q} --backbone {input.backbone:q}"
        " --out {output.features:q} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"
