# In: scores or their change, tables of the user. Out: what explains them, as a table that can be printed.


rule ranking_regress:
    input:
        tables=lambda wildcards: RANKING.regressions[wildcards.regression].paths,
        scores=lambda wildcards: expand(
            rules.ranking_predict.output.scores,
            granule=CURRENT if RANKING.regressions[wildcards.regression].places == "score" else [],
        ),
        indices=lambda wildcards: expand(
            INDEX,
            granule=CURRENT if RANKING.regressions[wildcards.regression].places == "score" else [],
        ),
        change=lambda wildcards: expand(
            "<results>/ranking/change/{change}.parquet", change=RANKING.regressions[wildcards.regression].change or []
        ),
    output:
        document="<results>/ranking/regressions/{regression}.json",
        coefficients="<results>/ranking/regressions/{regression}.csv",
        table="<results>/ranking/regressions/{regression}.tex",
    log:
        "<logs>/ranking_regress/{regression}.log",
    benchmark:
        "<benchmarks>/ranking_regress/{regression}.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=lambda wildcards: RANKING.regressions[wildcards.regression].canonical(),
        code=code("ranking regress"),
    message:
        "Explaining {wildcards.regression}"
    shell:
        "python -m rankscape ranking regress --settings {params.settings:q} --name {wildcards.regression:q} --scores {input.scores:q}"
        " --indices {input.indices:q} --change {input.change:q} --out {output.document:q} > {log:q} 2>&1"
