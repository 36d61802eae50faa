# In: scores or their change, tables of the user. Out: what explains them, as a table that can be printed.


def regression_tables(wildcards):
    """The user's tables of a regression."""
    return list(dict.fromkeys(table.path for table in CONFIG.regressions[wildcards.regression].tables))


def regression_places(kind, pattern):
    """A file of each granule, where a regression explains the score."""
    return lambda wildcards: (
        expand(pattern, granule=GRANULES) if CONFIG.regressions[wildcards.regression].places == "score" else []
    )


def regression_change(wildcards):
    """The change that a regression explains, where it explains one."""
    pair = CONFIG.regressions[wildcards.regression].change
    return [f"results/{CONFIG.region}/change/{pair}.parquet"] if pair else []


rule regress:
    input:
        tables=regression_tables,
        scores=regression_places("score", rules.predict.output.scores),
        indices=regression_places("score", rules.tile.output.index),
        change=regression_change,
    output:
        document="<results>/regressions/{regression}.json",
        coefficients="<results>/regressions/{regression}.csv",
        table="<results>/regressions/{regression}.tex",
    log:
        "<logs>/regress/{regression}.log",
    benchmark:
        "<benchmarks>/regress/{regression}.tsv"
    conda:
        "../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=lambda wildcards: CONFIG.regressions[wildcards.regression].canonical(),
        places=lambda wildcards, input: [
            f"--{option}={file}" for option in ("scores", "indices", "change") for file in input[option]
        ],
        code=code("regress"),
    message:
        "Explaining {wildcards.regression}"
    shell:
        "python -m rankscape regress --settings {params.settings:q} --name {wildcards.regression:q} {params.places:q}"
        " --out {output.document:q} > {log:q} 2>&1"
