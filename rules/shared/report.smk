# In: everything that was made. Out: one page that opens from disk.

# Patches of all that clusters are made of are shown, and of nothing else that is not current.
SHOWN = list(dict.fromkeys([*CURRENT, *FIT]))
IMAGED = [name for name in MAPPED if SHEET[name].local is None]


rule report:
    input:
        order=rules.ranking_ensemble.output.order,
        orders=ORDERS,
        rounds=ROUND_FILES,
        audit=rules.ranking_audit.output.audit,
        clusters=rules.ranking_cluster.output.clusters,
        summary=rules.ranking_cluster.output.summary,
        sheets=rules.ranking_contact_sheets.output.sheets,
        review=rules.ranking_inspection_sheets.output.sheets,
        tiles=each(PATCHES, SHOWN),
        indices=each(INDEX, SHOWN),
        training=rules.ranking_train.output.record,
        backbone=rules.ranking_adapt.output.record,
        preview=[rules.ranking_mosaic.output.preview] if LOCATED else [],
        scores=each(rules.ranking_predict.output.scores, CURRENT),
        evaluations=expand(rules.ranking_evaluate.output.document, reference=REFERENCES),
        places=expand(rules.ranking_evaluate.output.places, reference=REFERENCES),
        saliency=each(rules.ranking_saliency.output.record, EXPLAINED),
        responses=each(rules.ranking_saliency.output.maps, EXPLAINED),
        districts=expand(rules.ranking_district.output, districts=DISTRICTS),
        changes=expand(rules.ranking_change.output, change=CHANGES),
        regressions=expand(rules.ranking_regress.output.document, regression=list(RANKING.regressions)),
    output:
        page=report(
            "<results>/report/index.html",
            caption="../../workflow/report/page.rst",
            category="Report",
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(20),
    params:
        settings=settings("report"),
        region=CONFIG.region,
        districts=expand(rules.ranking_district.output.document, districts=DISTRICTS),
        change=expand(rules.ranking_change.output.document, change=CHANGES),
        # Read for the dates where they lie; no input, since they may be dropped, and a change of them reaches the page anyway.
        scenes=expand(acquired(rules.fetch.output.download, ACQUISITION), granule=IMAGED),
        code=code("report"),
    message:
        "Writing the report"
    shell:
        "python -m rankscape report --settings {params.settings:q} --region {params.region:q} --order {input.order:q}"
        " --orders {input.orders:q} --audit {input.audit:q} --rounds {input.rounds:q} --summary {input.summary:q}"
        " --clusters {input.clusters:q} --tiles {input.tiles:q} --training {input.training:q} --backbone {input.backbone:q} --preview {input.preview:q}"
        " --evaluations {input.evaluations:q} --saliency {input.saliency:q} --districts {params.districts:q} --change {params.change:q} --regressions {input.regressions:q} --scenes {params.scenes:q} --scores {input.scores:q} --review {input.review:q} --out {output.page:q} > {log:q} 2>&1"


TARGETS += [] if SHARD else [rules.report.output.page]
