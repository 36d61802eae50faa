# In: nothing but a seed. Out: the synthetic region of the embedded default: a static STAC catalogue of its scenes,
# labels, references, and its known truth. Only a configuration that names these files makes them.


rule simulate:
    output:
        catalogue="<results>/simulated/catalog.json",
        labels="<results>/simulated/labels.csv",
        lights="<results>/simulated/lights.tif",
        population="<results>/simulated/population.tif",
        truth="<results>/simulated/truth.tif",
        truth_earlier="<results>/simulated/truth-2016.tif",
        counties="<results>/simulated/counties.parquet",
        surroundings="<results>/simulated/surroundings.csv",
        tasks="<results>/simulated/tasks.tif",
    log:
        "<logs>/simulate.log",
    benchmark:
        "<benchmarks>/simulate.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(10),
    params:
        settings=settings("simulate"),
        folder=lambda wildcards, output: os.path.dirname(output.catalogue),
        code=code("simulate"),
    message:
        "Simulating a region whose truth is known"
    shell:
        "python -m rankscape simulate --settings {params.settings:q} --folder {params.folder:q} > {log:q} 2>&1"
