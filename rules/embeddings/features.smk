# In: patches of the granules, and networks or files of embeddings. Out: an embedding of every patch of a granule, by name.


rule embeddings_fit:
    input:
        patches=expand(EMBEDDED_PATCHES, granule=FIT),
        indices=expand(EMBEDDED_INDEX, granule=FIT),
        weights=lambda wildcards: OWN_WEIGHTS[wildcards.embedding],
    output:
        embedder="<results>/embeddings/models/{embedding}.safetensors",
    log:
        "<logs>/embeddings_fit/{embedding}.log",
    benchmark:
        "<benchmarks>/embeddings_fit/{embedding}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=lambda wildcards: EMBEDDINGS.embedders[wildcards.embedding].canonical(),
        code=code("embeddings fit"),
    message:
        "Making the embedding {wildcards.embedding}"
    shell:
        "python -m rankscape embeddings fit --settings {params.settings:q} --name {wildcards.embedding:q}"
        " --patches {input.patches:q} --out {output.embedder:q} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


rule embeddings_embed:
    input:
        patches=EMBEDDED_PATCHES,
        index=EMBEDDED_INDEX,
        embedder=lambda wildcards: EMBEDDER[wildcards.embedding],
    output:
        features=dropped("features", "<results>/embeddings/features/{embedding}/{granule}.npy"),
        record="<results>/embeddings/features/{embedding}/{granule}.json",
        table="<results>/embeddings/tables/{embedding}/{granule}.parquet",
        item="<results>/embeddings/tables/{embedding}/{granule}.json",
    log:
        "<logs>/embeddings_embed/{embedding}/{granule}.log",
    benchmark:
        "<benchmarks>/embeddings_embed/{embedding}/{granule}.tsv"
    wildcard_constraints:
        embedding=one_of(EMBEDDER),
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=settings("embeddings.embed"),
        dates=lambda wildcards: DATES[wildcards.granule],
        code=code("embeddings embed"),
    message:
        "Embedding granule {wildcards.granule} by {wildcards.embedding}"
    shell:
        "python -m rankscape embeddings embed --settings {params.settings:q} --patches {input.patches:q}"
        " --embedder {input.embedder:q} --out {output.features:q} --table {output.table:q}"
        " --dates {params.dates:q} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


rule embeddings_join:
    input:
        index=EMBEDDED_INDEX,
        rows=lambda wildcards: SUPPLIED[wildcards.embedding].files(),
    output:
        features=dropped("features", "<results>/embeddings/features/{embedding}/{granule}.npy"),
        record="<results>/embeddings/features/{embedding}/{granule}.json",
        table="<results>/embeddings/tables/{embedding}/{granule}.parquet",
        item="<results>/embeddings/tables/{embedding}/{granule}.json",
    log:
        "<logs>/embeddings_join/{embedding}/{granule}.log",
    benchmark:
        "<benchmarks>/embeddings_join/{embedding}/{granule}.tsv"
    wildcard_constraints:
        embedding=one_of(SUPPLIED),
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=lambda wildcards: SUPPLIED[wildcards.embedding].canonical(),
        dates=lambda wildcards: DATES[wildcards.granule],
        code=code("embeddings join"),
    message:
        "Joining the embedding {wildcards.embedding} to granule {wildcards.granule}"
    shell:
        "python -m rankscape embeddings join --settings {params.settings:q} --name {wildcards.embedding:q}"
        " --index {input.index:q} --out {output.features:q} --table {output.table:q} --dates {params.dates:q}"
        " > {log:q} 2>&1"
