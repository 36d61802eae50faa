"""Overviews of rasters of squares, against averages of their pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.products.maps import backends
from rankscape.products.maps.granules import BlockOverviews
from rankscape.products.maps.pieces import RasterForm, encoded


def averaged(pixels, factor):
    """The mean over each square of `factor` pixels, of those with a score and inside of the raster."""
    bands, height, width = pixels.shape
    rows, cols = -(-height // factor), -(-width // factor)
    padded = np.full((bands, rows * factor, cols * factor), np.nan)
    padded[:, :height, :width] = pixels
    squares = padded.reshape(bands, rows, factor, cols, factor)
    count = np.isfinite(squares).sum(axis=(2, 4))
    with np.errstate(invalid="ignore"):
        return np.nansum(squares, axis=(2, 4)) / count


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_overviews_are_averages_of_the_pixels(data):
    rows, cols, patch_px = (data.draw(st.integers(1, top)) for top in (5, 5, 20))
    form = RasterForm(2, rows * patch_px + data.draw(st.integers(0, 9)), cols * patch_px + data.draw(st.integers(0, 9)))
    values = np.random.default_rng(rows).random((2, rows, cols), dtype=np.float32)
    values[:, rows // 2, 0] = np.nan
    pixels = next(backends.fill(values, patch_px, form)).pixels
    factor = data.draw(st.sampled_from([2, 4, 8, 32]))
    found = np.concatenate(list(BlockOverviews(values, patch_px, form)(factor)), axis=1)
    np.testing.assert_allclose(found, averaged(pixels, factor), rtol=1e-6)


@pytest.mark.parametrize("value", [0.25, 0.3, 1 / 3])
def test_one_score_stays_itself(value):
    values = np.full((2, 3, 3), value, np.float32)
    for factor in (2, 4, 8, 64):
        found = next(BlockOverviews(values, 343, RasterForm(2, 1029, 1029))(factor))
        assert (found == np.float32(value)).all()


def test_bytes_are_averaged_as_scores():
    values = np.array([[[0.1, 0.9, np.nan]]], np.float32)
    found = next(BlockOverviews(values, 3, RasterForm(1, 3, 9, "uint8"))(2))
    thirds = np.array([[0.1, 0.5, 0.9, np.nan, np.nan]] * 2, np.float32)
    assert found.tolist() == [encoded(thirds, "uint8").tolist()]
