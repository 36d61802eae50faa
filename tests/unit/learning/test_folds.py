"""Places for the ridge: whole ones are drawn and held out, and patches count as an epoch would show them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.foundation.errors import SettingsError
from rankscape.learning.folds import (
    checkerboard,
    even_parts,
    group_folds,
    random_folds,
    resample_places,
    stratified_folds,
    time_folds,
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_patches_of_a_place_share_part_and_draw(seed: int, resample: bool):
    chance = np.random.default_rng(seed)
    places, levels = chance.integers(0, 12, 80), chance.integers(0, 3, 80)
    draw = resample_places(places, levels, np.ones(80), chance, replace=resample, block_m=1000.0)
    for place in np.unique(places):
        own = places == place
        assert len(np.unique(draw.parts[own])) == len(np.unique(draw.weights[own])) == 1
    used = draw.weights > 0
    assert draw.places == len(np.unique(places[used])) > 1
    assert draw.samples == used.sum()
    assert len(np.unique(levels[used])) > 1
    assert len(np.unique(draw.parts[used])) == min(5, draw.places)
    assert used.all() or resample


def test_as_many_places_are_drawn_as_there_are_and_seeds_differ():
    places = np.repeat(np.arange(30), 2)
    draws = [
        resample_places(places, np.arange(60) % 2, np.ones(60), np.random.default_rng(seed), replace=True, block_m=1.0)
        for seed in (0, 1)
    ]
    assert [draw.weights.sum() for draw in draws] == [60, 60]
    assert not np.array_equal(draws[0].weights, draws[1].weights)


def test_parts_are_about_equally_large():
    sizes = np.random.default_rng(0).integers(1, 20, 50)
    part = even_parts(sizes, np.random.default_rng(1))
    filled = np.bincount(part, sizes)
    assert filled.sum() == sizes.sum()
    assert np.ptp(filled) <= sizes.min() + 1
    assert sorted(even_parts(np.ones(3), np.random.default_rng(1))) == [0, 1, 2]


def test_one_place_cannot_be_cross_validated():
    with pytest.raises(SettingsError, match=r"train\.block_m = 500 puts all 4 patches to train on into one block"):
        resample_places(np.zeros(4), np.arange(4), np.ones(4), np.random.default_rng(0), replace=True, block_m=500.0)


def test_parts_are_equally_large_and_seeded():
    parts = random_folds(23, np.random.default_rng(4))
    assert sorted(np.bincount(parts)) == [4, 4, 5, 5, 5]
    assert np.array_equal(parts, random_folds(23, np.random.default_rng(4)))


@given(st.integers(0, 1000))
def test_groups_stay_in_one_part_and_strata_are_spread_over_all(seed: int):
    chance = np.random.default_rng(seed)
    groups = np.repeat(np.arange(20), chance.integers(1, 6, 20))
    strata = (groups % 4 == 0).astype(int)
    for parts in (group_folds(groups, chance), stratified_folds(groups, strata, chance)):
        assert all(len(np.unique(parts[groups == group])) == 1 for group in range(20))
        assert set(parts) == set(range(5))
    assert all((parts[strata == 1] == part).any() for part in range(5))


def test_time_is_cut_into_parts_that_follow_each_other():
    times = np.array([2005, 2001, 2002, 2003, 2004, 2001])
    assert time_folds(times, 2).tolist() == [1, 0, 0, 0, 1, 0]
    assert time_folds(times, 9).tolist() == [4, 0, 1, 2, 3, 0]


@pytest.mark.shared
def test_published_checkerboards(shared):
    golden = json.loads((shared / "golden/embeddings/golden.json").read_text())["checkerboard"]
    lat, lon = np.array(golden["lat"]), np.array(golden["lon"])
    south, _, west, _ = golden["extent"]
    for case in golden["cases"]:
        offset = case["offset_lon"], case["offset_lat"]
        colour = checkerboard(lon, lat, case["cell_width"], (west, south), offset)
        assert np.flatnonzero(colour == 0).tolist() == case["train"]
        assert np.flatnonzero(colour == 1).tolist() == case["test"]
