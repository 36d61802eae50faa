# In: everything that was made. Out: what travels with it: one table of all patches, a data dictionary, a STAC catalogue over all
# outputs, how to cite the run, whose data it holds, and a README. Everything lies in the run's folder; nothing is copied.


# The days of scenes are read from the record that lies beside them, which is no input: what changes it changes the patches,
# and storage.drop may have removed it.
rule publish:
    input:
        maps=each(rules.mosaic.output.item, LOCATED),
        rasters=each(rules.mosaic.output.raster, LOCATED),
        dense=each(rules.dense.output.item, LOCATED if CONFIG.dense.enabled else []),
        region=rules.merge.output.item,
        scores=each(rules.predict.output.scores, LOCATED),
        indices=each(rules.tile.output.index, LOCATED),
        baselines=each(rules.baseline.output.baselines, LOCATED if REFERENCES else []),
        values=lambda wildcards: expand(rules.aggregate.output.values, reference=REFERENCES, granule=LOCATED),
        evaluations=expand(rules.evaluate.output, reference=REFERENCES),
        ranking=[rules.ensemble.output.order, rules.audit.output.audit],
        clusters=[rules.cluster.output.clusters, rules.cluster.output.summary],
        model=[rules.train.output.model, rules.train.output.record, rules.train.output.card, rules.train.output.curves],
        page=rules.report.output.page,
    output:
        patches="<results>/maps/patches.parquet",
        table="<results>/maps/patches.csv.gz",
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
        "../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=settings("publish"),
        region=CONFIG.region,
        granules=LOCATED,
        # An option without a value would take the next option for one: lists that may be empty carry their name.
        apply=[f"--apply={name}" for name in LOCATED if SHEET[name].role == "apply"],
        references=[f"--references={name}" for name in REFERENCES],
        dense="--dense" if CONFIG.dense.enabled else "",
        code=code("publish"),
    message:
        "Making the outputs fit to travel"
    shell:
        "python -m rankscape publish --settings {params.settings:q} --region {params.region:q}"
        " --granules {params.granules:q} {params.apply:q} {params.references:q} {params.dense}"
        " --out {output.catalogue:q} > {log:q} 2>&1"
