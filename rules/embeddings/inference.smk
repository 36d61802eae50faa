# What follows from embeddings: in: tables of units, and embeddings of their places. Out: what units, embeddings and both predict,
# inside known groups and outside. In: labels, features and references at patches. Out: coefficients of a regression of the label on
# references, where the label is predicted and where it is corrected.

UNIT_TABLES = sorted(EMBEDDINGS.units)
REGRESSIONS = EMBEDDINGS.regressions
AT_UNITS = {name: EMBEDDINGS.embeddings_of_units(name) for name in UNIT_TABLES}


wildcard_constraints:
    units=NAME,
    regression=NAME,


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


rule embeddings_infer:
    input:
        labels=lambda wildcards: rules.embeddings_label.output.labels.format(
            task=REGRESSIONS[wildcards.regression].task
        ),
        record=lambda wildcards: rules.embeddings_label.output.record.format(
            task=REGRESSIONS[wildcards.regression].task
        ),
        indices=expand(EMBEDDED_INDEX, granule=LEARNED),
        features=lambda wildcards: expand(
            rules.embeddings_embed.output.features,
            embedding=EMBEDDING_SETS[REGRESSIONS[wildcards.regression].features],
            granule=LEARNED,
        ),
        values=lambda wildcards: expand(
            LABEL_VALUES, granule=LEARNED, reference=REGRESSIONS[wildcards.regression].covariates
        ),
    output:
        document="<results>/embeddings/inference/{regression}.json",
    log:
        "<logs>/embeddings_infer/{regression}.log",
    benchmark:
        "<benchmarks>/embeddings_infer/{regression}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=only(EMBEDDINGS.downstream, "penalties", "standardise", "confidence"),
        regression=lambda wildcards: REGRESSIONS[wildcards.regression].canonical(),
        code=code("embeddings infer"),
    message:
        "Regressing predictions: {wildcards.regression}"
    shell:
        "python -m rankscape embeddings infer --settings {params.settings:q} --regression-settings {params.regression:q}"
        " --labels {input.labels:q} --indices {input.indices:q} --features {input.features:q} --values {input.values:q}"
        " --out {output.document:q} > {log:q} 2>&1"


PAGE_NAMES["embeddings"] |= {"units": UNIT_TABLES, "regressions": list(REGRESSIONS)}
TARGETS += [
    [] if SHARD else expand(rules.embeddings_units.output.document, units=UNIT_TABLES),
    [] if SHARD else expand(rules.embeddings_infer.output.document, regression=list(REGRESSIONS)),
]
add_names(units=UNIT_TABLES, regression=list(REGRESSIONS))
PUBLISHED["embeddings"] += [
    expand(rules.embeddings_units.output, units=UNIT_TABLES),
    expand(rules.embeddings_infer.output, regression=list(REGRESSIONS)),
]
