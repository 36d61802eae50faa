# In: an image, or a folder of web-mercator tiles or of images. Out: one mappable array of patches a granule, and their index.


# The index lies beside the patches and comes from the same job: of the two, a rule that reads both names the patches alone.
rule tile:
    input:
        unpack(tile_source),
    output:
        patches=dropped("tiles", "<results>/samples/{acquisition}/{granule}.npy"),
        index="<results>/samples/{acquisition}/{granule}.parquet",
    log:
        "<logs>/tile/{acquisition}/{granule}.log",
    benchmark:
        "<benchmarks>/tile/{acquisition}/{granule}.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mpi="mpiexec",
        tasks=2,
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        settings=settings("tile"),
        source=lambda wildcards, input: GRANULE_TABLE[wildcards.granule].local or input.source,
        images=by("granule", dict.fromkeys(LISTINGS, True), False),
        listing=by("granule", LISTINGS, ""),
        code=code("tile"),
    message:
        "Cutting granule {wildcards.granule} into patches"
    shell:
        "{resources.mpi} -n {resources.tasks} python -m rankscape tile --mpi --ranks {resources.tasks} --threads {threads}"
        " --settings {params.settings:q} --source {params.source:q} --quality {input.quality:q}"
        " --beside {input.beside:q} --places {input.places:q}"
        " --images={params.images} --granule {wildcards.granule:q} --out {output.patches:q} > {log:q} 2>&1"


rule pixel_statistics:
    input:
        patches=rules.tile.output.patches,
        index=rules.tile.output.index,
    output:
        statistics="<results>/samples/statistics/{acquisition}/{granule}.parquet",
    log:
        "<logs>/pixel_statistics/{acquisition}/{granule}.log",
    benchmark:
        "<benchmarks>/pixel_statistics/{acquisition}/{granule}.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        code=code("pixel-statistics"),
    message:
        "Measuring pixel statistics of granule {wildcards.granule}"
    shell:
        "python -m rankscape pixel-statistics --patches {input.patches:q} --out {output.statistics:q} > {log:q} 2>&1"


rule aggregate:
    input:
        reference=lambda wildcards: list(map(str, CONFIG.references[wildcards.reference].files())),
        index=rules.tile.output.index,
    output:
        values="<results>/samples/references/{acquisition}/{reference}/{granule}.parquet",
    log:
        "<logs>/aggregate/{acquisition}/{reference}/{granule}.log",
    benchmark:
        "<benchmarks>/aggregate/{acquisition}/{reference}/{granule}.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        settings=lambda wildcards: CONFIG.references[wildcards.reference].canonical(),
        code=code("aggregate"),
    message:
        "Bringing {wildcards.reference} to the patches of granule {wildcards.granule}"
    shell:
        "python -m rankscape aggregate --settings {params.settings:q} --index {input.index:q} --out {output.values:q}"
        " > {log:q} 2>&1"
