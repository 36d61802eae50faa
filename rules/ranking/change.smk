# In: scores, patches and the score model, of the rows of the granule table that show one place at two periods. Out: how much the
# score of every place changed, with its uncertainty, which changes are significant, a map, and images of the largest.

import re

from rankscape.products.change.settings import compared_dates

DATES = compared_dates(GRANULE_TABLE, RANKING.change)  # pairs of rows by change, such as 2016--2022
CHANGES = [] if SHARD else list(DATES)


wildcard_constraints:
    change="|".join(map(re.escape, DATES)) or r"(?!)",


rule ranking_change:
    input:
        before_scores=dates(rules.ranking_predict.output.scores, 0),
        before_patches=dates(PATCHES, 0),
        before_indices=dates(INDEX, 0),
        after_scores=dates(rules.ranking_predict.output.scores, 1),
        after_patches=dates(PATCHES, 1),
        after_indices=dates(INDEX, 1),
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
