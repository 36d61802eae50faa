# In: a granule's row of the granule table, and a catalogue. Out: for each acquisition one analysis-ready image of the
# granule on its own grid.

ASSETS = f"results/{CONFIG.region}/scenes/assets"  # as delivered, once for all acquisitions


rule search:
    input:
        catalogue=catalogue_file,
    output:
        candidates="<results>/scenes/{acquisition}/{granule}/candidates.json",
    log:
        "<logs>/search/{acquisition}/{granule}.log",
    benchmark:
        "<benchmarks>/search/{acquisition}/{granule}.tsv"
    retries: 2
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(20),
    params:
        settings=settings("search"),
        window=window,
        acquisition=by_acquisition(lambda acquisition: acquisition.sought().canonical()),
        code=by_acquisition(lambda acquisition: code("search", acquisition)),
    message:
        "Searching scenes of granule {wildcards.granule}"
    shell:
        "python -m rankscape search --settings {params.settings:q} --window {params.window:q}"
        " --acquisition {params.acquisition:q} --out {output.candidates:q} > {log:q} 2>&1"


# The assets themselves are no declared outputs: Snakemake removes those before a job starts, and a download that was
# cut off could not go on. download.json names every asset with size and hash, and compose checks them.
rule fetch:
    input:
        candidates=rules.search.output.candidates,
    output:
        download=dropped("assets", "<results>/scenes/{acquisition}/{granule}/download.json"),
    log:
        "<logs>/fetch/{acquisition}/{granule}.log",
    benchmark:
        "<benchmarks>/fetch/{acquisition}/{granule}.tsv"
    retries: 2
    conda:
        "../../envs/geo.yaml"
    threads: 2
    resources:
        mem_mb=memory(1500),
        runtime=minutes(60),
    params:
        settings=by_acquisition(lambda acquisition: acquisition.fetched().canonical()),
        assets=ASSETS,
        code=by_acquisition(lambda acquisition: code("fetch", acquisition)),
    message:
        "Fetching scenes of granule {wildcards.granule}"
    shell:
        "python -m rankscape fetch --settings {params.settings:q} --candidates {input.candidates:q}"
        " --assets {params.assets:q} --out {output.download:q} --threads {threads} > {log:q} 2>&1"


rule compose:
    input:
        download=rules.fetch.output.download,
    output:
        scene=dropped("scenes", "<results>/scenes/{acquisition}/{granule}/scene.tif"),
        quality=dropped("scenes", "<results>/scenes/{acquisition}/{granule}/quality.tif"),
    log:
        "<logs>/compose/{acquisition}/{granule}.log",
    benchmark:
        "<benchmarks>/compose/{acquisition}/{granule}.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        drop="--drop-assets" if "assets" in CONFIG.storage.drop else "",
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=by_acquisition(lambda acquisition: acquisition.composed().canonical()),
        assets=ASSETS,
        code=by_acquisition(lambda acquisition: code("compose", acquisition)),
    message:
        "Composing granule {wildcards.granule}"
    shell:
        "python -m rankscape compose --settings {params.settings:q} --download {input.download:q}"
        " --assets {params.assets:q} --scene {output.scene:q} --quality {output.quality:q} {resources.drop} > {log:q} 2>&1"
