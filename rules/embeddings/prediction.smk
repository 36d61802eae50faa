# In: labels and features. Out: R² by number of labels, of features and by penalty; a regression of all labels for each task that
# is mapped, and its predictions at every patch of every granule, as tables and maps; where asked for, a map at every pixel.

EMBEDDING_SETS = EMBEDDINGS.embedding_sets()
TASK_MAPS = EMBEDDINGS.maps
CURVED = list(EMBEDDINGS.curves())
PIXEL_MAPS = [
    (task, granule)
    for task, one in TASK_MAPS.items()
    for granule in MAPPED
    if one.pixels is True or granule in (one.pixels or ())
]


wildcard_constraints:
    mapped=NAME,
    localized=NAME,


rule embeddings_curve:
    input:
        labels=rules.embeddings_label.output.labels,
        indices=expand(EMBEDDED_INDEX, granule=LEARNED),
        features=lambda wildcards: expand(
            rules.embeddings_embed.output.features, embedding=EMBEDDING_SETS[wildcards.features], granule=LEARNED
        ),
    output:
        document="<results>/embeddings/curves/{task}/{features}.json",
    log:
        "<logs>/embeddings_curve/{task}/{features}.log",
    benchmark:
        "<benchmarks>/embeddings_curve/{task}/{features}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=without(EMBEDDINGS.curve, "features"),
        ridge=only(EMBEDDINGS.downstream, "penalties", "standardise"),
        code=code("embeddings curve"),
    message:
        "Measuring how much {wildcards.task} from {wildcards.features} depends on labels and features"
    shell:
        "python -m rankscape embeddings curve --settings {params.settings:q} --ridge {params.ridge:q} --labels {input.labels:q}"
        " --indices {input.indices:q} --features {input.features:q} --out {output.document:q} > {log:q} 2>&1"


rule embeddings_regress:
    input:
        labels=lambda wildcards: expand(rules.embeddings_label.output.labels, task=wildcards.mapped),
        indices=expand(EMBEDDED_INDEX, granule=LEARNED),
        features=lambda wildcards: expand(
            rules.embeddings_embed.output.features,
            embedding=EMBEDDING_SETS[TASK_MAPS[wildcards.mapped].features],
            granule=LEARNED,
        ),
    output:
        model="<results>/embeddings/regressions/{mapped}.safetensors",
        record="<results>/embeddings/regressions/{mapped}.json",
        residuals="<results>/embeddings/regressions/{mapped}.parquet",
    log:
        "<logs>/embeddings_regress/{mapped}.log",
    benchmark:
        "<benchmarks>/embeddings_regress/{mapped}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=only(EMBEDDINGS.downstream, "penalties", "standardise", "confidence"),
        name=lambda wildcards: TASK_MAPS[wildcards.mapped].features,
        code=code("embeddings regress"),
    message:
        "Fitting {wildcards.mapped} to all its labels"
    shell:
        "python -m rankscape embeddings regress --settings {params.settings:q} --labels {input.labels:q} --indices {input.indices:q}"
        " --features {input.features:q} --name {params.name:q} --out {output.model:q} > {log:q} 2>&1"


rule embeddings_predict:
    input:
        model=rules.embeddings_regress.output.model,
        residuals=rules.embeddings_regress.output.residuals,
        index=EMBEDDED_INDEX,
        features=lambda wildcards: expand(
            rules.embeddings_embed.output.features,
            embedding=EMBEDDING_SETS[TASK_MAPS[wildcards.mapped].features],
            granule=wildcards.granule,
        ),
    output:
        table="<results>/embeddings/maps/{mapped}/{granule}.parquet",
        raster="<results>/embeddings/maps/{mapped}/{granule}.tif",
        style="<results>/embeddings/maps/{mapped}/{granule}.qml",
        item="<results>/embeddings/maps/{mapped}/{granule}.json",
    log:
        "<logs>/embeddings_predict/{mapped}/{granule}.log",
    benchmark:
        "<benchmarks>/embeddings_predict/{mapped}/{granule}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        code=code("embeddings predict", *TASK_MAPS.values()),
    message:
        "Predicting {wildcards.mapped} in granule {wildcards.granule}"
    shell:
        "python -m rankscape embeddings predict --model {input.model:q} --features {input.features:q} --index {input.index:q}"
        " --out {output.table:q} --raster {output.raster:q} --item {output.item:q} > {log:q} 2>&1"


rule embeddings_localize:
    input:
        model=lambda wildcards: expand(rules.embeddings_regress.output.model, mapped=wildcards.localized),
        embedder=lambda wildcards: expand(
            rules.embeddings_fit.output.embedder, embedding=TASK_MAPS[wildcards.localized].features
        ),
        patches=EMBEDDED_PATCHES,
        index=EMBEDDED_INDEX,
    output:
        raster="<results>/embeddings/pixels/{localized}/{granule}.tif",
        style="<results>/embeddings/pixels/{localized}/{granule}.qml",
        item="<results>/embeddings/pixels/{localized}/{granule}.json",
    log:
        "<logs>/embeddings_localize/{localized}/{granule}.log",
    benchmark:
        "<benchmarks>/embeddings_localize/{localized}/{granule}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(3000),
        runtime=minutes(120),
    params:
        code=code("embeddings localize", *TASK_MAPS.values()),
    message:
        "Predicting {wildcards.localized} at every pixel of granule {wildcards.granule}"
    shell:
        "python -m rankscape embeddings localize --model {input.model:q} --embedder {input.embedder:q} --patches {input.patches:q}"
        " --out {output.raster:q} --item {output.item:q} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


TARGETS += [
    [] if SHARD else expand(rules.embeddings_curve.output.document, task=TASKS, features=CURVED),
    expand(rules.embeddings_predict.output.raster, mapped=list(TASK_MAPS), granule=own(MAPPED)),
    [
        rules.embeddings_localize.output.raster.format(localized=task, granule=granule)
        for task, granule in PIXEL_MAPS
        if granule in own(MAPPED)
    ],
]
PAGE_NAMES["embeddings"] |= {
    "acquisition": EMBEDDED,
    "shown": [name for name in MAPPED if TASK_MAPS or name in LEARNED],
    "curves": [f"{task}/{name}" for task in TASKS for name in CURVED],
    "maps": [f"{task}/{granule}" for task in TASK_MAPS for granule in MAPPED],
}
PUBLISHED["embeddings"] += [
    expand(rules.embeddings_regress.output, mapped=list(TASK_MAPS)),
    expand(rules.embeddings_predict.output, mapped=list(TASK_MAPS), granule=MAPPED),
    [
        path.format(localized=task, granule=granule)
        for path in rules.embeddings_localize.output
        for task, granule in PIXEL_MAPS
    ],
]
add_names(mapped=list(TASK_MAPS))
add_names(made=["embeddings curve", *(["embeddings regress", "embeddings predict"] if TASK_MAPS else [])])
add_names(made=["embeddings localize"] if PIXEL_MAPS else [])
