"""The picture of districts: colours of the ramp, hatching where there is no score, any shape."""

import io

import geopandas as gpd
import numpy as np
import pytest
from PIL import Image
from rankscape.products.districts.choropleth import draw_choropleth
from rankscape.products.maps.ramp import read_ramp
from shapely.geometry import box


def districts(score, std, width=10_000.0, height=10_000.0):
    left = 400_000 + width * np.arange(len(score))
    shapes = [box(west, 4_500_000, west + width, 4_500_000 + height) for west in left]
    names = [f"District {n}" for n in range(len(score))]
    return gpd.GeoDataFrame({"name": names, "score": score, "score_std": std}, geometry=shapes, crs="EPSG:32603")


def picture(table, longer_px=800):
    with Image.open(io.BytesIO(draw_choropleth(table, read_ramp(), "Districts", "facts", longer_px))) as image:
        assert image.mode == "RGBA"
        return np.asarray(image).astype(int)


def has(image, colour):
    return (np.abs(image[..., :3] - np.asarray(colour)[:3]).max(axis=-1) <= 1).sum()


def test_scores_and_uncertainties_have_the_ramps_colours():
    ramp = read_ramp()
    image = picture(districts([0.1, 0.9, 0.5], [0.02, 0.1, 0.04]))
    half = image.shape[1] // 2
    map_rows = slice(int(0.1 * 800), image.shape[0] - int(0.09 * 800))
    for score in (0.1, 0.9, 0.5):
        assert has(image[map_rows, :half], ramp.rgba(np.array(score))) > 1000
    for std in (0.02, 0.1, 0.04):
        assert has(image[map_rows, half:], ramp.rgba(np.array(std / 0.1))) > 1000
    assert image[0, 0, 3] == 0


def test_districts_without_a_score_are_hatched():
    plain, hatched = picture(districts([0.1, 0.9], [0.1, 0.1])), picture(districts([0.1, np.nan], [0.1, np.nan]))
    grey = (0xF2, 0xF2, 0xF2)
    assert has(plain, grey) < 200
    assert has(hatched, grey) > 5000
    nothing = picture(districts([np.nan, np.nan], [np.nan, np.nan]))
    assert has(nothing, grey) > has(hatched, grey)


def test_holes_stay_empty():
    table = districts([0.5], [0.1])
    whole = picture(table)
    table.geometry = [table.geometry.iloc[0].difference(table.geometry.iloc[0].centroid.buffer(3000))]
    colour = read_ramp().rgba(np.array(0.5))
    assert has(picture(table), colour) < 0.85 * has(whole, colour)


@pytest.mark.parametrize(("width", "height"), [(300_000.0, 1000.0), (1000.0, 300_000.0), (10.0, 10.0)])
def test_any_shape_fits(width, height):
    image = picture(districts([0.2], [0.0], width, height))
    assert max(image.shape[:2]) <= 801
    assert min(image.shape[:2]) >= 100


def test_the_same_districts_give_the_same_bytes():
    first, second = (draw_choropleth(districts([0.1], [0.1]), read_ramp(), "t", "f") for _ in range(2))
    assert first == second
