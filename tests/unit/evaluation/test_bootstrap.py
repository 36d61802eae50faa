"""The spatial block bootstrap: exact draws, seeds, and intervals that cover correlated land."""

import numpy as np
import pytest
from rankscape.evaluation.bootstrap import bootstrap_correlations, percentile_interval
from rankscape.evaluation.correlation import pearson, spearman


def field(generator, blocks, per_block, likeness):
    """Places in blocks; `likeness` is the share of the variance that the places of a block have in common."""
    shared = np.repeat(generator.normal(size=blocks), per_block)
    return np.sqrt(likeness) * shared + np.sqrt(1 - likeness) * generator.normal(size=blocks * per_block)


def test_every_draw_is_the_correlation_of_the_blocks_drawn():
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 9, 60).astype(float), generator.normal(size=60)
    blocks = np.repeat([7, 3, 900, -4, 5, 11], 10)
    draws = bootstrap_correlations(np.stack([x, -x]), y, blocks, draws=300, seed=4)
    counts = np.concatenate(
        [np.random.default_rng([4, 6]).multinomial(6, np.full(6, 1 / 6), size=256)]
    )  # the first chunk of draws, over blocks in ascending order
    order = {block: place for place, block in enumerate(sorted(set(blocks)))}
    for place in (0, 17, 255):
        times = [counts[place][order[block]] for block in blocks]
        assert draws.pearson[place, 0] == pytest.approx(pearson(np.repeat(x, times), np.repeat(y, times)), abs=1e-12)
        assert draws.spearman[place, 0] == pytest.approx(spearman(np.repeat(x, times), np.repeat(y, times)), abs=1e-12)
    np.testing.assert_allclose(draws.spearman[:, 1], -draws.spearman[:, 0], atol=1e-12)
    assert draws.pearson.shape == (300, 2)


def test_the_seed_decides():
    generator = np.random.default_rng(1)
    x, y, blocks = generator.normal(size=(1, 50)), generator.normal(size=50), np.arange(50) // 5
    first = bootstrap_correlations(x, y, blocks, 100, seed=1)
    again = bootstrap_correlations(x, y, blocks, 100, seed=1)
    other = bootstrap_correlations(x, y, blocks, 100, seed=2)
    assert first.spearman.tobytes() == again.spearman.tobytes()
    assert first.spearman.tobytes() != other.spearman.tobytes()


def test_intervals_cover_where_places_resemble_their_neighbours():
    generator = np.random.default_rng(2)
    hits = {"blocks": 0, "places": 0}
    for _ in range(60):
        x, y = field(generator, 40, 10, 0.8), field(generator, 40, 10, 0.8)
        for name, blocks in (("blocks", np.repeat(np.arange(40), 10)), ("places", np.arange(400))):
            draws = bootstrap_correlations(x[None], y, blocks, 200, seed=0)
            low, high = percentile_interval(draws.pearson[:, 0], 0.9)
            hits[name] += low <= 0 <= high  # the fields have nothing to do with each other
    assert hits["blocks"] >= 46, "about 90 % of 60"
    assert hits["places"] <= 42, "places drawn one by one are far too sure of themselves"


def test_percentiles_and_draws_without_a_value():
    assert percentile_interval(np.arange(101.0), 0.9) == pytest.approx((5, 95))
    some = np.r_[np.full(5, np.nan), np.arange(95.0)]
    assert percentile_interval(some, 0.9) == pytest.approx((4.7, 89.3))
    assert percentile_interval(np.r_[np.full(20, np.nan), np.arange(80.0)], 0.9) is None
