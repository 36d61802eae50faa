# For regions of thousands of granules: which of them a run plans, and which large files are dropped. No rule stands here.

SHARD = parse_shard(CONFIG.shard)
JOINING = CONFIG.shard == "join"


# Where shards are joined, what belongs to one granule is taken as it lies: no rule makes it, and no plan looks behind it.
wildcard_constraints:
    granule=r"(?!)" if JOINING else GRANULE_PATTERN,


def own(granules):
    """Those of the granules that this run brings to their maps."""
    mine = set(GRANULES if SHARD is None else SHARD.part(GRANULES))
    return [name for name in granules if name in mine]


def each(pattern, granules):
    """A file of each granule, as an input function.

    Of a list with a name Snakemake takes the hash once for every file in it, which for 10,000 granules is most of a plan.
    """
    return lambda wildcards: expand(pattern, granule=granules, **wildcards)


def dropped(kind, path):
    """A path that is removed once nothing planned needs it, where the configuration says so."""
    return temp(path) if kind in CONFIG.storage.drop else path
