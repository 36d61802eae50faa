# In: patches, their scores, the score model. Out: for the report's map, what raised and what lowered the score of each
# patch, place by place, if the configuration asks for it (saliency.enabled).
EXPLAINED = MAPPED if RANKING.saliency.enabled else []


rule ranking_saliency:
    input:
        patches=PATCHES,
        index=INDEX,
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
