# In: clusters, judges with their prompts. Out: the patches of every round, and every round of every judge and prompt.


rule ranking_sample:
    input:
        patches=expand(PATCHES, granule=FIT),
        clusters=rules.ranking_cluster.output.clusters,
        summary=rules.ranking_cluster.output.summary,
    output:
        sample="<results>/ranking/samples/{round}.parquet",
    log:
        "<logs>/ranking_sample/{round}.log",
    benchmark:
        "<benchmarks>/ranking_sample/{round}.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500),
        runtime=minutes(10),
    params:
        settings=settings("ranking.sample"),
        code=code("ranking sample"),
    message:
        "Drawing the patches of round {wildcards.round}"
    shell:
        "python -m rankscape ranking sample --settings {params.settings:q} --round {wildcards.round} --patches {input.patches:q}"
        " --clusters {input.clusters:q} --summary {input.summary:q} --out {output.sample:q} > {log:q} 2>&1"


rule ranking_build_requests:
    input:
        prompt="config/prompts/{prompt}.md",
    output:
        requests="<results>/ranking/requests/{judge}/{prompt}.json",
    log:
        "<logs>/ranking_build_requests/{judge}/{prompt}.log",
    benchmark:
        "<benchmarks>/ranking_build_requests/{judge}/{prompt}.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        settings=without(RANKING.rate, "rounds"),
        judge=by_judge(lambda judge: judge.asked),
        code=code("ranking build-requests"),
        asks=code("ranking collect-replies"),  # other questions must be asked before rounds want their replies
        text=by("prompt", {name: prompt.identity for name, prompt in PROMPTS.items()}),
    message:
        "Writing down what {wildcards.judge} is asked with prompt {wildcards.prompt}"
    shell:
        "python -m rankscape ranking build-requests --settings {params.settings:q} --judge {wildcards.judge:q}"
        " --judge-settings {params.judge:q} --prompt {input.prompt:q} --out {output.requests:q} > {log:q} 2>&1"


# Snakemake waits for the file of a service a few seconds only; it says `starting` at once, and the address when there is
# an answer. No params, because a change would start the judge for nothing; no benchmark, because the job has no end.
rule ranking_serve:
    output:
        address=service("<results>/ranking/services/{judge}.json"),
    log:
        stage="<logs>/ranking_serve/{judge}.log",
        command="<logs>/ranking_serve/{judge}-command.log",
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        judge=by_judge(lambda judge: judge.canonical()),
        mem_mb=memory(16000),
        runtime=minutes(1440),
    message:
        "Starting {wildcards.judge}"
    shell:
        'printf \'{{"state": "starting", "pid": %s}}\' $$ > {output.address:q};'
        " exec python -m rankscape ranking serve --judge {wildcards.judge:q} --judge-settings {resources.judge:q}"
        " --command-log {log.command:q} --out {output.address:q} > {log.stage:q} 2>&1"


# The only job that a served judge waits for: it asks for all rounds what the store lacks, so that none is asked again.
rule ranking_collect_replies:
    input:
        address=rules.ranking_serve.output.address,
        requests=lambda wildcards: expand(
            rules.ranking_build_requests.output.requests, judge=wildcards.judge, prompt=RANKING.prompts
        ),
        samples=expand(rules.ranking_sample.output.sample, round=ROUNDS),
    output:
        interview="<results>/ranking/collected/{judge}.json",
    log:
        "<logs>/ranking_collect_replies/{judge}.log",
    benchmark:
        "<benchmarks>/ranking_collect_replies/{judge}.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 0  # those of a service and its consumer are added up
    resources:
        limits=by_judge(lambda judge: judge.limits),
        mem_mb=memory(1500),
        runtime=minutes(1440),
    params:
        store=STORE,
    message:
        "Asking {wildcards.judge} for every reply that is missing"
    shell:
        "python -m rankscape ranking collect-replies --judge {wildcards.judge:q} --limits {resources.limits:q}"
        " --address {input.address:q} --requests {input.requests:q} --samples {input.samples:q} --store {params.store:q}"
        " --out {output.interview:q} > {log:q} 2>&1"


rule ranking_rate:
    input:
        interviewed,
        prompt="config/prompts/{prompt}.md",
        sample=rules.ranking_sample.output.sample,
    output:
        round="<results>/ranking/rounds/{judge}/{prompt}/{round}.json",
        times="<results>/ranking/times/{judge}/{prompt}/{round}.json",
    log:
        "<logs>/ranking_rate/{judge}/{prompt}/{round}.log",
    benchmark:
        "<benchmarks>/ranking_rate/{judge}/{prompt}/{round}.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        concurrency=by_judge(lambda judge: judge.concurrency),
        limits=by_judge(lambda judge: judge.limits),
        mem_mb=memory(1500),
        runtime=minutes(60),
    params:
        settings=without(RANKING.rate, "rounds"),
        judge=by_judge(lambda judge: judge.asked),
        store=STORE,
        text=by("prompt", {name: prompt.identity for name, prompt in PROMPTS.items()}),
        code=by_judge(lambda judge: code("ranking rate", judge)),
    message:
        "Round {wildcards.round}: asking {wildcards.judge} with prompt {wildcards.prompt}"
    shell:
        "python -m rankscape ranking rate --settings {params.settings:q} --judge {wildcards.judge:q}"
        " --judge-settings {params.judge:q} --limits {resources.limits:q} --prompt {input.prompt:q}"
        " --round {wildcards.round} --sample {input.sample:q} --store {params.store:q} --out {output.round:q}"
        " --times {output.times:q} > {log:q} 2>&1"
