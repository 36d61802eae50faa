"""Relief and rivers: shade on the side away from the sun, water that runs down to the outlets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.synthetic.world.terrain import (
    COARSE_PX,
    carve,
    coarse,
    drainage,
    elevation_m,
    illumination,
    refine,
    slope,
    zones,
)
from rankscape.synthetic.world.world_grid import PIXEL_M
from scipy import ndimage

SHAPE = (448, 640)


def plane(down: float, across: float) -> np.ndarray:
    row, col = np.indices((40, 40))
    return (down * row + across * col) * PIXEL_M


def test_slope_of_a_plane_is_its_steepness():
    assert slope(plane(0.3, 0.4)) == pytest.approx(0.5, abs=1e-5)
    assert slope(plane(0, 0)).max() == 0


def test_flat_land_has_light_1_and_slopes_towards_the_sun_more():
    assert illumination(plane(0, 0)) == pytest.approx(1)
    # The sun stands in the south-south-east; land that falls southwards faces it.
    south, north = illumination(plane(-0.3, 0)), illumination(plane(0.3, 0))
    east, west = illumination(plane(0, -0.3)), illumination(plane(0, 0.3))
    assert south.mean() > 1.05
    assert north.mean() < 0.9
    assert east.mean() > west.mean()
    assert south.mean() > east.mean()


def test_zones_lie_where_the_layout_wants_them():
    zone = zones((992, 1472), np.random.default_rng(0))
    assert zone.plateau[:250, :300].mean() > 0.6
    assert zone.plateau[600:].mean() < 0.02
    assert zone.mountain[400:520].mean() > 3 * zone.mountain[700:].mean()
    for share in (zone.mountain, zone.plateau, zone.hills):
        assert 0 <= share.min() <= share.max() <= 1


def test_mountains_are_high_and_plateaus_higher_than_lowland():
    zone = zones(SHAPE, np.random.default_rng(0))
    height = elevation_m(zone, np.random.default_rng(1))
    lowland = (zone.mountain < 0.05) & (zone.plateau < 0.05) & (zone.hills < 0.05)
    assert height[zone.plateau > 0.9].mean() > height[lowland].mean() + 600
    assert height[zone.mountain > 0.8].mean() > height[lowland].mean() + 400


@given(st.integers(2, 6), st.integers(2, 6))
def test_coarse_cells_are_means_and_come_back_smooth(rows, cols):
    values = np.arange(rows * cols, dtype=float).reshape(rows, cols)
    world = values.repeat(COARSE_PX, 0).repeat(COARSE_PX, 1)
    assert coarse(world) == pytest.approx(values)
    spread = refine(values, world.shape)
    assert spread.shape == world.shape
    assert spread.min() >= values.min() - 1e-4
    assert spread.max() <= values.max() + 1e-4
    assert refine(np.full((rows, cols), 3.0), world.shape) == pytest.approx(3)


def test_water_of_a_small_slope_runs_to_the_outlet():
    flow = drainage(np.array([[5.0, 4.0, 3.0], [5.0, 4.0, 2.0], [5.0, 4.0, 1.0]]), [(2, 2)])
    assert flow.upstream[8] == 9
    assert flow.receiver[8] == 8
    assert flow.receiver[5] == 8
    assert flow.receiver[4] in {2, 5, 8}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_all_water_reaches_an_outlet_and_never_climbs(seed):
    height = np.random.default_rng(seed).uniform(0, 100, (12, 15))
    outlets = [(0, 3), (11, 14)]
    flow = drainage(height, outlets)
    filled = flow.filled_m.ravel()
    assert (filled >= height.ravel()).all()
    moving = flow.receiver != np.arange(height.size)
    assert (filled[flow.receiver[moving]] < filled[moving] + 1e-9).all()
    ends = [row * 15 + col for row, col in outlets]
    assert sorted(np.flatnonzero(~moving)) == ends
    assert flow.upstream[ends].sum() == height.size


def test_rivers_lie_in_valleys_and_run_on():
    zone = zones(SHAPE, np.random.default_rng(0))
    height = elevation_m(zone, np.random.default_rng(1))
    carved, rivers, distance = carve(height, np.random.default_rng(2))
    assert len(rivers) >= 3
    assert carved.dtype == np.float32
    assert (carved <= height + 1e-3).all()
    assert distance.min() < 1
    below = ndimage.gaussian_filter(carved, 30) - carved
    assert below[distance < COARSE_PX].mean() > 10
    assert below[distance > 3 * COARSE_PX].mean() < 5
    for river in rivers:
        assert river.width_px.min() >= 0.8
        assert river.width_px[-1] >= river.width_px[0] - 0.5
