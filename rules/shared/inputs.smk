"""Input functions and params of the shared rules."""


def by_acquisition(value):
    """What a function says of an acquisition, for each."""
    return by("acquisition", {name: value(acquisition) for name, acquisition in CONFIG.acquisitions.items()})


def local_file(href):
    """A path that jobs can wait for, or nothing where `href` is an address."""
    return [] if "://" in href else [href]


def window(wildcards):
    """Place, dates and cloud limit of a row, and nothing else of it."""
    return GRANULE_TABLE[wildcards.granule].window().canonical()


def catalogue_file(wildcards):
    """The catalogues, where they are files that a rule may make."""
    static = [source.href for source in CONFIG.search.catalogues() if source.kind == "static"]
    return [file for href in static for file in local_file(href)]


def tile_source(wildcards):
    """The composed scene, or the folder that the granule's row names.

    A folder of images is `ancient`: its time knows nothing of its subfolders, and the listing says what counts.
    """
    row = GRANULE_TABLE[wildcards.granule]
    other = CONFIG.acquisitions[wildcards.acquisition].beside
    if row.local:
        files = list(map(str, raster_files(row.raster))) if row.raster else row.tiles
        places = [row.places] if row.places else []
        return {"source": ancient(row.images) if row.images else files, "quality": [], "beside": [], "places": places}
    return {
        "places": [],
        "source": rules.compose.output.scene,
        "quality": [rules.compose.output.quality],
        "beside": [acquired(rules.compose.output.scene, other)] if other else [],
    }


def page_files(wildcards):
    """The files that the sections of all pages declare to read."""
    found = [path for name in PAGES for path in files_read(find_study(name), PAGE_NAMES.get(name, {}))]
    return [f"results/{CONFIG.region}/{path}" for path in dict.fromkeys(found)]


def declared_code(study):
    """Hash of the declarations of a study's files."""
    declared = find_study(study).artifacts
    return code_version(declared, ROOT / "workflow", NOTES) if declared else ""
