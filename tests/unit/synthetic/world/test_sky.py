"""Sky and sensor: what a passage records of the land, and how it is written down."""

import dataclasses

import numpy as np
import pytest
from rankscape.synthetic.world.land_cover import spectrum
from rankscape.synthetic.world.sky import (
    BARE,
    HIGH,
    MEDIUM,
    NO_DATA,
    PASSAGES,
    SHADOW,
    VEGETATION,
    WATER,
    Recording,
    as_dn,
    coarse_classes,
    observe,
    within_swath,
)
from rankscape.synthetic.world.world_grid import WorldGrid

LAYOUT = WorldGrid(256)
FIRST, SECOND = PASSAGES
CLOUDLESS = dataclasses.replace(SECOND, cloudy=1e-9, cirrus=0.0)


def land_of(cover: str) -> np.ndarray:
    canvas = np.empty((4, *LAYOUT.shape), np.float32)
    canvas[:] = spectrum(cover)[:, None, None]
    return canvas


def dry() -> np.ndarray:
    return np.zeros(LAYOUT.shape, np.float32)


def test_baselines_from_04_on_carry_an_offset():
    assert [passage.offset_dn for passage in PASSAGES] == [0, 1000]
    assert dataclasses.replace(FIRST, baseline="05.10").offset_dn == 1000
    assert dataclasses.replace(FIRST, baseline="02.14").offset_dn == 0


def test_the_swath_ends_in_the_east_of_the_first_passage():
    inside = within_swath(LAYOUT, FIRST)
    assert inside[:, 0].all()
    assert not inside[:, -1].any()
    edge = inside.sum(1)
    assert (np.diff(edge) <= 0).all()
    assert within_swath(LAYOUT, SECOND).all()


def test_a_clear_sky_shows_the_land_through_gain_and_haze():
    view = observe(land_of("maize"), dry(), CLOUDLESS, LAYOUT, 7)
    clear = view.classes == VEGETATION
    assert clear.mean() > 0.99
    expected = spectrum("maize") * CLOUDLESS.gain + CLOUDLESS.haze
    assert np.median(view.reflectance[:, clear], axis=1) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(
    ("cover", "wet", "number"), [("steppe", 0, BARE), ("water", 1, WATER), ("maize", 0, VEGETATION)]
)
def test_land_is_classified_by_what_covers_it(cover, wet, number):
    view = observe(land_of(cover), dry() + wet, CLOUDLESS, LAYOUT, 7)
    assert (view.classes == number).mean() > 0.99


def test_clouds_cover_as_much_as_asked_and_throw_shadows_to_the_north():
    passage = dataclasses.replace(SECOND, cloudy=0.10, cirrus=0.0)
    classes = observe(land_of("steppe"), dry(), passage, LAYOUT, 7).classes
    cloud, shadow = np.isin(classes, (MEDIUM, HIGH)), classes == SHADOW
    assert cloud.mean() == pytest.approx(0.10, abs=0.05)
    assert 0 < shadow.mean() < cloud.mean() * 1.5

    def overlap(rows: int) -> float:
        moved = np.roll(cloud, rows, axis=0) & ~cloud
        return float((moved & shadow).sum() / max(moved.sum(), 1))

    # The sun stands in the south, so that a shadow lies above its cloud in the picture.
    assert overlap(-22) > 3 * overlap(22)


def test_a_passage_is_the_same_each_time_and_differs_from_the_next():
    views = [observe(land_of("rock"), dry(), passage, LAYOUT, 7) for passage in (FIRST, FIRST, SECOND)]
    assert np.array_equal(views[0].reflectance, views[1].reflectance)
    assert not np.array_equal(views[0].classes, views[2].classes)


def test_dn_are_reflectance_times_ten_thousand_plus_offset():
    reflectance = np.array([-0.002, 0.0, 0.1234, 1.0, 9.0], np.float32).reshape(1, 1, 5).repeat(4, 0)
    view = Recording(reflectance, np.array([[BARE, BARE, BARE, BARE, NO_DATA]], np.uint8))
    everything = (slice(None), slice(None))
    # A dark pixel with data must not become 0, which means no data.
    assert as_dn(view, 0, everything)[0, 0].tolist() == [1, 1, 1234, 10_000, 0]
    assert as_dn(view, 1000, everything)[0, 0].tolist() == [980, 1000, 2234, 11_000, 0]


def test_classes_are_delivered_at_twenty_metres():
    view = Recording(np.zeros((4, 4, 6), np.float32), np.arange(24, dtype=np.uint8).reshape(4, 6))
    assert coarse_classes(view, (slice(0, 4), slice(2, 6))).tolist() == [[2, 4], [14, 16]]
