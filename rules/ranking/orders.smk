# In: rounds, people's orders, references. Out: one partial order a source, the ensemble, and what they can be trusted with.

LOCATED_FIT = [name for name in FIT if SHEET[name].located]
TAUGHT = current_rows({name: SHEET[name] for name in LOCATED_FIT})  # what a reference says is said of one date


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
        "../../envs/ranking.yaml"
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
        annotation=annotation_file,
        summary=rules.cluster.output.summary,
    output:
        order="<results>/ranking/orders/person--{annotator}.json",
    log:
        "<logs>/transcribe/{annotator}.log",
    benchmark:
        "<benchmarks>/transcribe/{annotator}.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        annotator=annotator_option,
        annotators=annotators_option,
        line=lambda wildcards: PEOPLE[wildcards.annotator].line or "",
        code=code("transcribe"),
    message:
        "Reading the order of {wildcards.annotator}"
    shell:
        "python -m rankscape transcribe --annotation {input.annotation:q} {params.annotator:q} {params.annotators:q} --summary {input.summary:q}"
        " --out {output.order:q} > {log:q} 2>&1"


rule derive:
    input:
        values=expand(
            "<results>/evaluation/references/{{reference}}/{granule}.parquet",
            granule=TAUGHT,
        ),
        indices=expand(rules.tile.output.index, granule=LOCATED_FIT),
        clusters=rules.cluster.output.clusters,
        summary=rules.cluster.output.summary,
    output:
        order="<results>/ranking/orders/data--{reference}.json",
    log:
        "<logs>/derive/{reference}.log",
    benchmark:
        "<benchmarks>/derive/{reference}.tsv"
    conda:
        "../../envs/ranking.yaml"
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


ROUND_FILES = expand(
    rules.rate.output.round,
    judge=CONFIG.judges,
    prompt=CONFIG.prompts,
    round=ROUNDS,
)
TIMES = expand(
    rules.rate.output.times,
    judge=CONFIG.judges,
    prompt=CONFIG.prompts,
    round=ROUNDS,
)
ORDERS = [
    *expand(
        rules.rank.output.order,
        judge=CONFIG.judges,
        prompt=CONFIG.prompts,
        round=ROUNDS,
    ),
    *expand(rules.transcribe.output.order, annotator=PEOPLE),
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
        "../../envs/ranking.yaml"
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


rule audit:
    input:
        rounds=ROUND_FILES,
        times=TIMES,
        orders=ORDERS,
        order=rules.ensemble.output.order,
        summary=rules.cluster.output.summary,
    output:
        audit="<results>/ranking/audit.json",
    log:
        "<logs>/audit.log",
    benchmark:
        "<benchmarks>/audit.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        settings=settings("audit"),
        # An option without a value would take the next option for one: lists that may be empty carry their name.
        rounds=lambda wildcards, input: [f"--rounds={file}" for file in input.rounds],
        times=lambda wildcards, input: [f"--times={file}" for file in input.times],
        code=code("audit"),
    message:
        "Measuring what the sources of orders can be trusted with"
    shell:
        "python -m rankscape audit --settings {params.settings:q} {params.rounds:q} {params.times:q}"
        " --orders {input.orders:q} --order {input.order:q} --summary {input.summary:q} --out {output.audit:q} > {log:q} 2>&1"
