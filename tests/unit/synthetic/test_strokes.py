"""Lines with soft edges: as much ink as they are long and wide, wherever they run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.synthetic.strokes import Line, coverage, smooth_line

inside = st.tuples(st.floats(12, 88), st.floats(12, 88))


def straight(start: tuple[float, float], end: tuple[float, float], width_px: float) -> Line:
    return Line(np.array([start, end], float), np.full(2, width_px))


@settings(max_examples=40, deadline=None)
@given(inside, inside, st.floats(0.3, 0.9))
def test_a_thin_line_covers_its_length_times_its_width(start, end, width_px):
    length = float(np.hypot(*(np.array(start) - end)))
    covered = coverage([straight(start, end, width_px)], (100, 100))
    assert covered.sum() == pytest.approx(max(length, 0.5) * width_px, abs=0.6 + 0.03 * length)
    assert covered.max() <= 1


def test_a_wide_line_covers_whole_pixels_in_its_middle():
    covered = coverage([straight((20, 50), (80, 50), 6)], (100, 100))
    assert (covered[30:70, 48:52] > 0.95).all()
    assert (covered[:, :44] == 0).all()
    assert (covered[:, 56:] == 0).all()
    wider = coverage([straight((20, 50), (80, 50), 6)], (100, 100), widen_px=4)
    assert wider.sum() > 1.4 * covered.sum()


def test_width_may_change_along_a_line():
    covered = coverage([Line(np.array([(10.0, 50.0), (90.0, 50.0)]), np.array([1.0, 9.0]))], (100, 100))
    assert covered[80:88].sum() > 3 * covered[12:20].sum()


def test_what_lies_outside_the_world_is_left_out():
    assert coverage([straight((-30, -30), (-5, 200), 2)], (50, 50)).sum() == 0
    partly = coverage([straight((25, -30), (25, 80), 1)], (50, 50))
    assert partly.sum() == pytest.approx(50, abs=2)
    assert coverage([], (10, 10)).tolist() == np.zeros((10, 10)).tolist()


def test_lines_that_cross_cover_no_more_than_all():
    covered = coverage([straight((10, 50), (90, 50), 3), straight((50, 10), (50, 90), 3)], (100, 100))
    assert covered.max() == 1


@pytest.mark.parametrize("sigma", [0.5, 1.6, 3.0])
def test_smoothing_keeps_the_ends_and_rounds_the_corners(sigma):
    corners = np.array([(0, 0), (0, 40), (40, 40), (40, 0), (80, 0), (80, 40), (80, 80)], float)
    line = smooth_line(corners, 2.0, sigma)
    assert line.places[0] == pytest.approx(corners[0])
    assert line.places[-1] == pytest.approx(corners[-1])
    turns = np.abs(np.diff(line.places, 2, axis=0)).sum(1).max()
    assert turns < 15
    assert (line.width_px == 2).all()


def test_smoothing_carries_widths_along():
    line = smooth_line(np.array([(0, 0), (0, 10), (0, 20)], float), np.array([1.0, 2.0, 3.0]), 0.5)
    assert (np.diff(line.width_px) >= 0).all()
    assert (line.width_px[0], line.width_px[-1]) == (1, 3)
