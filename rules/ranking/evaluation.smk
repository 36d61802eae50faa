# In: scores, references, pixel statistics. Out: how well the score agrees with each reference, with intervals.


rule ranking_evaluate:
    input:
        scores=each(rules.ranking_predict.output.scores, MAPPED),
        indices=each(INDEX, MAPPED),
        values=each(VALUES, MAPPED),
        statistics=each(STATISTICS, MAPPED),
        baselines=baseline_scores,
    output:
        document=report(
            "<results>/ranking/evaluation/{reference}.json",
            caption="../../workflow/report/evaluation.rst",
            category="Evaluation",
        ),
        places="<results>/ranking/evaluation/{reference}.parquet",
    log:
        "<logs>/ranking_evaluate/{reference}.log",
    benchmark:
        "<benchmarks>/ranking_evaluate/{reference}.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=settings("ranking.evaluate"),
        reference=lambda wildcards: CONFIG.references[wildcards.reference].canonical(),
        apply=[granule for granule in MAPPED if GRANULE_TABLE[granule].role == "apply"],
        baselines=baseline_options,
        trained_on=[f"{name}={baseline.reference}" for name, baseline in RANKING.baselines.items()],
        code=code("ranking evaluate"),
    message:
        "Comparing the score with {wildcards.reference}"
    shell:
        "python -m rankscape ranking evaluate --settings {params.settings:q} --name {wildcards.reference:q}"
        " --reference-settings {params.reference:q} --scores {input.scores:q} --indices {input.indices:q}"
        " --values {input.values:q} --statistics {input.statistics:q} --apply {params.apply:q}"
        " --baseline {params.baselines:q} --trained-on {params.trained_on:q} --out {output.document:q} --places {output.places:q} > {log:q} 2>&1"
