"""The side of the blocks, the spacing of places, and the bootstrap of any statistic."""

import numpy as np
import pytest
from rankscape.spatial.blocks import block_bootstrap, choose_block
from rankscape.spatial.geometry import spacing
from rankscape.spatial.variogram import Variogram

SIDE = 36
ROWS, COLS = (axis.ravel() for axis in np.mgrid[:SIDE, :SIDE].astype(float))


def blocks_of(side):
    return (ROWS // side * 1000 + COLS // side).astype(int)


def test_blocks_are_bounded_so_that_enough_remain():
    wide = Variogram("exponential", 0.0, 1.0, 30.0, 40.0)
    narrow = Variogram("spherical", 0.0, 1.0, 4.567, 40.0)
    count = lambda side: len(set(blocks_of(side)))  # noqa: E731
    assert choose_block(narrow, None, 1.0, count, 5).block_m == 4.56
    assert choose_block(narrow, narrow, 5.0, count, 5).block_m == 5
    bounded = choose_block(narrow, wide, 1.0, count, 5)
    assert bounded.origin == "bounded"
    assert bounded.note.startswith("spatial autocorrelation reaches 30 m")
    assert count(bounded.block_m) >= 5
    assert choose_block(None, None, 1.0, count, 5).origin == "fallback"
    assert spacing(COLS, ROWS) == 1
    assert spacing(np.zeros(3), np.zeros(3)) == 1


def test_the_bootstrap_of_any_statistic_has_its_standard_error():
    """Of the mean of 40 independent block sums the standard error is known."""
    sums = np.random.default_rng(0).normal(size=40)
    drawn = block_bootstrap(lambda counts: counts @ sums / 40, 40, 4000, seed=3)
    assert drawn.shape == (4000,)
    assert drawn.std() == pytest.approx(sums.std() / np.sqrt(40), rel=0.05)
    assert drawn.mean() == pytest.approx(sums.mean(), abs=0.02)
    again = block_bootstrap(lambda counts: np.stack([counts @ sums / 40, counts.sum(axis=1)], axis=1), 40, 4000, seed=3)
    assert (again[:, 0] == drawn).all()
    assert (again[:, 1] == 40).all(), "as many blocks as there are"
