"""Places for the ridge: whole ones are drawn and held out, and patches count as an epoch would show them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.foundation.errors import SettingsError
from rankscape.studies.ranking.scoring.drawing import draw_places, even_parts, shares


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_patches_of_a_place_share_part_and_draw(seed: int, resample: bool):
    chance = np.random.default_rng(seed)
    places, levels = chance.integers(0, 12, 80), chance.integers(0, 3, 80)
    draw = draw_places(places, levels, np.ones(80), chance, resample, 1000.0)
    for place in np.unique(places):
        own = places == place
        assert len(np.unique(draw.parts[own])) == len(np.unique(draw.weights[own])) == 1
    used = draw.weights > 0
    assert draw.places == len(np.unique(places[used])) > 1
    assert draw.patches == used.sum()
    assert len(np.unique(levels[used])) > 1
    assert len(np.unique(draw.parts[used])) == min(5, draw.places)
    assert used.all() or resample


def test_as_many_places_are_drawn_as_there_are_and_seeds_differ():
    places = np.repeat(np.arange(30), 2)
    draws = [
        draw_places(places, np.arange(60) % 2, np.ones(60), np.random.default_rng(seed), True, 1.0) for seed in (0, 1)
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


def test_shares_make_levels_clusters_or_patches_count_alike():
    clusters = np.array([0] * 6 + [1] * 2 + [2] * 4)
    levels = np.array([0] * 8 + [1] * 4)
    by_level, by_cluster = shares(clusters, levels, "levels"), shares(clusters, levels, "clusters")
    assert by_level[levels == 0].sum() == pytest.approx(by_level[levels == 1].sum()) == pytest.approx(6)
    assert by_level[clusters == 0].sum() == pytest.approx(by_level[clusters == 1].sum())
    assert [by_cluster[clusters == c].sum() for c in range(3)] == pytest.approx([4, 4, 4])
    assert (shares(clusters, levels, "patches") == 1).all()


def test_one_place_cannot_be_cross_validated():
    with pytest.raises(SettingsError, match=r"train\.block_m = 500 puts all 4 patches to train on into one block"):
        draw_places(np.zeros(4), np.arange(4), np.ones(4), np.random.default_rng(0), True, 500.0)
