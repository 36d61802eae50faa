# In: an image, or a folder of web-mercator tiles or of pictures. Out: one mappable array of patches a granule, and their index.


rule tile:
    input:
        unpack(tile_source),
    output:
        patches=dropped("tiles", "<results>/tiles/{granule}.npy"),
        index="<results>/tiles/{granule}.parquet",
    log:
        "<logs>/tile/{granule}.log",
    benchmark:
        "<benchmarks>/tile/{granule}.tsv"
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
        # An option without a value would take the next option for one: what may be missing carries its name.
        quality=lambda wildcards, input: [f"--quality={file}" for file in input.quality],
        pictures=lambda wildcards: "--pictures" if wildcards.granule in PICTURES else "",
        listing=lambda wildcards: PICTURES.get(wildcards.granule, ""),
        code=code("tile"),
    message:
        "Cutting granule {wildcards.granule} into patches"
    shell:
        "{resources.mpi} -n {resources.tasks} python -m rankscape tile --mpi --ranks {resources.tasks} --threads {threads}"
        " --settings {params.settings:q} --source {input.source:q} {params.quality:q}"
        " {params.pictures} --granule {wildcards.granule:q} --out {output.patches:q} > {log:q} 2>&1"
