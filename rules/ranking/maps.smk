# In: scores of every patch. Out: rasters of each granule, on its own grid and at 10 m, and one map of the region; where the
# configuration asks for it (dense.enabled), a finer map of each granule from its patches and the score model.


UNCERTAINTY = os.path.relpath(ROOT / "resources/ramps/uncertainty.tsv")

RAMP = os.path.relpath(ROOT / "resources/ramps/development.tsv")


rule ranking_rasterize:
    input:
        scores=rules.ranking_predict.output.scores,
        index=rules.tile.output.index,
        ramp=RAMP,
    output:
        raster="<results>/maps/{granule}.tif",
        style="<results>/maps/{granule}.qml",
        patches="<results>/maps/{granule}-patches.tif",
        patches_style="<results>/maps/{granule}-patches.qml",
        item="<results>/maps/{granule}.json",
    log:
        "<logs>/ranking_rasterize/{granule}.log",
    benchmark:
        "<benchmarks>/ranking_rasterize/{granule}.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        gpu=int(CONFIG.mosaic.backend == "cuda"),
        mem_mb=memory(3000),
        runtime=minutes(20),
    params:
        settings=settings("mosaic"),
        code=code("ranking rasterize"),
    message:
        "Drawing the map of granule {wildcards.granule}"
    shell:
        "python -m rankscape ranking rasterize --settings {params.settings:q} --scores {input.scores:q} --index {input.index:q}"
        " --out {output.raster:q} --patches {output.patches:q} --item {output.item:q} --threads {threads} > {log:q} 2>&1"


rule ranking_dense:
    input:
        tiles=rules.tile.output.patches,
        index=rules.tile.output.index,
        model=rules.ranking_train.output.model,
        ramp=RAMP,
    output:
        raster="<results>/maps/dense/{granule}.tif",
        style="<results>/maps/dense/{granule}.qml",
        item="<results>/maps/dense/{granule}.json",
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
        settings=without(CONFIG.dense, "enabled"),
        code=code("ranking dense"),
    message:
        "Drawing the finer map of granule {wildcards.granule}"
    shell:
        "python -m rankscape ranking dense --settings {params.settings:q} --tiles {input.tiles:q} --model {input.model:q}"
        " --out {output.raster:q} --item {output.item:q} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


rule mosaic:
    input:
        scores=each(rules.ranking_predict.output.scores, MAPPED),
        indices=each(rules.tile.output.index, MAPPED),
        ramp=RAMP,
        uncertainty_ramp=UNCERTAINTY,
    output:
        raster="<results>/maps/region.tif",
        style="<results>/maps/region.qml",
        colour="<results>/maps/region-colour.tif",
        uncertainty="<results>/maps/region-uncertainty.tif",
        uncertainty_style="<results>/maps/region-uncertainty.qml",
        preview=report(
            "<results>/maps/region.png",
            caption="../../workflow/report/map.rst",
            category="Map",
        ),
        item="<results>/maps/region.json",
    log:
        "<logs>/mosaic.log",
    benchmark:
        "<benchmarks>/mosaic.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=settings("merge"),
        code=code("mosaic"),
    message:
        "Joining the granules to one map"
    shell:
        "python -m rankscape mosaic --settings {params.settings:q} --scores {input.scores:q} --indices {input.indices:q}"
        " --out {output.raster:q} --colour {output.colour:q} --uncertainty {output.uncertainty:q}"
        " --preview {output.preview:q} --item {output.item:q} > {log:q} 2>&1"
