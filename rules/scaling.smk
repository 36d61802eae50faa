# For regions of thousands of granules: which of them a run plans, and which large files are dropped. No rule stands here.

SHARD = parse_shard(CONFIG.shard)
JOINING = CONFIG.shard == "join"


# Where shards are joined, what belongs to one granule is taken as it lies: no rule makes it, and no plan looks behind it.
wildcard_constraints:
    granule=r"(?!)" if JOINING else GRANULE_PATTERN,


def own(granules):
    """Those of the granules that this run brings to their maps."""
    return granules if SHARD is None else [name for name in SHARD.part(GRANULES) if name in set(granules)]


def dropped(kind, path):
    """A path that is removed once nothing planned needs it, where the configuration says so."""
    return temp(path) if kind in CONFIG.storage.drop else path
