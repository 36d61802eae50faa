"""The synthetic world as a whole, today and some years earlier."""

import itertools

import numpy as np
import pytest
import rasterio
from rankscape.samples.pixel_statistics import STATISTICS, patch_statistics
from rankscape.synthetic.world.annotators import CATEGORIES, annotate, contents
from rankscape.synthetic.world.settlements import EARLIER_GRANULE, earlier
from rankscape.synthetic.world.simulation import simulate_dates, simulate_world
from rankscape.synthetic.world.world_grid import FIT, GRANULES, WorldGrid
from scipy import stats
from sklearn.linear_model import RidgeCV
from unit.synthetic.conftest import reflectance_patches, truth_of_patches

LIMIT = 0.70


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    return float(stats.spearmanr(first, second).statistic)


def features(patches: np.ndarray) -> np.ndarray:
    """Histograms of colour and simple statistics of structure: more than any pixel statistic, less than a network."""
    grey = patches.mean(-1)
    down, across = np.gradient(grey, axis=(1, 2))
    strength, angle = np.hypot(down, across), np.arctan2(down, across)
    total = patches.sum(-1) + 1e-6
    green = (2 * patches[..., 1] - patches[..., 0] - patches[..., 2]) / total
    warm = (patches[..., 0] - patches[..., 2]) / total
    order = np.abs((strength * np.exp(4j * angle)).sum((1, 2))) / strength.sum((1, 2))
    fine = np.abs(np.diff(grey, 2, axis=1)).mean((1, 2))
    columns = [strength.mean((1, 2)), order, fine, fine / strength.mean((1, 2)), grey.std((1, 2)), green.std((1, 2))]
    for values, edges in (
        (green, (-1, 0, 0.03, 0.06, 0.1, 0.3, 2)), (warm, (-1, 0, 0.05, 0.1, 0.15, 1)),
        (grey, (0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 2)),
    ):  # fmt: skip
        columns += [((values >= low) & (values < high)).mean((1, 2)) for low, high in itertools.pairwise(edges)]
    return np.stack(columns, 1)


@pytest.mark.parametrize("granule", GRANULES)
def test_no_trivial_baseline_measures_development(full_land, full_layout, granule):
    patches = reflectance_patches(full_land, full_layout, granule)
    measured = patch_statistics(patches, np.ones(len(patches), bool))
    truth = truth_of_patches(full_land, full_layout, granule)
    assert all(abs(spearman(measured[name], truth)) < LIMIT for name in STATISTICS)


def test_simple_features_learned_on_four_granules_measure_a_fifth(full_land, full_layout):
    learned = np.concatenate([features(reflectance_patches(full_land, full_layout, granule)) for granule in FIT])
    truth = stats.rankdata(np.concatenate([truth_of_patches(full_land, full_layout, granule) for granule in FIT]))
    mean, spread = learned.mean(0), learned.std(0) + 1e-9
    model = RidgeCV(np.logspace(-2, 3, 6)).fit((learned - mean) / spread, truth)
    unseen = features(reflectance_patches(full_land, full_layout, "03TXG"))
    assert spearman(model.predict((unseen - mean) / spread), truth_of_patches(full_land, full_layout, "03TXG")) > 0.8


def test_every_granule_holds_rich_poor_and_empty_land(full_land, full_layout):
    for granule in GRANULES:
        truth = truth_of_patches(full_land, full_layout, granule)
        assert 0.05 < (truth < 0.01).mean() < 0.6
        assert truth.max() > 0.3
    assert truth_of_patches(full_land, full_layout, "03TWF").max() > 0.85


def test_settlements_of_one_size_are_rich_and_poor(full_land):
    for kind in ("large town", "town", "village"):
        wealth = np.array([one.wealth for one in full_land.settlements if one.kind.name == kind])
        assert wealth.min() < 0.3
        assert wealth.max() > 0.7
    sizes = [one.kind.size for one in full_land.settlements]
    assert abs(spearman(np.array(sizes), np.array([one.wealth for one in full_land.settlements]))) < 0.3


def test_a_pixel_has_one_truth_whatever_granule_shows_it(small_land, small_layout):
    west, east = (small_land.truth[small_layout.window(granule)] for granule in ("03TVG", "03TWG"))
    assert np.array_equal(west[:, -64:], east[:, :64])
    north, south = (small_land.truth[small_layout.window(granule)] for granule in ("03TXG", "03TXF"))
    assert np.array_equal(north[-64:], south[:64])


def test_arrays_are_what_the_land_says(small_land, small_layout):
    assert small_land.reflectance.shape == (4, *small_layout.shape)
    assert small_land.reflectance.dtype == np.float32
    assert small_land.reflectance.min() > 0
    assert small_land.reflectance.max() < 1
    for share in (small_land.truth, small_land.built, small_land.farmed, small_land.highland, small_land.water):
        assert share.shape == small_layout.shape
        assert 0 <= share.min() <= share.max() <= 1.0001
    assert small_land.people_per_ha.min() >= 0


def test_plants_reflect_near_infrared_and_water_does_not(full_land):
    blue, green, red, nir = full_land.reflectance
    index = (nir - red) / (nir + red)
    assert np.median(index[full_land.water > 0.95]) < 0
    assert np.median(index[full_land.highland > 0.9]) > 0.3
    assert np.median(green[full_land.highland > 0.9]) > np.median(blue[full_land.highland > 0.9])


def test_nobody_lives_in_water_and_truth_is_higher_where_people_are(full_land):
    deep = full_land.water > 0.95
    assert full_land.built[deep].mean() < 0.25
    crowded = full_land.people_per_ha > 30
    assert full_land.truth[crowded].mean() > 2.5 * full_land.truth[~crowded].mean()


def test_the_land_depends_on_its_seed():
    layout = WorldGrid(256)
    first, second = (simulate_world(layout, seed) for seed in (1, 2))
    assert abs(np.corrcoef(first.truth.ravel(), second.truth.ravel())[0, 1]) < 0.9


def test_annotators_can_find_every_category(full_land, full_layout):
    chance = np.random.default_rng(0)
    found = np.zeros(4, int)
    for granule in FIT:
        shares = annotate(contents(full_land, full_layout, granule, 32), 4, chance)
        found += np.bincount(shares.argmax(1), minlength=4)
    assert dict(zip(CATEGORIES, found, strict=True))
    assert found.min() >= 75


@pytest.fixture(scope="module")
def dates(small_layout):
    return simulate_dates(small_layout, 7)


def test_today_is_the_land_that_one_date_alone_gives(dates, small_land):
    np.testing.assert_array_equal(dates[0].reflectance, small_land.reflectance)
    np.testing.assert_array_equal(dates[0].truth, small_land.truth)


def test_only_houses_of_one_granule_differ_and_most_of_them_are_new(dates, small_layout):
    today, past = dates
    rows, cols = small_layout.window(EARLIER_GRANULE)
    change = today.truth - past.truth
    inside = change[rows, cols]
    assert (inside > 0.05).sum() > 2 * (inside < -0.05).sum() > 0
    beyond = np.abs(change)
    beyond[: rows.stop + 60, cols.start - 60 :] = 0  # towns at the granule's edge reach over it
    assert not beyond.any()
    assert 0.6 < (inside == 0).mean() < 0.999


def test_what_is_not_built_on_looks_the_same(dates):
    today, past = dates
    same = (np.abs(today.built - past.built) == 0) & (np.abs(today.truth - past.truth) == 0)
    assert np.median(np.abs(today.reflectance - past.reflectance)[:, same]) == 0


def test_settlements_keep_their_number_so_that_all_others_look_as_today(small_land, small_layout):
    then = earlier(small_land.settlements, small_layout)
    assert len(then) == len(small_land.settlements)
    moved = [(one, other) for one, other in zip(small_land.settlements, then, strict=True) if one != other]
    assert moved
    assert all((one.row, one.col, one.kind) == (other.row, other.col, other.kind) for one, other in moved)
    shares = [other.radius_px / one.radius_px for one, other in moved]
    assert min(shares) < 0.01 < 1 < max(shares)


def test_the_truth_of_the_earlier_date_lies_beside_that_of_today(region):
    with rasterio.open(region.truth) as today, rasterio.open(region.folder / "truth-2016.tif") as past:
        assert (today.transform, today.shape) == (past.transform, past.shape)
        assert np.abs(today.read(1) - past.read(1)).max() > 0.1
