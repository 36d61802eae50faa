"""Correlations: against SciPy, the laws that they keep, and samples of whole blocks."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rankscape.evaluation.correlation import PairedSamples, is_constant, pearson, spearman, weighted_correlation
from rankscape.evaluation.intervals import bootstrap_interval
from rankscape.evaluation.ranks import WeightedRanks
from scipy.stats import kendalltau, pearsonr, rankdata, spearmanr

samples = arrays(float, st.integers(4, 40), elements=st.integers(-9, 9).map(float))


def test_both_are_those_of_scipy_with_ties_and_sign():
    generator = np.random.default_rng(0)
    x = generator.integers(0, 20, 300).astype(float)
    y = -x + generator.normal(0, 5, 300).round()
    assert pearson(x, y) == pytest.approx(pearsonr(x, y).statistic, rel=1e-12)
    assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic, rel=1e-12)
    assert spearman(x, y) < 0


def test_a_constant_sample_has_no_correlation():
    assert np.isnan(pearson(np.ones(5), np.arange(5.0)))
    assert np.isnan(spearman(np.arange(5.0), np.full(5, 0.1)))
    assert np.isnan(pearson(np.arange(1000.0), np.full(1000, 0.1)))
    assert is_constant(np.ones(3))
    assert is_constant(np.empty(0))
    assert not is_constant(np.array([1.0, 2.0]))


@settings(max_examples=80, deadline=None)
@given(samples, st.randoms())
def test_rising_transforms_leave_spearman_and_falling_ones_turn_its_sign(x, random):
    y = x[np.array(random.sample(range(len(x)), len(x)))]
    assume(not is_constant(x))
    value = spearman(x, y)
    assert spearman(np.exp(x / 3), y**3 + y) == pytest.approx(value, abs=1e-12)
    assert spearman(-x, y) == pytest.approx(-value, abs=1e-12)
    assert pearson(3 * x + 1, -y) == pytest.approx(-pearson(x, y), abs=1e-12)
    assert spearman(y, x) == pytest.approx(value, abs=1e-12)
    assert -1 <= value <= 1


@settings(max_examples=80, deadline=None)
@given(samples, st.data())
def test_weights_are_repetitions(x, data):
    weights = data.draw(arrays(float, len(x), elements=st.integers(0, 3).map(float)))
    times = weights.astype(int)
    repeated = np.repeat(x, times)
    assume(len(repeated) > 1)
    ranks = WeightedRanks(x).ranks(weights)
    np.testing.assert_allclose(np.repeat(ranks, times), rankdata(repeated))
    y = np.cos(x) + x
    found = float(weighted_correlation(x, y, weights))
    if is_constant(repeated):
        assert np.isnan(found)
    else:
        assert found == pytest.approx(pearson(repeated, np.repeat(y, times)), abs=1e-9)


def field(generator, blocks, per_block, shared_variance):
    """Places in blocks; `shared_variance` is the share of the variance that the places of a block have in common."""
    shared = np.repeat(generator.normal(size=blocks), per_block)
    return np.sqrt(shared_variance) * shared + np.sqrt(1 - shared_variance) * generator.normal(size=blocks * per_block)


def test_every_draw_is_the_correlation_of_the_blocks_drawn():
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 9, 60).astype(float), generator.normal(size=60)
    blocks = np.repeat([7, 3, 900, -4, 5, 11], 10)
    draws = PairedSamples(np.stack([x, -x]), y, y).bootstrap(blocks, draws=300, seed=4)
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
    first = PairedSamples(x, y, y).bootstrap(blocks, 100, seed=1)
    again = PairedSamples(x, y, y).bootstrap(blocks, 100, seed=1)
    other = PairedSamples(x, y, y).bootstrap(blocks, 100, seed=2)
    assert first.spearman.tobytes() == again.spearman.tobytes()
    assert first.spearman.tobytes() != other.spearman.tobytes()


def test_intervals_cover_where_places_resemble_their_neighbours():
    generator = np.random.default_rng(2)
    hits = {"blocks": 0, "places": 0}
    for _ in range(60):
        x, y = field(generator, 40, 10, 0.8), field(generator, 40, 10, 0.8)
        for name, blocks in (("blocks", np.repeat(np.arange(40), 10)), ("places", np.arange(400))):
            draws = PairedSamples(x[None], y, y).bootstrap(blocks, 200, seed=0)
            low, high = bootstrap_interval(
                pearson(x, y), draws.pearson[:, 0], 0.9, blocks=len(set(blocks)), inflation=1
            )
            hits[name] += low <= 0 <= high  # the fields have nothing to do with each other
    assert hits["blocks"] >= 46, "about 90 % of 60"
    assert hits["places"] <= 42, "places drawn one by one are far too sure of themselves"


def test_all_statistics_of_a_draw_but_kendalls_are_exact():
    generator = np.random.default_rng(3)
    x, z = generator.normal(size=(2, 80)) + generator.normal(size=80)
    y = x + generator.normal(size=80)
    blocks = np.arange(80) // 8
    samples = PairedSamples(np.stack([x, z]), y, y, controls=(1,))
    draws = samples.bootstrap(blocks, draws=100, seed=5)
    counts = np.random.default_rng([5, 10]).multinomial(10, np.full(10, 0.1), size=100)
    for place in (0, 50):
        drawn = np.repeat(np.arange(80), counts[place][blocks])
        positive = drawn[(x[drawn] > 0) & (y[drawn] > 0)]
        assert draws.log_pearson[place, 0] == pytest.approx(pearson(np.log(x[positive]), np.log(y[positive])))
        ranks = np.array([rankdata(values[drawn]) for values in (x, z, y)])
        assert draws.partial[place, 0] == pytest.approx(by_regression(*ranks))
        assert draws.kendall[place, 0] == pytest.approx(kendalltau(x[drawn], y[drawn]).statistic, abs=0.06)
    assert np.isnan(draws.partial[:, 1]).all()
    assert draws.kendall[:, 0].std() == pytest.approx(
        np.std([kendalltau(*np.repeat([x, y], counts[place][blocks], axis=1)).statistic for place in range(100)]),
        rel=0.2,
    )


def by_regression(x, control, y):
    design = np.column_stack([np.ones(len(x)), control])
    rests = [values - design @ np.linalg.lstsq(design, values, rcond=None)[0] for values in (x, y)]
    return pearson(*rests)


def test_the_sample_itself_is_the_draw_of_every_block_once():
    generator = np.random.default_rng(6)
    x, y = generator.integers(0, 6, (2, 50)).astype(float)
    estimate = PairedSamples(x[None], y, y).estimate()
    assert estimate.pearson[0, 0] == pytest.approx(pearson(x, y))
    assert estimate.spearman[0, 0] == pytest.approx(spearman(x, y))
    assert estimate.kendall[0, 0] == pytest.approx(kendalltau(x, y).statistic)
    assert np.isnan(estimate.partial).all(), "nothing to be given"
