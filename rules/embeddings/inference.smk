# What follows from embeddings: in: tables of units, and embeddings of their places. Out: what units, embeddings and both predict,
# inside known groups and outside.

UNIT_TABLES = sorted(EMBEDDINGS.units)
AT_UNITS = {name: EMBEDDINGS.embeddings_of_units(name) for name in UNIT_TABLES}


wildcard_constraints:
    units=NAME,


rule embeddings_units:
    input:
        units=lambda wildcards: EMBEDDINGS.units[wildcards.units].path,
        tables=lambda wildcards: EMBEDDINGS.units[wildcards.units].tables,
        indices=lambda wildcards: expand(EMBEDDED_INDEX, granule=LEARNED if AT_UNITS[wildcards.units] else []),
        features=lambda wildcards: expand(
            rules.embeddings_embed.output.features, embedding=AT_UNITS[wildcards.units], granule=LEARNED
        ),
        records=lambda wildcards: expand(
            rules.embeddings_embed.output.record, embedding=AT_UNITS[wildcards.units], granule=LEARNED
        ),
    output:
        document="<results>/embeddings/units/{units}.json",
        predictions="<results>/embeddings/units/{units}.parquet",
    log:
        "<logs>/embeddings_units/{units}.log",
    benchmark:
        "<benchmarks>/embeddings_units/{units}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=without(EMBEDDINGS.downstream, "models", "checkerboard_m"),
        units=lambda wildcards: EMBEDDINGS.units[wildcards.units].canonical(),
        code=code("embeddings units"),
    message:
        "Predicting the units {wildcards.units}"
    shell:
        "python -m rankscape embeddings units --settings {params.settings:q} --units-settings {params.units:q}"
        " --units {input.units:q} --indices {input.indices:q} --features {input.features:q} {input.tables:q}"
        " --out {output.document:q} > {log:q} 2>&1"


PAGE_NAMES["embeddings"] |= {"units": UNIT_TABLES}
TARGETS.append([] if SHARD else expand(rules.embeddings_units.output.document, units=UNIT_TABLES))
add_names(units=UNIT_TABLES)
PUBLISHED["embeddings"].append(expand(rules.embeddings_units.output, units=UNIT_TABLES))
