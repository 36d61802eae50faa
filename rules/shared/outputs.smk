# In: what the studies show of their outputs. Out: what travels with it: a data dictionary, a STAC catalogue over all
# outputs, how to cite the run, whose data it holds, and a README. Everything lies in the run's folder; nothing is copied.


add_names(study=PAGES)


# The days of scenes are read from the record that lies beside them, which is no input: what changes it changes the
# patches, and storage.drop may have removed it.
rule publish:
    input:
        **PUBLISHED,
        page=rules.report.output,
    output:
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
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        settings=settings("publish"),
        region=CONFIG.region,
        studies=CONFIG.studies,
        names=json.dumps(NAMES, sort_keys=True),
        code=[code("publish", CONFIG.publish), *map(declared_code, CONFIG.studies)],
    message:
        "Making the outputs fit to travel"
    shell:
        "python -m rankscape publish --settings {params.settings:q} --region {params.region:q}"
        " --studies {params.studies:q} --names {params.names:q} --out {output.catalogue:q} > {log:q} 2>&1"


TARGETS += [rules.publish.output.catalogue] if (MAPPED or PLACED) and not SHARD else []
