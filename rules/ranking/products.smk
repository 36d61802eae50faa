# In: scores of patches, and what they are compared with: references, pixel statistics and baseline models; polygons of
# districts and, where one is named, a population raster; rows of the granule table that show one place at two periods;
# tables of the user. Out: how well the score agrees with each reference; the score of every district; how much it
# changed, with its uncertainty and images of the largest changes; what explains the score or its change.

from rankscape.products.change.settings import compared_dates

DISTRICTS = sorted(CONFIG.districts) if MAPPED else []
DATES = compared_dates(GRANULE_TABLE, RANKING.change)  # pairs of rows by change, such as 2016--2022
CHANGES = [] if SHARD else list(DATES)


wildcard_constraints:
    change=one_of(DATES),


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


rule ranking_change:
    input:
        before_scores=dates(rules.ranking_predict.output.scores, 0),
        before_patches=dates(PATCHES, 0),
        after_scores=dates(rules.ranking_predict.output.scores, 1),
        after_patches=dates(PATCHES, 1),
        model=rules.ranking_train.output.model,
    output:
        table="<results>/ranking/change/{change}.parquet",
        document="<results>/ranking/change/{change}.json",
        raster="<results>/ranking/change/{change}.tif",
        style="<results>/ranking/change/{change}.qml",
        preview=report(
            "<results>/ranking/change/{change}.png",
            caption="../../workflow/report/change.rst",
            category="Change",
        ),
        images=directory("<results>/ranking/change/{change}-images"),
    log:
        "<logs>/ranking_change/{change}.log",
    benchmark:
        "<benchmarks>/ranking_change/{change}.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(6000),
        runtime=minutes(60),
    params:
        settings=without(RANKING.change, "pairs"),
        places=lambda wildcards: [GRANULE_TABLE[after].location for _, after in DATES[wildcards.change]],
        code=code("ranking change", RANKING.change),
    message:
        "Measuring the change {wildcards.change}"
    shell:
        "python -m rankscape ranking change --settings {params.settings:q} --change {wildcards.change:q} --places {params.places:q}"
        " --before-scores {input.before_scores:q} --before-patches {input.before_patches:q}"
        " --after-scores {input.after_scores:q} --after-patches {input.after_patches:q} --model {input.model:q}"
        " --out {output.table:q} --document {output.document:q} --raster {output.raster:q} --preview {output.preview:q}"
        " --images {output.images:q} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


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
