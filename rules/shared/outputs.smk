# In: everything that was made. Out: what travels with it: one table of all patches, a data dictionary, a STAC catalogue over all
# outputs, how to cite the run, whose data it holds, and a README. Everything lies in the run's folder; nothing is copied.


# The days of scenes are read from the record that lies beside them, which is no input: what changes it changes the patches,
# and storage.drop may have removed it.
rule publish:
    input:
        maps=each(rules.ranking_rasterize.output.item, MAPPED),
        rasters=each(rules.ranking_rasterize.output.raster, MAPPED),
        dense=each(rules.ranking_dense.output.item, MAPPED if RANKING.dense.enabled else []),
        region=rules.ranking_mosaic.output.item,
        scores=each(rules.ranking_predict.output.scores, MAPPED),
        indices=each(INDEX, MAPPED),
        baselines=each(STATISTICS, MAPPED if REFERENCES else []),
        values=lambda wildcards: expand(VALUES, reference=REFERENCES, granule=MAPPED),
        evaluations=expand(rules.ranking_evaluate.output, reference=REFERENCES),
        rivals=lambda wildcards: expand(
            rules.ranking_predict_baseline.output.scores, baseline=BASELINES, granule=MAPPED
        ),
        districts=expand(rules.ranking_district.output, districts=DISTRICTS),
        changes=expand(rules.ranking_change.output, change=CHANGES),
        regressions=expand(rules.ranking_regress.output, regression=list(RANKING.regressions)),
        ranking=[rules.ranking_ensemble.output.order, rules.ranking_audit.output.audit],
        clusters=[rules.ranking_cluster.output.clusters, rules.ranking_cluster.output.summary],
        model=[
            rules.ranking_train.output.model,
            rules.ranking_train.output.record,
            rules.ranking_train.output.card,
            rules.ranking_train.output.curves,
        ],
        page=rules.report.output.page,
    output:
        patches="<results>/ranking/maps/patches.parquet",
        table="<results>/ranking/maps/patches.csv.gz",
        dictionary="<results>/data-dictionary.csv",
        dictionary_page="<results>/data-dictionary.md",
        readme="<results>/README.txt",
        citation="<results>/CITATION.cff",
        notice="<results>/NOTICE.txt",
        catalogue="<results>/catalog.json",
        collection="<results>/catalog/collection.json",
        catalogue_items=directory("<results>/catalog/items"),
    log:
        "<logs>/publish.log",
    benchmark:
        "<benchmarks>/publish.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=settings("publish"),
        region=CONFIG.region,
        granules=MAPPED,
        apply=[name for name in MAPPED if SHEET[name].role == "apply"],
        references=REFERENCES,
        baselines=BASELINES,
        districts=DISTRICTS,
        changes=CHANGES,
        regressions=list(RANKING.regressions),
        dense=RANKING.dense.enabled,
        code=code("publish", CONFIG.publish),
    message:
        "Making the outputs fit to travel"
    shell:
        "python -m rankscape publish --settings {params.settings:q} --region {params.region:q}"
        " --granules {params.granules:q} --apply {params.apply:q} --references {params.references:q} --baselines {params.baselines:q}"
        " --districts {params.districts:q} --changes {params.changes:q} --regressions {params.regressions:q} --dense={params.dense}"
        " --out {output.catalogue:q} > {log:q} 2>&1"


TARGETS += [rules.publish.output.catalogue] if MAPPED and not SHARD else []
