# In: clusters, judges with their prompts, people's orders, references. Out: one partial order a source, and the ensemble.
# How often and how fast a judge is asked are resources: they change no result, so they must not ask anew.


rule draw:
    input:
        tiles=expand(rules.tile.output.patches, granule=FIT),
        indices=expand(rules.tile.output.index, granule=FIT),
        clusters=rules.cluster.output.clusters,
        summary=rules.cluster.output.summary,
    output:
        draw="<results>/ranking/draws/{round}.parquet",
    log:
        "<logs>/draw/{round}.log",
    benchmark:
        "<benchmarks>/draw/{round}.tsv"
    conda:
        "../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500),
        runtime=minutes(10),
    params:
        settings=settings("draw"),
        code=code("draw"),
    message:
        "Drawing the patches of round {wildcards.round}"
    shell:
        "python -m rankscape draw --settings {params.settings:q} --round {wildcards.round} --tiles {input.tiles:q}"
        " --clusters {input.clusters:q} --summary {input.summary:q} --out {output.draw:q} > {log:q} 2>&1"


rule rate:
    input:
        prompt="config/prompts/{prompt}.md",
        draw=rules.draw.output.draw,
    output:
        round="<results>/ranking/rounds/{judge}/{prompt}/{round}.json",
    log:
        "<logs>/rate/{judge}/{prompt}/{round}.log",
    benchmark:
        "<benchmarks>/rate/{judge}/{prompt}/{round}.tsv"
    conda:
        "../envs/ranking.yaml"
    threads: 1
    resources:
        concurrency=lambda wildcards: CONFIG.judges[wildcards.judge].concurrency,
        attempts=lambda wildcards: CONFIG.judges[wildcards.judge].attempts,
        timeout_s=lambda wildcards: CONFIG.judges[wildcards.judge].timeout_s,
        mem_mb=memory(1500),
        runtime=minutes(60),
    params:
        settings=without(CONFIG.rate, "rounds"),
        judge=lambda wildcards: judge_settings(wildcards.judge),
        code=code("rate"),
    message:
        "Round {wildcards.round}: asking {wildcards.judge} with prompt {wildcards.prompt}"
    shell:
        "python -m rankscape rate --settings {params.settings:q} --judge {wildcards.judge:q}"
        " --judge-settings {params.judge:q} --prompt {input.prompt:q} --round {wildcards.round}"
        " --concurrency {resources.concurrency} --attempts {resources.attempts} --timeout-s {resources.timeout_s}"
        " --draw {input.draw:q} --out {output.round:q} > {log:q} 2>&1"


rule rank:
    input:
        evidence=rules.rate.output.round,
        summary=rules.cluster.output.summary,
    output:
        order="<results>/ranking/orders/{judge}--{prompt}--{round}.json",
    log:
        "<logs>/rank/{judge}--{prompt}--{round}.log",
    benchmark:
        "<benchmarks>/rank/{judge}--{prompt}--{round}.tsv"
    conda:
        "../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        settings=settings("rank"),
        code=code("rank"),
    message:
        "Ordering the clusters by round {wildcards.round} of {wildcards.judge} with prompt {wildcards.prompt}"
    shell:
        "python -m rankscape rank --settings {params.settings:q} --evidence {input.evidence:q}"
        " --summary {input.summary:q} --out {output.order:q} > {log:q} 2>&1"


rule transcribe:
    input:
        annotation=lambda wildcards: ANNOTATIONS[wildcards.annotator],
        summary=rules.cluster.output.summary,
    output:
        order="<results>/ranking/orders/person--{annotator}.json",
    log:
        "<logs>/transcribe/{annotator}.log",
    benchmark:
        "<benchmarks>/transcribe/{annotator}.tsv"
    conda:
        "../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        code=code("transcribe"),
    message:
        "Reading the order of {wildcards.annotator}"
    shell:
        "python -m rankscape transcribe --annotation {input.annotation:q} --summary {input.summary:q}"
        " --out {output.order:q} > {log:q} 2>&1"


rule derive:
    input:
        values=expand(
            "<results>/evaluation/references/{{reference}}/{granule}.parquet",
            granule=FIT,
        ),
        indices=expand(rules.tile.output.index, granule=FIT),
        clusters=rules.cluster.output.clusters,
        summary=rules.cluster.output.summary,
    output:
        order="<results>/ranking/orders/data--{reference}.json",
    log:
        "<logs>/derive/{reference}.log",
    benchmark:
        "<benchmarks>/derive/{reference}.tsv"
    conda:
        "../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        settings=without(CONFIG.derive, "references"),
        code=code("derive"),
    message:
        "Ordering the clusters by {wildcards.reference}"
    shell:
        "python -m rankscape derive --settings {params.settings:q} --reference {wildcards.reference:q}"
        " --values {input.values:q} --indices {input.indices:q} --clusters {input.clusters:q}"
        " --summary {input.summary:q} --out {output.order:q} > {log:q} 2>&1"


ORDERS = [
    *expand(
        rules.rank.output.order,
        judge=CONFIG.judges,
        prompt=CONFIG.prompts,
        round=ROUNDS,
    ),
    *expand(rules.transcribe.output.order, annotator=ANNOTATIONS),
    *expand(rules.derive.output.order, reference=CONFIG.derive.references),
]


rule ensemble:
    input:
        orders=ORDERS,
        summary=rules.cluster.output.summary,
    output:
        order="<results>/ranking/order.json",
    log:
        "<logs>/ensemble.log",
    benchmark:
        "<benchmarks>/ensemble.tsv"
    conda:
        "../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        settings=settings("ensemble"),
        code=code("ensemble"),
    message:
        "Merging the orders"
    shell:
        "python -m rankscape ensemble --settings {params.settings:q} --orders {input.orders:q}"
        " --summary {input.summary:q} --out {output.order:q} > {log:q} 2>&1"
