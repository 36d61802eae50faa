"""The earlier date of the invented land: the same land with fewer houses, and nothing else."""

import numpy as np
import pytest
import rasterio
from rankscape.synthetic.land import invent_dates
from rankscape.synthetic.past import GRANULE, earlier


@pytest.fixture(scope="module")
def dates(small_layout):
    return invent_dates(small_layout, 7)


def test_today_is_the_land_that_one_date_alone_gives(dates, small_land):
    np.testing.assert_array_equal(dates[0].reflectance, small_land.reflectance)
    np.testing.assert_array_equal(dates[0].truth, small_land.truth)


def test_only_houses_of_one_granule_differ_and_most_of_them_are_new(dates, small_layout):
    today, past = dates
    rows, cols = small_layout.window(GRANULE)
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
    with rasterio.open(region.truth) as today, rasterio.open(region.folder / "truth-earlier.tif") as past:
        assert (today.transform, today.shape) == (past.transform, past.shape)
        assert np.abs(today.read(1) - past.read(1)).max() > 0.1
