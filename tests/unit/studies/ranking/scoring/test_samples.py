"""Clustered patches of several granules, read when they are needed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rankscape.foundation.errors import OrderError, RasterError, TableError
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_table
from rankscape.samples.patches import open_patches
from rankscape.studies.ranking.scoring.samples import clusters_of, levels_of, limited, open_ranked, targets_of
from rankscape.studies.ranking.scoring.score_targets import Targets, cluster_targets


@pytest.fixture
def targets(world) -> Targets:
    return cluster_targets(read_json(world.order), read_json(world.summary), "levels", "order.json")


@pytest.fixture
def table(world) -> pd.DataFrame:
    return read_table(world.clusters)


def test_a_pool_holds_the_clustered_patches_with_their_targets(world, targets: Targets, table: pd.DataFrame):
    pool = open_ranked(world.tiles, table, targets)
    assert len(pool) == len(table) == 126
    assert targets_of(pool).tolist() == pytest.approx([targets.target[c] for c in clusters_of(pool)])
    assert levels_of(pool).tolist() == [targets.level[c] for c in clusters_of(pool)]
    assert 5 not in pool.position[pool.store == 0]


def test_pixels_come_in_the_order_asked_for_from_either_granule(world, targets: Targets, table: pd.DataFrame):
    pool = open_ranked(world.tiles, table, targets)
    chosen = np.array([100, 3, 70])
    arrays = [open_patches(path).array for path in world.tiles]
    expected = [arrays[pool.store[c]][pool.position[c]] for c in chosen]
    assert np.array_equal(pool.pixels(chosen), expected)


def test_neither_the_order_of_the_files_nor_that_of_the_rows_matters(world, targets: Targets, table: pd.DataFrame):
    first = open_ranked(world.tiles, table, targets)
    second = open_ranked(world.tiles[::-1], table.sample(frac=1, random_state=1), targets)
    for name in ("store", "position"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert np.array_equal(first.targets.values, second.targets.values)
    assert np.array_equal(first.pixels(np.arange(126)), second.pixels(np.arange(126)))


def test_a_limit_draws_from_each_cluster_with_the_seed(world, targets: Targets, table: pd.DataFrame):
    pool = open_ranked(world.tiles, table, targets)
    few, again = (limited(pool, 7, np.random.default_rng(2)) for _ in range(2))
    assert np.bincount(clusters_of(few)).tolist() == [7] * 5
    assert np.array_equal(few.position, again.position)
    assert limited(pool, None, np.random.default_rng(2)) is pool


def test_a_cluster_of_the_order_without_patches_is_named(world, targets: Targets, table: pd.DataFrame):
    with pytest.raises(OrderError, match=r"ranks the clusters \[3\], which have no patches"):
        open_ranked(world.tiles, table[table.cluster != 3], targets)


def test_a_cluster_that_the_order_does_not_rank_is_named(world, targets: Targets, table: pd.DataFrame):
    with pytest.raises(OrderError, match=r"clusters \[9\], which the order does not rank"):
        open_ranked(world.tiles, table.replace({"cluster": {3: 9}}).pipe(_with_one, 3), targets)


def _with_one(table: pd.DataFrame, cluster: int) -> pd.DataFrame:
    return table.assign(cluster=[cluster, *table.cluster[1:]])


def test_tiles_of_a_clustered_granule_must_not_be_missing_or_doubled(world, targets: Targets, table: pd.DataFrame):
    with pytest.raises(TableError, match=r"63 patches that no granule given has, such as 03TVG_0_0"):
        open_ranked(world.tiles[:1], table, targets)
    with pytest.raises(TableError, match=r"\['03TVF'\] are given twice"):
        open_ranked([*world.tiles, world.tiles[0]], table, targets)


@pytest.mark.parametrize(
    ("side", "bands", "dtype", "said"),
    [
        (16, ("B04", "B03", "B02", "B08"), np.uint8, "of ..B04., .B03., .B02., .B08.., those of 03TVF"),
        (16, ("B04", "B03", "B02"), np.float32, "are float32 of .*, those of 03TVF uint8"),
        (8, ("B04", "B03", "B02"), np.uint8, "are 8 px wide, those of 03TVF 16 px"),
    ],
)
def test_granules_of_another_kind_are_refused(
    world, targets, table, patch_store: Callable[..., Path], side: int, bands: tuple[str, ...], dtype: type, said: str
):
    other = patch_store("03TVH", pixels=np.ones((32, 32, len(bands)), dtype), patch_px=side, bands=bands)
    with pytest.raises(RasterError, match=said):
        open_ranked([*world.tiles, other], table, targets)
