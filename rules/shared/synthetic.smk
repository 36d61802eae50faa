# In: nothing but a seed. Out: the invented region of the embedded default: a static STAC catalogue of its scenes,
# labels, references, and its known truth. Only a configuration that names these files makes them.


rule simulate:
    output:
        catalogue="<results>/simulated/catalog.json",
        labels="<results>/simulated/labels.csv",
        lights="<results>/simulated/lights.tif",
        population="<results>/simulated/population.tif",
        truth="<results>/simulated/truth.tif",
        truth_earlier="<results>/simulated/truth-2016.tif",
        districts="<results>/simulated/districts.geojson",
        counties="<results>/simulated/counties.parquet",
        surroundings="<results>/simulated/surroundings.csv",
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
        code=code("simulate"),
    message:
        "Inventing a region whose truth is known"
    shell:
        "python -m rankscape simulate --settings {params.settings:q} --catalogue {output.catalogue:q}"
        " --labels {output.labels:q} --lights {output.lights:q} --population {output.population:q}"
        " --truth {output.truth:q} --truth-earlier {output.truth_earlier:q} --districts {output.districts:q}"
        " --counties {output.counties:q} --surroundings {output.surroundings:q} > {log:q} 2>&1"
