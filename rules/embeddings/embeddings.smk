# The study `embeddings`: in: patches of the granules, and references at them. Out: an embedding of every patch by name, labels
# with the folds of their places, how well each set of features predicts each task, and paired differences.

from rankscape.learning.settings import weights_file

EMBEDDINGS = CONFIG.embeddings
EMBEDDED = CONFIG.acquisition(EMBEDDINGS.acquisition, "embeddings.acquisition")
EMBEDDED_PATCHES = acquired(rules.tile.output.patches, EMBEDDED)
EMBEDDED_INDEX = acquired(rules.tile.output.index, EMBEDDED)
LABEL_VALUES = acquired(rules.aggregate.output.values, EMBEDDED)
LEARNED = [name for name in FIT if GRANULE_TABLE[name].has_coordinates]  # labels need them
DISPLACED = {name: one.files() for name, one in CONFIG.references.items() if one.displacement_m is not None}
TASKS = sorted(EMBEDDINGS.tasks)
DATES = {name: [f"{row.start}/{row.end}"] if row.start and row.end else [] for name, row in GRANULE_TABLE.items()}
COMPARED = {task: EMBEDDINGS.compared(task) for task in TASKS}
RESULTS = [f"{task}/{name}" for task in TASKS for name in COMPARED[task]]
MODELS = EMBEDDINGS.models()
LEARNERS = EMBEDDINGS.learners()
SPLIT = ["<results>/embeddings/split.parquet"] if LEARNERS else []  # ridge is held out where networks are
SUPPLIED = EMBEDDINGS.supplied()
COMPUTED = {name: one for name, one in EMBEDDINGS.embedders.items() if name not in SUPPLIED}
OWN_WEIGHTS = {name: weights_file(one.weights) for name, one in {**COMPUTED, **LEARNERS}.items()}
EMBEDDER = {
    **{name: f"<results>/embeddings/models/{name}.safetensors" for name in COMPUTED},
    **{name: f"<results>/embeddings/networks/{name}.safetensors" for name in LEARNERS},
    **{name: f"<results>/embeddings/tile2vec/{name}.safetensors" for name in EMBEDDINGS.tile2vec},
}


wildcard_constraints:
    embedding=NAME,
    task=NAME,
    features=NAME,


include: "features.smk"


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
            rules.embeddings_embed.output.features,
            embedding=COMPARED[wildcards.task][wildcards.features],
            granule=LEARNED,
        ),
        records=lambda wildcards: expand(
            rules.embeddings_embed.output.record,
            embedding=COMPARED[wildcards.task][wildcards.features],
            granule=LEARNED,
        ),
        split=SPLIT,
        predicted=lambda wildcards: [
            f"<results>/embeddings/networks/{network}.parquet"
            for name, network in EMBEDDINGS.predicting(wildcards.task).items()
            if name == wildcards.features
        ],
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
        others=lambda wildcards: "--others" if wildcards.features in EMBEDDINGS.others(wildcards.task) else "",
        code=code("embeddings downstream"),
    message:
        "Predicting {wildcards.task} from {wildcards.features}"
    shell:
        "python -m rankscape embeddings downstream --settings {params.settings:q} --labels {input.labels:q}"
        " --indices {input.indices:q} --features {input.features:q} --split {input.split:q} --predicted {input.predicted:q}"
        " --model {params.model:q} {params.others} --out {output.document:q} > {log:q} 2>&1"


rule embeddings_contrast:
    input:
        predictions=lambda wildcards: expand(
            rules.embeddings_downstream.output.predictions, task=wildcards.task, features=COMPARED[wildcards.task]
        ),
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


include: "networks.smk"


PAGE_NAMES["embeddings"] = {"tasks": TASKS, "results": RESULTS}
TARGETS += [
    [] if SHARD else expand(rules.embeddings_contrast.output.contrasts, task=TASKS),
    expand(rules.embeddings_embed.output.features, embedding=sorted(EMBEDDINGS.embeddings()), granule=own(MAPPED)),
]
add_names(granule=MAPPED, acquisition=[EMBEDDED], reference=REFERENCES)
add_names(task=TASKS, embedding=sorted(EMBEDDINGS.embeddings()), network=sorted([*LEARNERS, *EMBEDDINGS.tile2vec]))
add_names(features=list(dict.fromkeys(name for task in TASKS for name in COMPARED[task])))
PUBLISHED["embeddings"] = [
    expand(rules.embeddings_embed.output.item, embedding=sorted(EMBEDDINGS.embeddings()), granule=MAPPED),
    expand(rules.embeddings_contrast.output.contrasts, task=TASKS),
    expand("<results>/embeddings/downstream/{result}.{kind}", result=RESULTS, kind=["json", "parquet"]),
    expand(rules.embeddings_label.output, task=TASKS),
]


include: "prediction.smk"
include: "inference.smk"
