# In: patches, and labels of the tasks that networks learn. Out: one split of places for all of them, and networks whose
# features are embeddings like any other.


rule embeddings_split:
    input:
        labels=expand(rules.embeddings_label.output.labels, task=EMBEDDINGS.learned()),
        records=expand(rules.embeddings_label.output.record, task=EMBEDDINGS.learned()),
        indices=expand(EMBEDDED_INDEX, granule=LEARNED),
    output:
        split="<results>/embeddings/split.parquet",
        record="<results>/embeddings/split.json",
    log:
        "<logs>/embeddings_split.log",
    benchmark:
        "<benchmarks>/embeddings_split.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        settings=settings("embeddings.split"),
        code=code("embeddings split"),
    message:
        "Splitting places into training, validation and test"
    shell:
        "python -m rankscape embeddings split --settings {params.settings:q} --labels {input.labels:q}"
        " --indices {input.indices:q} --out {output.split:q} > {log:q} 2>&1"


# Checkpoints are no declared output: Snakemake would remove them before a job that goes on from them.
rule embeddings_train:
    input:
        labels=lambda wildcards: expand(rules.embeddings_label.output.labels, task=LEARNERS[wildcards.network].tasks),
        split=rules.embeddings_split.output.split,
        patches=expand(EMBEDDED_PATCHES, granule=LEARNED),
        indices=expand(EMBEDDED_INDEX, granule=LEARNED),
        weights=lambda wildcards: OWN_WEIGHTS[wildcards.network],
    output:
        network="<results>/embeddings/networks/{network}.safetensors",
        record="<results>/embeddings/networks/{network}.json",
        predictions="<results>/embeddings/networks/{network}.parquet",
    log:
        "<logs>/embeddings_train/{network}.log",
    benchmark:
        "<benchmarks>/embeddings_train/{network}.tsv"
    wildcard_constraints:
        network=one_of(LEARNERS),
    conda:
        "../../envs/vision.yaml"
    threads: 2
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=minutes(600),
    params:
        settings=lambda wildcards: LEARNERS[wildcards.network].canonical(),
        checkpoints="<results>/embeddings/checkpoints/{network}",
        code=code("embeddings train"),
    message:
        "Training the network {wildcards.network}"
    shell:
        "python -m rankscape embeddings train --settings {params.settings:q} --labels {input.labels:q} --split {input.split:q}"
        " --patches {input.patches:q} --out {output.network:q} --checkpoints {params.checkpoints:q}"
        " --memory-mb {resources.mem_mb} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


rule embeddings_tile2vec:
    input:
        patches=expand(EMBEDDED_PATCHES, granule=FIT),
        indices=expand(EMBEDDED_INDEX, granule=FIT),
    output:
        network="<results>/embeddings/tile2vec/{network}.safetensors",
        record="<results>/embeddings/tile2vec/{network}.json",
    log:
        "<logs>/embeddings_tile2vec/{network}.log",
    benchmark:
        "<benchmarks>/embeddings_tile2vec/{network}.tsv"
    wildcard_constraints:
        network=one_of(EMBEDDINGS.tile2vec),
    conda:
        "../../envs/vision.yaml"
    threads: 2
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=minutes(600),
    params:
        settings=lambda wildcards: EMBEDDINGS.tile2vec[wildcards.network].canonical(),
        checkpoints="<results>/embeddings/checkpoints/{network}",
        code=code("embeddings tile2vec"),
    message:
        "Training the network {wildcards.network} on neighbours"
    shell:
        "python -m rankscape embeddings tile2vec --settings {params.settings:q} --patches {input.patches:q}"
        " --out {output.network:q} --checkpoints {params.checkpoints:q} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"
