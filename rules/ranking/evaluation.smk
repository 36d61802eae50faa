# In: scores, patches, references. Out: trivial baselines and reference values of every patch, and how well the score
# agrees with each reference, with intervals.


rule pixel_statistics:
    input:
        tiles=rules.tile.output.patches,
        index=rules.tile.output.index,
    output:
        baselines="<results>/evaluation/baselines/{granule}.parquet",
    log:
        "<logs>/pixel_statistics/{granule}.log",
    benchmark:
        "<benchmarks>/pixel_statistics/{granule}.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        code=code("pixel-statistics"),
    message:
        "Measuring trivial baselines of granule {wildcards.granule}"
    shell:
        "python -m rankscape pixel-statistics --tiles {input.tiles:q} --out {output.baselines:q} > {log:q} 2>&1"


rule aggregate:
    input:
        reference=lambda wildcards: list(map(str, CONFIG.references[wildcards.reference].files())),
        index=rules.tile.output.index,
    output:
        values="<results>/evaluation/references/{reference}/{granule}.parquet",
    log:
        "<logs>/aggregate/{reference}/{granule}.log",
    benchmark:
        "<benchmarks>/aggregate/{reference}/{granule}.tsv"
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


rule ranking_evaluate:
    input:
        scores=each(rules.ranking_predict.output.scores, MAPPED),
        indices=each(rules.tile.output.index, MAPPED),
        values=each(rules.aggregate.output.values, MAPPED),
        baselines=each(rules.pixel_statistics.output.baselines, MAPPED),
        rivals=rival_scores,
    output:
        document=report(
            "<results>/evaluation/{reference}.json",
            caption="../../workflow/report/evaluation.rst",
            category="Evaluation",
        ),
        places="<results>/evaluation/{reference}.parquet",
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
        settings=settings("evaluate"),
        reference=lambda wildcards: CONFIG.references[wildcards.reference].canonical(),
        apply=[f"--apply={granule}" for granule in MAPPED if SHEET[granule].role == "apply"],
        rival=rival_options,
        taught=[f"--taught={name}={baseline.reference}" for name, baseline in CONFIG.baselines.items()],
        code=code("ranking evaluate"),
    message:
        "Comparing the score with {wildcards.reference}"
    shell:
        "python -m rankscape ranking evaluate --settings {params.settings:q} --name {wildcards.reference:q}"
        " --reference-settings {params.reference:q} --scores {input.scores:q} --indices {input.indices:q}"
        " --values {input.values:q} --baselines {input.baselines:q} {params.apply:q} {params.rival:q} {params.taught:q}"
        " --out {output.document:q} --places {output.places:q} > {log:q} 2>&1"
