"""The region's rasters for those who only look: colours that any program shows, uncertainty as a layer of its own."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import rasterio
from rankscape.products.maps.ramp import UNCERTAINTY, read_ramp, write_style
from rankscape.products.maps.region_map import (
    colour_table,
    largest_uncertainty,
    mosaic_surfaces,
    write_colours,
    write_uncertainty,
)
from rankscape.products.maps.surface import read_surface


@pytest.fixture
def region(granule):
    """A map of 600 x 600 pixels, more than a block, with a hole."""
    score = np.random.default_rng(0).random((60, 60))
    score[:20, :20] = np.nan
    return mosaic_surfaces([read_surface(*granule(score=score))], None, 8.0)


def test_colours_are_those_of_the_ramp_and_the_hole_is_transparent(region, tmp_path):
    write_colours(tmp_path / "colour.tif", region, read_ramp(), {})
    with rasterio.open(tmp_path / "colour.tif") as raster:
        pixels, table = raster.read(1), raster.colormap(1)
        assert raster.colorinterp == (rasterio.enums.ColorInterp.palette,)
        assert (raster.dtypes, raster.nodata, raster.scales) == (("uint8",), 255, (0.004,))
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert raster.block_shapes == [(512, 512)]
        assert raster.overviews(1) == [2]
        with rasterio.open(tmp_path / "colour.tif", overview_level=0) as small:
            assert np.isin(small.read(1), pixels).all()
    score = region.values[0]
    assert table[255][3] == 0
    assert (pixels[np.isnan(score)] == 255).all()
    given = np.isfinite(score)
    assert np.abs(pixels[given] * 0.004 - score[given]).max() <= 0.002 + 1e-6
    assert table[int(pixels[-1, -1])] == tuple(read_ramp().rgba(np.float64(pixels[-1, -1] / 250)).tolist())


def test_bytes_that_are_no_score_are_transparent():
    table = colour_table(read_ramp())
    assert [level for level in range(256) if table[level][3] == 0] == [251, 252, 253, 254, 255]


def test_uncertainty_is_a_layer_of_its_own_with_a_style_that_reaches_its_largest_value(region, tmp_path):
    path = tmp_path / "uncertainty.tif"
    write_uncertainty(path, region, {})
    write_style(path, read_ramp(UNCERTAINTY), high=largest_uncertainty(region))
    with rasterio.open(path) as raster:
        np.testing.assert_array_equal(raster.read(1), region.values[1])
        assert raster.descriptions == ("score_std",)
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert float(raster.tags(1)["STATISTICS_MAXIMUM"]) == pytest.approx(0.1, abs=1e-3)
    values = [float(item.get("value")) for item in ET.parse(path.with_suffix(".qml")).iter("item")]
    assert (values[0], values[-1], len(values)) == (0, 0.1, 17)


def test_a_map_without_a_score_has_colours_all_the_same(granule):
    empty = mosaic_surfaces([read_surface(*granule(score=np.full((2, 2), np.nan)))], None, None)
    assert largest_uncertainty(empty) == 0.05


def test_the_ramp_of_the_uncertainty_gets_darker_from_end_to_end():
    red, green, blue = read_ramp(UNCERTAINTY).colours.astype(float).T
    assert (np.diff(0.2126 * red + 0.7152 * green + 0.0722 * blue) < 0).all()
