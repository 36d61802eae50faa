# In: scores, polygons of districts, and where the configuration names one a population raster. Out: the score of every
# district with intervals and ranks, as a table, a document and a map.

DISTRICTS = list(CONFIG.districts) if MAPPED else []


wildcard_constraints:
    districts=r"[a-z0-9]+(-[a-z0-9]+)*",


rule ranking_district:
    input:
        scores=each(rules.ranking_predict.output.scores, MAPPED),
        indices=each(INDEX, MAPPED),
        polygons=polygon_files,
        population=population_file,
    output:
        districts="<results>/ranking/districts/{districts}.parquet",
        table="<results>/ranking/districts/{districts}.csv",
        document="<results>/ranking/districts/{districts}.json",
        image=report(
            "<results>/ranking/districts/{districts}.png",
            caption="../../workflow/report/districts.rst",
            category="Districts",
        ),
    log:
        "<logs>/ranking_district/{districts}.log",
    benchmark:
        "<benchmarks>/ranking_district/{districts}.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=lambda wildcards: CONFIG.districts[wildcards.districts].canonical(),
        code=lambda wildcards: code("ranking district", CONFIG.districts[wildcards.districts]),
    message:
        "Averaging the score over the districts {wildcards.districts}"
    shell:
        "python -m rankscape ranking district --settings {params.settings:q} --name {wildcards.districts:q}"
        " --scores {input.scores:q} --indices {input.indices:q} --out {output.districts:q} --table {output.table:q}"
        " --document {output.document:q} --image {output.image:q} --threads {threads} > {log:q} 2>&1"
