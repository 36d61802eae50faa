# The study `embeddings`: in: patches of the granules, and references at them. Out: an embedding of every patch by name, labels
# with the folds of their places, how well each set of features predicts each task, and paired differences.

EMBEDDINGS = CONFIG.embeddings
EMBEDDED = CONFIG.acquisition(EMBEDDINGS.acquisition, "embeddings.acquisition")
EMBEDDED_PATCHES = acquired(rules.tile.output.patches, EMBEDDED)
EMBEDDED_INDEX = acquired(rules.tile.output.index, EMBEDDED)
LABEL_VALUES = acquired(rules.aggregate.output.values, EMBEDDED)
LEARNED = [name for name in FIT if GRANULE_TABLE[name].located]  # labels need coordinates
DISPLACED = {name: one.files() for name, one in CONFIG.references.items() if one.displacement_m is not None}
COMPARED = EMBEDDINGS.compared()
MODELS = EMBEDDINGS.models()
TASKS = sorted(EMBEDDINGS.tasks)
DATES = {name: [f"{row.start}/{row.end}"] if row.start and row.end else [] for name, row in GRANULE_TABLE.items()}
SUPPLIED = EMBEDDINGS.supplied()
COMPUTED = {name: one for name, one in EMBEDDINGS.embedders.items() if name not in SUPPLIED}
OWN_WEIGHTS = {name: [one.weights] if one.weights.endswith(".safetensors") else [] for name, one in COMPUTED.items()}


wildcard_constraints:
    embedding=NAME,
    task=NAME,
    features=NAME,


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
        embedder=rules.embeddings_fit.output.embedder,
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
        embedding=one_of(COMPUTED),
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


rule embeddings_label:
    input:
        indices=expand(EMBEDDED_INDEX, granule=LEARNED),
        values=lambda wildcards: expand(
            LABEL_VALUES, granule=LEARNED, reference=EMBEDDINGS.tasks[wildcards.task].reference
        ),
        points=lambda wildcards: DISPLACED.get(EMBEDDINGS.tasks[wildcards.task].reference, []),
    output:
        labels="<results>/embeddings/labels/{task}.parquet",
        record="<results>/embeddings/labels/{task}.json",
    log:
        "<logs>/embeddings_label/{task}.log",
    benchmark:
        "<benchmarks>/embeddings_label/{task}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        settings=settings("embeddings.label"),
        task=lambda wildcards: EMBEDDINGS.tasks[wildcards.task].canonical(),
        reference=lambda wildcards: CONFIG.references[EMBEDDINGS.tasks[wildcards.task].reference].canonical(),
        locations=[f"{name}={GRANULE_TABLE[name].location}" for name in LEARNED if GRANULE_TABLE[name].location != name],
        code=code("embeddings label"),
    message:
        "Making the labels of {wildcards.task}"
    shell:
        "python -m rankscape embeddings label --settings {params.settings:q} --task-settings {params.task:q}"
        " --reference-settings {params.reference:q} --indices {input.indices:q} --values {input.values:q}"
        " --locations {params.locations:q} --out {output.labels:q} > {log:q} 2>&1"


rule embeddings_downstream:
    input:
        labels=rules.embeddings_label.output.labels,
        indices=expand(EMBEDDED_INDEX, granule=LEARNED),
        features=lambda wildcards: expand(
            rules.embeddings_embed.output.features, embedding=COMPARED[wildcards.features], granule=LEARNED
        ),
        records=lambda wildcards: expand(
            rules.embeddings_embed.output.record, embedding=COMPARED[wildcards.features], granule=LEARNED
        ),
    output:
        document="<results>/embeddings/downstream/{task}/{features}.json",
        predictions="<results>/embeddings/downstream/{task}/{features}.parquet",
    log:
        "<logs>/embeddings_downstream/{task}/{features}.log",
    benchmark:
        "<benchmarks>/embeddings_downstream/{task}/{features}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=without(EMBEDDINGS.downstream, "models"),
        model=by("features", MODELS, "ridge"),
        code=code("embeddings downstream"),
    message:
        "Predicting {wildcards.task} from {wildcards.features}"
    shell:
        "python -m rankscape embeddings downstream --settings {params.settings:q} --labels {input.labels:q}"
        " --indices {input.indices:q} --features {input.features:q} --model {params.model:q} --out {output.document:q} > {log:q} 2>&1"


rule embeddings_contrast:
    input:
        predictions=expand(rules.embeddings_downstream.output.predictions, features=COMPARED, allow_missing=True),
    output:
        contrasts="<results>/embeddings/contrasts/{task}.json",
    log:
        "<logs>/embeddings_contrast/{task}.log",
    benchmark:
        "<benchmarks>/embeddings_contrast/{task}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        settings=only(EMBEDDINGS.downstream, "draws", "confidence"),
        code=code("embeddings contrast"),
    message:
        "Comparing what predicts {wildcards.task}"
    shell:
        "python -m rankscape embeddings contrast --settings {params.settings:q} --predictions {input.predictions:q}"
        " --out {output.contrasts:q} > {log:q} 2>&1"


PAGE_NAMES["embeddings"] = {"tasks": TASKS, "results": [f"{task}/{name}" for task in TASKS for name in COMPARED]}
TARGETS += [
    [] if SHARD else expand(rules.embeddings_contrast.output.contrasts, task=TASKS),
    expand(rules.embeddings_embed.output.features, embedding=sorted(EMBEDDINGS.embedders), granule=own(MAPPED)),
]
add_names(granule=MAPPED, acquisition=[EMBEDDED], reference=REFERENCES)
add_names(task=TASKS, features=list(COMPARED), embedding=sorted(EMBEDDINGS.embedders))
PUBLISHED["embeddings"] = [
    expand(rules.embeddings_embed.output.item, embedding=sorted(EMBEDDINGS.embedders), granule=MAPPED),
    expand(rules.embeddings_contrast.output.contrasts, task=TASKS),
    expand(rules.embeddings_downstream.output, task=TASKS, features=COMPARED),
    expand(rules.embeddings_label.output, task=TASKS),
]


include: "prediction.smk"


include: "inference.smk"
