# In: features of the patches to learn from, and labels. Out: the land category of every patch, its cluster, and a contact
# sheet of each cluster.


rule ranking_label:
    input:
        file=label_file,
        patches=expand(PATCHES, granule=FIT),
    output:
        labels="<results>/ranking/categories/labels.parquet",
    log:
        "<logs>/ranking_label.log",
    benchmark:
        "<benchmarks>/ranking_label.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        limits=label_judge("limits"),
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        settings=settings("ranking.label"),
        judge=label_judge("asked"),
        store=STORE,
        code=code("ranking label"),
    message:
        "Gathering labels of the land categories"
    shell:
        "python -m rankscape ranking label --settings {params.settings:q} --judge-settings {params.judge:q}"
        " --limits {resources.limits:q} --store {params.store:q} --patches {input.patches:q} --out {output.labels:q}"
        " > {log:q} 2>&1"


rule ranking_categorize:
    input:
        features=expand(rules.ranking_embed.output.features, granule=FIT),
        records=expand(rules.ranking_embed.output.record, granule=FIT),
        indices=expand(INDEX, granule=FIT),
        backbone=rules.ranking_adapt.output.backbone,
    output:
        categories="<results>/ranking/categories/categories.parquet",
    log:
        "<logs>/ranking_categorize.log",
    benchmark:
        "<benchmarks>/ranking_categorize.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(20),
    params:
        settings=settings("ranking.label"),
        code=code("ranking categorize"),
    message:
        "Telling the land category of every patch"
    shell:
        "python -m rankscape ranking categorize --settings {params.settings:q} --features {input.features:q}"
        " --indices {input.indices:q} --backbone {input.backbone:q} --out {output.categories:q} > {log:q} 2>&1"


rule ranking_refine:
    input:
        patches=expand(PATCHES, granule=FIT),
        features=expand(rules.ranking_embed.output.features, granule=FIT),
        categories=rules.ranking_categorize.output.categories,
        backbone=rules.ranking_adapt.output.backbone,
    output:
        features=expand("<results>/ranking/clusters/refined/{granule}.npy", granule=FIT),
        record="<results>/ranking/clusters/refined.json",
    log:
        "<logs>/ranking_refine.log",
    benchmark:
        "<benchmarks>/ranking_refine.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 8
    resources:
        gpu=0,
        mem_mb=memory(8000),
        runtime=minutes(240),
    params:
        settings=settings("ranking.refine"),
        code=code("ranking refine"),
    message:
        "Learning the looks within each land category"
    shell:
        "python -m rankscape ranking refine --settings {params.settings:q} --patches {input.patches:q} --features {input.features:q}"
        " --categories {input.categories:q} --backbone {input.backbone:q} --out {output.features:q}"
        " --record {output.record:q} --gpus {resources.gpu} --threads {threads} > {log:q} 2>&1"


rule ranking_cluster:
    input:
        features=grouped_features,
        indices=expand(INDEX, granule=FIT),
        categories=rules.ranking_categorize.output.categories,
        labels=labels_of_given,
        given=given_file,
    output:
        clusters="<results>/ranking/clusters/clusters.parquet",
        summary="<results>/ranking/clusters/clusters.json",
    log:
        "<logs>/ranking_cluster.log",
    benchmark:
        "<benchmarks>/ranking_cluster.tsv"
    conda:
        "../../envs/vision.yaml"
    threads: 8
    resources:
        mem_mb=memory(8000),
        runtime=minutes(60),
    params:
        settings=settings("ranking.cluster"),
        code=code("ranking cluster"),
    message:
        "Grouping patches by look"
    shell:
        "python -m rankscape ranking cluster --settings {params.settings:q} --features {input.features:q}"
        " --indices {input.indices:q} --categories {input.categories:q} --labels {input.labels:q} --out {output.clusters:q}"
        " --summary {output.summary:q} --threads {threads} > {log:q} 2>&1"


rule ranking_contact_sheets:
    input:
        patches=expand(PATCHES, granule=FIT),
        clusters=rules.ranking_cluster.output.clusters,
        summary=rules.ranking_cluster.output.summary,
    output:
        sheets=report(
            directory("<results>/ranking/contact-sheets"),
            patterns=["{name}.png"],
            caption="../../workflow/report/sheets.rst",
            category="Clusters",
        ),
    log:
        "<logs>/ranking_contact_sheets.log",
    benchmark:
        "<benchmarks>/ranking_contact_sheets.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        settings=settings("ranking.cluster"),
        code=code("ranking contact-sheets"),
    message:
        "Drawing a contact sheet of every cluster"
    shell:
        "python -m rankscape ranking contact-sheets --settings {params.settings:q} --patches {input.patches:q}"
        " --clusters {input.clusters:q} --summary {input.summary:q} --out {output.sheets:q} > {log:q} 2>&1"
