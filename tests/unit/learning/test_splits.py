"""Training and validation share no place, no footprint and no image."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.foundation.errors import SettingsError
from rankscape.foundation.tables import read_table
from rankscape.learning.labels import select_labelled
from rankscape.learning.selection import Selection
from rankscape.learning.splits import (
    Split,
    choose_blocks,
    choose_images,
    overlaps,
    split_by_block,
    split_by_few_blocks,
    split_by_group,
    split_by_time,
)
from rankscape.learning.targets import TargetTable
from rankscape.samples.patches import NOWHERE, open_patches
from rankscape.samples.places import block_of
from shapely.geometry import box


def halves(samples: Selection, block_m: float, fraction: float, generator: np.random.Generator) -> Split:
    strata = {"levels": samples.targets["level"], "clusters": samples.targets["cluster"]}
    return split_by_block(samples, block_m, fraction, generator, strata, "train")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), block_m=st.floats(150, 450), fraction=st.floats(0.1, 0.5))
def test_laws_of_the_split(invented: Callable[[int], Selection], seed: int, block_m: float, fraction: float):
    samples = invented(seed)
    split = halves(samples, block_m, fraction, np.random.default_rng(seed))
    training, validation = samples.take(split.training), samples.take(split.validation)
    blocks = samples.places(block_m)
    assert not set(blocks[split.training]) & set(blocks[split.validation])
    assert not set(training.digests()) & set(validation.digests())
    ours, theirs = training.footprints(), validation.footprints()
    assert max(ours.intersection(one).area.max() for one in theirs) < 20
    assert len(training) + len(validation) + split.overlapping + split.identical == len(samples)
    assert set(np.unique(training.targets["cluster"])) == {0, 1, 2, 3}


def test_the_split_is_seeded(invented: Callable[[int], Selection]):
    samples = invented(1)
    first, again, other = (halves(samples, 200, 0.2, np.random.default_rng(s)) for s in (5, 5, 6))
    assert (first.validation == again.validation).all()
    assert not np.array_equal(first.validation, other.validation)


def test_patches_of_the_other_granule_that_overlap_a_held_out_one_are_dropped(invented: Callable[[int], Selection]):
    splits = [halves(invented(2), 200, 0.3, np.random.default_rng(seed)) for seed in range(5)]
    assert sum(split.overlapping for split in splits) > 0
    assert all(split.training_groups > 1 and split.validation_groups > 1 for split in splits)


def test_the_held_out_share_is_near_the_one_asked_for():
    blocks = np.repeat(np.arange(50), 20)
    levels = np.tile(np.arange(4), 250)
    held = choose_blocks(blocks, [levels], 100, 0.2, np.random.default_rng(0))
    assert len(held) == 10


def test_a_cluster_in_one_block_stays_on_the_training_side():
    blocks = np.repeat(np.arange(6), 10)
    clusters = np.where(blocks == 3, 1, 0)
    for seed in range(6):
        held = choose_blocks(blocks, [clusters], 100, 0.3, np.random.default_rng(seed))
        assert 3 not in held


def test_every_level_is_on_both_sides_where_that_can_be():
    blocks = np.repeat(np.arange(12), 10)
    levels = np.where(np.isin(blocks, [2, 9]), 1, 0)
    for seed in range(6):
        held = choose_blocks(blocks, [levels], 100, 0.2, np.random.default_rng(seed))
        assert len({2, 9} & set(held.tolist())) == 1


def test_one_block_cannot_be_split():
    with pytest.raises(SettingsError, match=r"block_m = 20000 puts all 9 patches into one block.*lower train.block_m"):
        choose_blocks(np.zeros(9, int), [np.arange(9)], 20_000, 0.2, np.random.default_rng(0))


def test_too_little_to_train_on_is_an_error(invented: Callable[[int], Selection]):
    samples = invented(3)
    samples.stores[0].array[:] = 1
    samples.stores[1].array[:] = 1
    with pytest.raises(SettingsError, match="fewer than two levels"):
        halves(samples, 200, 0.2, np.random.default_rng(0))


def without_places(samples: Selection, stores: tuple[int, ...]) -> Selection:
    """The samples with some of its stores as images without coordinates."""
    changed = [
        replace(store, index=store.index.set_crs(NOWHERE, allow_override=True)) if number in stores else store
        for number, store in enumerate(samples.stores)
    ]
    return replace(samples, stores=tuple(changed))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), fraction=st.floats(0.1, 0.5))
def test_images_are_split_by_cluster_and_twins_stay_together(
    invented: Callable[[int], Selection], seed: int, fraction: float
):
    samples = without_places(invented(seed), (0, 1))
    split = halves(samples, 200, fraction, np.random.default_rng(seed))
    digests = samples.digests()
    assert not set(digests[split.training]) & set(digests[split.validation])
    assert (split.overlapping, split.identical, split.places) == (0, 0, "images")
    assert len(split.training) + len(split.validation) == len(samples)
    assert split.training_groups + split.validation_groups == len(set(digests))
    for cluster in range(4):
        own = samples.targets["cluster"] == cluster
        assert samples.targets["cluster"][split.validation].tolist().count(cluster) > 0
        assert samples.targets["cluster"][split.training].tolist().count(cluster) >= own.sum() * (1 - fraction) / 3


def test_images_beside_land_are_held_out_each_by_its_rule(invented: Callable[[int], Selection]):
    samples = without_places(invented(4), (1,))
    split = halves(samples, 200, 0.25, np.random.default_rng(0))
    assert split.places == "blocks and images"
    for number in (0, 1):
        assert (samples.store[split.training] == number).any()
        assert (samples.store[split.validation] == number).any()
    assert samples.footprints()[samples.store == 1].is_empty.all()
    assert split.overlapping == 0


def test_a_share_of_every_cluster_is_held_out_and_a_single_image_is_not():
    images = -np.arange(1, 52)
    clusters = np.repeat([0, 1, 2, 3], [20, 20, 10, 1])
    held = choose_images(images, clusters, 0.2, np.random.default_rng(0))
    assert np.bincount(clusters[np.isin(images, held)], minlength=4).tolist() == [4, 4, 2, 0]
    assert len(choose_images(images, clusters, 0.01, np.random.default_rng(0))) == 3


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


@given(seed=st.integers(0, 1000), fraction=st.floats(0.2, 0.6))
def test_groups_stay_whole_and_single_samples_make_a_random_split(seed: int, fraction: float):
    chance = np.random.default_rng(seed)
    groups = chance.integers(0, 9, 60)
    for kinds in (groups, np.arange(60)):
        split = split_by_group(kinds, fraction, np.random.default_rng(seed))
        assert not set(kinds[split.training]) & set(kinds[split.validation])
        assert sorted([*split.training, *split.validation]) == list(range(60))
        assert split.validation_groups == round(np.ceil(fraction * len(np.unique(kinds))))


def test_the_latest_times_are_held_out():
    times = np.array([2001, 2003, 2001, 2002, 2004, 2004])
    split = split_by_time(times, 0.4)
    assert times[split.validation].tolist() == [2004, 2004]
    assert (split.training_groups, split.validation_groups) == (3, 1)
    assert len(split_by_time(times, 0.99).training) == 2


@pytest.fixture
def labelled(land):
    stores = [open_patches(path) for path in land.tiles]
    return select_labelled(stores, read_table(land.labels), ("town", "field"), "labels")


def draw(labelled, fraction=0.2, block_m=200.0, seed=0):
    return split_by_few_blocks(labelled, block_m, fraction, np.random.default_rng(seed))


def test_blocks_are_held_out_whole(labelled):
    split = draw(labelled)
    assert split.reason is None
    assert 0.2 * len(labelled) <= len(split.validation) <= 0.4 * len(labelled)
    block = labelled.places(200.0)
    assert not set(block[split.training]) & set(block[split.validation])
    assert split.validation_groups == len(set(block[split.validation]))
    np.testing.assert_array_equal(split.validation, draw(labelled).validation)


def test_nothing_is_held_out_where_there_is_too_little(labelled):
    assert draw(labelled, fraction=0).reason == "held_out_fraction is 0"
    assert "labels; 100 are needed" in draw(labelled.take(np.arange(99))).reason
    assert "2 blocks of" in draw(labelled, block_m=3_000).reason
    assert "no choice of blocks" in draw(labelled, fraction=0.05, block_m=900).reason
    assert len(draw(labelled, fraction=0).training) == len(labelled)


def test_a_category_is_never_held_out_whole(labelled):
    block = labelled.places(200.0)
    held = np.isin(np.arange(len(labelled)), draw(labelled).validation)
    only_there = np.where(held[:, None], [[0.0, 1.0]], [[1.0, 0.0]])
    lopsided = labelled.with_targets(TargetTable.of({"town": only_there[:, 0], "field": only_there[:, 1]}))
    assert len(block) == len(lopsided)
    assert "a category stands only in the blocks" in draw(lopsided).reason
