"""Training and validation share no place, no footprint and no picture."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.foundation.errors import SettingsError
from rankscape.samples.patches import NOWHERE, open_patches
from rankscape.samples.places import block_of
from rankscape.studies.ranking.scoring.pool import Pool
from rankscape.studies.ranking.scoring.splitting import choose_blocks, choose_pictures, overlaps, split_by_place
from shapely.geometry import box


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), block_m=st.floats(150, 450), fraction=st.floats(0.1, 0.5))
def test_laws_of_the_split(invent_pool: Callable[[int], Pool], seed: int, block_m: float, fraction: float):
    pool = invent_pool(seed)
    split = split_by_place(pool, block_m, fraction, np.random.default_rng(seed))
    training, validation = pool.take(split.training), pool.take(split.validation)
    blocks = pool.places(block_m)
    assert not set(blocks[split.training]) & set(blocks[split.validation])
    assert not set(training.digests()) & set(validation.digests())
    ours, theirs = training.footprints(), validation.footprints()
    assert max(ours.intersection(one).area.max() for one in theirs) < 20
    assert len(training) + len(validation) + split.overlapping + split.identical == len(pool)
    assert set(np.unique(training.cluster)) == {0, 1, 2, 3}


def test_the_split_is_seeded(invent_pool: Callable[[int], Pool]):
    pool = invent_pool(1)
    first, again, other = (split_by_place(pool, 200, 0.2, np.random.default_rng(s)) for s in (5, 5, 6))
    assert (first.validation == again.validation).all()
    assert not np.array_equal(first.validation, other.validation)


def test_patches_of_the_other_granule_that_overlap_a_held_out_one_are_dropped(invent_pool: Callable[[int], Pool]):
    splits = [split_by_place(invent_pool(2), 200, 0.3, np.random.default_rng(seed)) for seed in range(5)]
    assert sum(split.overlapping for split in splits) > 0
    assert all(split.training_blocks > 1 and split.validation_blocks > 1 for split in splits)


def test_the_held_out_share_is_near_the_one_asked_for():
    blocks = np.repeat(np.arange(50), 20)
    levels = np.tile(np.arange(4), 250)
    held = choose_blocks(blocks, levels, levels, 100, 0.2, np.random.default_rng(0))
    assert len(held) == 10


def test_a_cluster_in_one_block_stays_on_the_training_side():
    blocks = np.repeat(np.arange(6), 10)
    clusters = np.where(blocks == 3, 1, 0)
    for seed in range(6):
        held = choose_blocks(blocks, clusters, clusters, 100, 0.3, np.random.default_rng(seed))
        assert 3 not in held


def test_every_level_is_on_both_sides_where_that_can_be():
    blocks = np.repeat(np.arange(12), 10)
    levels = np.where(np.isin(blocks, [2, 9]), 1, 0)
    for seed in range(6):
        held = choose_blocks(blocks, levels, levels, 100, 0.2, np.random.default_rng(seed))
        assert len({2, 9} & set(held.tolist())) == 1


def test_one_block_cannot_be_split():
    with pytest.raises(SettingsError, match=r"block_m = 20000 puts all 9 patches into one block.*lower train.block_m"):
        choose_blocks(np.zeros(9, int), np.arange(9), np.arange(9), 20_000, 0.2, np.random.default_rng(0))


def test_too_little_to_train_on_is_an_error(invent_pool: Callable[[int], Pool]):
    pool = invent_pool(3)
    pool.stores[0].array[:] = 1
    pool.stores[1].array[:] = 1
    with pytest.raises(SettingsError, match="fewer than two levels"):
        split_by_place(pool, 200, 0.2, np.random.default_rng(0))


def without_places(pool: Pool, stores: tuple[int, ...]) -> Pool:
    """The pool with some of its stores as pictures without coordinates."""
    changed = [
        replace(store, index=store.index.set_crs(NOWHERE, allow_override=True)) if number in stores else store
        for number, store in enumerate(pool.stores)
    ]
    return replace(pool, stores=tuple(changed))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), fraction=st.floats(0.1, 0.5))
def test_pictures_are_split_by_cluster_and_twins_stay_together(
    invent_pool: Callable[[int], Pool], seed: int, fraction: float
):
    pool = without_places(invent_pool(seed), (0, 1))
    split = split_by_place(pool, 200, fraction, np.random.default_rng(seed))
    digests = pool.digests()
    assert not set(digests[split.training]) & set(digests[split.validation])
    assert (split.overlapping, split.identical, split.places) == (0, 0, "pictures")
    assert len(split.training) + len(split.validation) == len(pool)
    assert split.training_blocks + split.validation_blocks == len(set(digests))
    for cluster in range(4):
        own = pool.cluster == cluster
        assert pool.cluster[split.validation].tolist().count(cluster) > 0
        assert pool.cluster[split.training].tolist().count(cluster) >= own.sum() * (1 - fraction) / 3


def test_pictures_beside_land_are_held_out_each_by_its_rule(invent_pool: Callable[[int], Pool]):
    pool = without_places(invent_pool(4), (1,))
    split = split_by_place(pool, 200, 0.25, np.random.default_rng(0))
    assert split.places == "blocks of land and pictures"
    for number in (0, 1):
        assert (pool.store[split.training] == number).any()
        assert (pool.store[split.validation] == number).any()
    assert pool.footprints()[pool.store == 1].is_empty.all()
    assert split.overlapping == 0


def test_a_share_of_every_cluster_is_held_out_and_a_single_picture_is_not():
    pictures = -np.arange(1, 52)
    clusters = np.repeat([0, 1, 2, 3], [20, 20, 10, 1])
    held = choose_pictures(pictures, clusters, 0.2, np.random.default_rng(0))
    assert np.bincount(clusters[np.isin(pictures, held)], minlength=4).tolist() == [4, 4, 2, 0]
    assert len(choose_pictures(pictures, clusters, 0.01, np.random.default_rng(0))) == 3


def test_touching_is_no_overlap():
    squares = gpd.GeoSeries([box(0, 0, 1, 1), box(1, 0, 2, 1), box(1.5, 0, 2.5, 1), box(9, 9, 10, 10)])
    assert overlaps(squares, gpd.GeoSeries([box(2, 0, 3, 1)])).tolist() == [False, False, True, False]
    assert overlaps(squares.iloc[:0], squares).tolist() == []


def test_two_dates_of_one_place_stay_on_one_side(patch_store: Callable[..., Path]):
    pixels = np.random.default_rng(3).integers(1, 255, (2, 64, 64, 3), dtype=np.uint8)
    stores = [open_patches(patch_store(name, pixels=one)) for name, one in zip(("now", "then"), pixels, strict=True)]
    now, then = block_of([store.index for store in stores], 160.0)
    np.testing.assert_array_equal(now, then)
    assert len(np.unique(now)) > 4
