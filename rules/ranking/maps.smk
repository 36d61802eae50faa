# In: scores of every patch. Out: rasters of each granule, on its own grid and at 10 m, and one map of the region; where the
# configuration asks for it (dense.enabled), a finer map of each granule from its patches and the score model.


rule ranking_rasterize:
    input:
        scores=rules.ranking_predict.output.scores,
        index=INDEX,
    output:
        raster="<results>/ranking/maps/{granule}.tif",
        style="<results>/ranking/maps/{granule}.qml",
        patches="<results>/ranking/maps/{granule}-patches.tif",
        patches_style="<results>/ranking/maps/{granule}-patches.qml",
        item="<results>/ranking/maps/{granule}.json",
    log:
        "<logs>/ranking_rasterize/{granule}.log",
    benchmark:
        "<benchmarks>/ranking_rasterize/{granule}.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        gpu=int(RANKING.rasterize.backend == "cuda"),
        mem_mb=memory(3000),
        runtime=minutes(20),
    params:
        settings=settings("ranking.rasterize"),
        code=code("ranking rasterize", RANKING.rasterize),
    message:
        "Drawing the map of granule {wildcards.granule}"
    shell:
        "python -m rankscape ranking rasterize --settings {params.settings:q} --scores {input.scores:q} --index {input.index:q}"
        " --out {output.raster:q} --patches {output.patches:q} --item {output.item:q} --threads {threads} > {log:q} 2>&1"


rule ranking_dense:
    input:
        patches=PATCHES,
        model=rules.ranking_train.output.model,
    output:
        raster="<results>/ranking/maps/dense/{granule}.tif",
        style="<results>/ranking/maps/dense/{granule}.qml",
        item="<results>/ranking/maps/dense/{granule}.json",
    log:
        "<logs>/ranking_dense/{granule}.log",
    benchmark:
        "<benchmarks>/ranking_dense/{granule}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=minutes(240),
    params:
        settings=without(RANKING.dense, "enabled"),
        code=code("ranking dense", RANKING.dense),
    message:
        "Drawing the finer map of granule {wildcards.granule}"
    shell:
        "python -m rankscape ranking dense --settings {params.settings:q} --patches {input.patches:q} --model {input.model:q}"
        " --out {output.raster:q} --item {output.item:q} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


rule ranking_mosaic:
    input:
        scores=each(rules.ranking_predict.output.scores, MAPPED),
        indices=each(INDEX, MAPPED),
    output:
        raster="<results>/ranking/maps/region.tif",
        style="<results>/ranking/maps/region.qml",
        colour="<results>/ranking/maps/region-colour.tif",
        uncertainty="<results>/ranking/maps/region-uncertainty.tif",
        uncertainty_style="<results>/ranking/maps/region-uncertainty.qml",
        preview=report(
            "<results>/ranking/maps/region.png",
            caption="../../workflow/report/map.rst",
            category="Map",
        ),
        item="<results>/ranking/maps/region.json",
    log:
        "<logs>/ranking_mosaic.log",
    benchmark:
        "<benchmarks>/ranking_mosaic.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=settings("ranking.mosaic"),
        code=code("mosaic", RANKING.mosaic),
    message:
        "Joining the granules to one map"
    shell:
        "python -m rankscape mosaic --settings {params.settings:q} --scores {input.scores:q} --indices {input.indices:q}"
        " --out {output.raster:q} --colour {output.colour:q} --uncertainty {output.uncertainty:q}"
        " --preview {output.preview:q} --item {output.item:q} > {log:q} 2>&1"


rule ranking_tabulate:
    input:
        indices=each(INDEX, MAPPED),
        scores=each(rules.ranking_predict.output.scores, MAPPED),
        clusters=rules.ranking_cluster.output.clusters,
        order=rules.ranking_ensemble.output.order,
        statistics=each(STATISTICS, MAPPED if REFERENCES else []),
        values=lambda wildcards: expand(VALUES, reference=REFERENCES, granule=MAPPED),
        baselines=baseline_scores,
    output:
        patches="<results>/ranking/maps/patches.parquet",
        table="<results>/ranking/maps/patches.csv.gz",
    log:
        "<logs>/ranking_tabulate.log",
    benchmark:
        "<benchmarks>/ranking_tabulate.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        region=lambda wildcards, output: output.patches.partition("/ranking/")[0],
        names=json.dumps({**RANKING_NAMES, "apply": [name for name in MAPPED if GRANULE_TABLE[name].role == "apply"]}),
        confidence=CONFIG.publish.confidence,
        code=code("ranking tabulate"),
    message:
        "Bringing together all that is known of every patch"
    shell:
        "python -m rankscape ranking tabulate --region {params.region:q} --names {params.names:q}"
        " --confidence {params.confidence} --out {output.patches:q} > {log:q} 2>&1"
