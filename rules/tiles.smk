# In: an image, or a folder of web-mercator tiles or of pictures. Out: one mappable array of patches a granule, and their index.

from rankscape.clusters.folders import check_cluster_folders
from rankscape.tiles.listing import fingerprint_of, list_pictures


def tile_source(wildcards):
    """The composed scene, or the folder that the granule's row names.

    A folder of pictures is `ancient`: its time knows nothing of its subfolders, and `listing` says what counts.
    """
    row = SHEET[wildcards.granule]
    if row.folder:
        return {"source": row.folder, "quality": []}
    if row.pictures:
        return {"source": ancient(row.pictures), "quality": []}
    return {
        "source": rules.compose.output.scene,
        "quality": [rules.compose.output.quality],
    }


def pictures_option(wildcards):
    """Says that the source is a folder of pictures without coordinates."""
    return [] if SHEET[wildcards.granule].located else ["--pictures"]


def listed_pictures():
    """Hash of the names and sizes of each folder's pictures."""
    found = {}
    for name, row in SHEET.items():
        if row.pictures:
            folder = Path(row.pictures)
            found[name] = fingerprint_of(folder, list_pictures(folder))
            if row.role == "fit" and CONFIG.cluster.given == "folders":
                check_cluster_folders(folder)
    return found


try:
    PICTURES = listed_pictures()
except InputError as error:
    raise WorkflowError(str(error)) from None


rule tile:
    input:
        unpack(tile_source),
    output:
        patches="<results>/tiles/{granule}.npy",
        index="<results>/tiles/{granule}.parquet",
    log:
        "<logs>/tile/{granule}.log",
    benchmark:
        "<benchmarks>/tile/{granule}.tsv"
    conda:
        "../envs/geo.yaml"
    threads: 1
    resources:
        mpi="mpiexec",
        tasks=2,
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        settings=settings("tile"),
        # An option without a value would take the next option for one: what may be missing carries its name.
        quality=lambda wildcards, input: [f"--quality={file}" for file in input.quality],
        pictures=pictures_option,
        listing=lambda wildcards: PICTURES.get(wildcards.granule, ""),
        code=code("tile"),
    message:
        "Cutting granule {wildcards.granule} into patches"
    shell:
        "{resources.mpi} -n {resources.tasks} python -m rankscape tile --mpi --ranks {resources.tasks}"
        " --settings {params.settings:q} --source {input.source:q} {params.quality} {input.quality:q}"
        " {params.pictures} --granule {wildcards.granule:q} --out {output.patches:q} > {log:q} 2>&1"
