# In: rounds, people's orders, references. Out: one partial order a source, the ensemble, and what they can be trusted with.

LOCATED_FIT = [name for name in FIT if GRANULE_TABLE[name].located]
TAUGHT = current_rows({name: GRANULE_TABLE[name] for name in LOCATED_FIT})  # what a reference says is said of one date


# One job for all rounds of a judge and a prompt: each takes less than its start. Where nobody is asked, the rule needs an output all the same.
rule ranking_rank:
    input:
        evidence=expand(rules.ranking_rate.output.round, round=ROUNDS, allow_missing=True),
        summary=rules.ranking_cluster.output.summary,
    output:
        orders=expand(
            "<results>/ranking/orders/{judge}--{prompt}--{round}.json", round=ROUNDS or [1], allow_missing=True
        ),
    log:
        "<logs>/ranking_rank/{judge}--{prompt}.log",
    benchmark:
        "<benchmarks>/ranking_rank/{judge}--{prompt}.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        settings=settings("ranking.rank"),
        code=code("ranking rank"),
    message:
        "Ordering the clusters by the rounds of {wildcards.judge} with prompt {wildcards.prompt}"
    shell:
        "python -m rankscape ranking rank --settings {params.settings:q} --evidence {input.evidence:q}"
        " --summary {input.summary:q} --out {output.orders:q} > {log:q} 2>&1"


rule ranking_import_order:
    input:
        annotation=annotation_file,
        summary=rules.ranking_cluster.output.summary,
    output:
        order="<results>/ranking/orders/person--{annotator}.json",
    log:
        "<logs>/ranking_import_order/{annotator}.log",
    benchmark:
        "<benchmarks>/ranking_import_order/{annotator}.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        annotator=annotator,
        annotators=annotators,
        line=lambda wildcards: PEOPLE[wildcards.annotator].line or "",
        code=code("ranking import-order"),
    message:
        "Reading the order of {wildcards.annotator}"
    shell:
        "python -m rankscape ranking import-order --annotation {input.annotation:q} --annotator {params.annotator:q}"
        " --annotators {params.annotators:q} --summary {input.summary:q} --out {output.order:q} > {log:q} 2>&1"


rule ranking_order_from_reference:
    input:
        values=expand(VALUES, granule=TAUGHT, allow_missing=True),
        indices=expand(INDEX, granule=LOCATED_FIT),
        clusters=rules.ranking_cluster.output.clusters,
        summary=rules.ranking_cluster.output.summary,
    output:
        order="<results>/ranking/orders/data--{reference}.json",
    log:
        "<logs>/ranking_order_from_reference/{reference}.log",
    benchmark:
        "<benchmarks>/ranking_order_from_reference/{reference}.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        settings=without(RANKING.order_from_reference, "references"),
        code=code("ranking order-from-reference"),
    message:
        "Ordering the clusters by {wildcards.reference}"
    shell:
        "python -m rankscape ranking order-from-reference --settings {params.settings:q} --reference {wildcards.reference:q}"
        " --values {input.values:q} --indices {input.indices:q} --clusters {input.clusters:q}"
        " --summary {input.summary:q} --out {output.order:q} > {log:q} 2>&1"


ASKED = {"judge": RANKING.judges, "prompt": RANKING.prompts, "round": ROUNDS}
ROUND_FILES = expand(rules.ranking_rate.output.round, **ASKED)
TIMES = expand(rules.ranking_rate.output.times, **ASKED)
ORDERS = [
    *expand("<results>/ranking/orders/{judge}--{prompt}--{round}.json", **ASKED),
    *expand(rules.ranking_import_order.output.order, annotator=PEOPLE),
    *expand(rules.ranking_order_from_reference.output.order, reference=RANKING.order_from_reference.references),
]


rule ranking_ensemble:
    input:
        orders=ORDERS,
        summary=rules.ranking_cluster.output.summary,
    output:
        order="<results>/ranking/order.json",
    log:
        "<logs>/ranking_ensemble.log",
    benchmark:
        "<benchmarks>/ranking_ensemble.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        settings=settings("ranking.ensemble"),
        code=code("ranking ensemble"),
    message:
        "Merging the orders"
    shell:
        "python -m rankscape ranking ensemble --settings {params.settings:q} --orders {input.orders:q}"
        " --summary {input.summary:q} --out {output.order:q} > {log:q} 2>&1"


rule ranking_audit:
    input:
        rounds=ROUND_FILES,
        times=TIMES,
        orders=ORDERS,
        order=rules.ranking_ensemble.output.order,
        summary=rules.ranking_cluster.output.summary,
    output:
        audit="<results>/ranking/audit.json",
    log:
        "<logs>/ranking_audit.log",
    benchmark:
        "<benchmarks>/ranking_audit.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        settings=settings("ranking.audit"),
        code=code("ranking audit"),
    message:
        "Measuring what the sources of orders can be trusted with"
    shell:
        "python -m rankscape ranking audit --settings {params.settings:q} --rounds {input.rounds:q} --times {input.times:q}"
        " --orders {input.orders:q} --order {input.order:q} --summary {input.summary:q} --out {output.audit:q} > {log:q} 2>&1"
