# What districts and changes are made of. No rule stands here.


def polygon_files(wildcards):
    """The file of polygons, and what lies beside a shapefile."""
    return list(map(str, CONFIG.districts[wildcards.districts].files()))


def population_file(wildcards):
    """The population raster, where land is weighted by people."""
    population = CONFIG.districts[wildcards.districts].population
    return [] if population is None else population.path


def dates(pattern, side):
    """A file of the earlier (0) or later (1) row of each place that a change compares, as an input function."""
    return lambda wildcards: expand(pattern, granule=[rows[side] for rows in DATES[wildcards.change]])
