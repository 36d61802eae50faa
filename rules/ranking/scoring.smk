# In: patches, their clusters, the merged order. Out: networks that score a patch between 0 and 1; the scores of every
# granule with the ensemble's standard deviation; sheets of patches that people judge the score by; for the report's map,
# what raised and what lowered the score of each patch, if the configuration asks for it (saliency.enabled).

EXPLAINED = MAPPED if RANKING.saliency.enabled else []


# The checkpoints are no declared output: Snakemake would remove them before a job that goes on from them.
rule ranking_train:
    input:
        order=rules.ranking_ensemble.output.order,
        values=[],  # what a baseline model may learn from instead
        patches=expand(PATCHES, granule=FIT),
        clusters=rules.ranking_cluster.output.clusters,
        summary=rules.ranking_cluster.output.summary,
        backbone=rules.ranking_adapt.output.backbone,
    output:
        model="<results>/ranking/model/score.safetensors",
        record="<results>/ranking/model/score.json",
        card="<results>/ranking/model/score.md",
        curves="<results>/ranking/model/score-curves.png",
    log:
        "<logs>/ranking_train.log",
    benchmark:
        "<benchmarks>/ranking_train.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 8
    resources:
        gpu=0,
        mem_mb=memory(8000),
        runtime=minutes(600),
    params:
        settings=settings("ranking.train"),
        code=code("ranking train"),
        checkpoints=CHECKPOINTS,
    message:
        "Training the score"
    shell:
        "python -m rankscape ranking train --settings {params.settings:q} --order {input.order:q} --values {input.values:q}"
        " --patches {input.patches:q} --clusters {input.clusters:q} --summary {input.summary:q} --backbone {input.backbone:q}"
        " --out {output.model:q} --record {output.record:q} --card {output.card:q} --checkpoints {params.checkpoints:q}"
        " --memory-mb {resources.mem_mb} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


rule ranking_predict:
    input:
        patches=PATCHES,
        model=rules.ranking_train.output.model,
    output:
        scores="<results>/ranking/scores/{granule}.parquet",
    log:
        "<logs>/ranking_predict/{granule}.log",
    benchmark:
        "<benchmarks>/ranking_predict/{granule}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=settings("ranking.predict"),
        code=code("ranking predict"),
    message:
        "Scoring granule {wildcards.granule}"
    shell:
        "python -m rankscape ranking predict --settings {params.settings:q} --patches {input.patches:q} --model {input.model:q}"
        " --out {output.scores:q} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


rule ranking_inspection_sheets:
    input:
        patches=each(PATCHES, CURRENT),
        clusters=rules.ranking_cluster.output.clusters,
        scores=each(rules.ranking_predict.output.scores, CURRENT),
        model=rules.ranking_train.output.model,
        record=rules.ranking_train.output.record,
    output:
        sheets=report(
            directory("<results>/ranking/inspection"),
            patterns=["{name}.png"],
            caption="../../workflow/report/review.rst",
            category="Seeing why",
        ),
    log:
        "<logs>/ranking_inspection_sheets.log",
    benchmark:
        "<benchmarks>/ranking_inspection_sheets.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=settings("ranking.inspection_sheets"),
        code=code("ranking inspection-sheets"),
    message:
        "Drawing patches to judge the score by"
    shell:
        "python -m rankscape ranking inspection-sheets --settings {params.settings:q} --patches {input.patches:q} --clusters {input.clusters:q}"
        " --scores {input.scores:q} --model {input.model:q} --record {input.record:q} --out {output.sheets:q}"
        " --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


rule ranking_saliency:
    input:
        patches=PATCHES,
        scores=rules.ranking_predict.output.scores,
        model=rules.ranking_train.output.model,
    output:
        record="<results>/ranking/saliency/{granule}.json",
        maps="<results>/ranking/saliency/{granule}.npy",
    log:
        "<logs>/ranking_saliency/{granule}.log",
    benchmark:
        "<benchmarks>/ranking_saliency/{granule}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=minutes(120),
    params:
        settings=without(RANKING.saliency, "enabled"),
        code=code("ranking saliency"),
    message:
        "Asking what the networks responded to in granule {wildcards.granule}"
    shell:
        "python -m rankscape ranking saliency --settings {params.settings:q} --patches {input.patches:q} --scores {input.scores:q}"
        " --model {input.model:q} --out {output.record:q} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"
