# In: everything that was made. Out: one page that opens from disk.


rule report:
    input:
        order=rules.ensemble.output.order,
        orders=ORDERS,
        rounds=ROUND_FILES,
        audit=rules.audit.output.audit,
        clusters=rules.cluster.output.clusters,
        summary=rules.cluster.output.summary,
        sheets=rules.sheet.output.sheets,
        review=rules.review.output.sheets,
        tiles=each(rules.tile.output.patches, GRANULES),
        indices=each(rules.tile.output.index, GRANULES),
        training=rules.train.output.record,
        backbone=rules.adapt.output.record,
        preview=[rules.merge.output.preview] if LOCATED else [],
        scores=each(rules.predict.output.scores, GRANULES),
        evaluations=expand(rules.evaluate.output.document, reference=REFERENCES),
        places=expand(rules.evaluate.output.places, reference=REFERENCES),
        saliency=each(rules.saliency.output.record, LOCATED if CONFIG.saliency.enabled else []),
        responses=each(rules.saliency.output.maps, LOCATED if CONFIG.saliency.enabled else []),
    output:
        page=report(
            "<results>/report/index.html",
            caption="../workflow/report/page.rst",
            category="Report",
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    conda:
        "../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(20),
    params:
        settings=settings("report"),
        region=CONFIG.region,
        # An option without a value would take the next option for one: lists that may be empty carry their name.
        rounds=lambda wildcards, input: [f"--rounds={file}" for file in input.rounds],
        preview=lambda wildcards, input: [f"--preview={file}" for file in input.preview],
        evaluations=lambda wildcards, input: [f"--evaluations={file}" for file in input.evaluations],
        saliency=lambda wildcards, input: [f"--saliency={file}" for file in input.saliency],
        code=code("report"),
    message:
        "Writing the report"
    shell:
        "python -m rankscape report --settings {params.settings:q} --region {params.region:q} --order {input.order:q}"
        " --orders {input.orders:q} --audit {input.audit:q} {params.rounds:q} --summary {input.summary:q}"
        " --clusters {input.clusters:q} --tiles {input.tiles:q} --training {input.training:q} --backbone {input.backbone:q} {params.preview:q}"
        " {params.evaluations:q} {params.saliency:q} --scores {input.scores:q} --review {input.review:q} --out {output.page:q} > {log:q} 2>&1"
