"""The preview picture and the colour ramp."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rankscape.foundation.errors import InputError
from rankscape.products.maps.preview import draw_preview, metres_per_unit, readable_length, round_length
from rankscape.products.maps.ramp import read_ramp
from rankscape.products.maps.region_map import mosaic_surfaces
from rankscape.products.maps.surface import read_surface


@pytest.fixture
def region(granule):
    score = np.tile(np.linspace(0, 1, 12), (10, 1))
    score[4:6, 4:8] = np.nan
    return mosaic_surfaces([read_surface(*granule(score=score))], None, None)


def picture(region, longer_px=600):
    image = Image.open(io.BytesIO(draw_preview(region, read_ramp(), "Invented land", longer_px)))
    assert image.mode == "RGBA"
    return np.asarray(image)


def test_the_map_is_drawn_in_the_ramp_and_transparent_outside(region):
    image = picture(region)
    assert max(image.shape[:2]) == 600
    ramp = read_ramp()
    middle = image.shape[0] // 2
    colours = {tuple(colour) for colour in image[middle - 100].tolist()}
    assert {tuple(colour) for colour in ramp.rgba(region.values[0, 0]).tolist()} <= colours
    assert image[0, 0, 3] == 0
    hole = image[middle - 5 : middle + 5, image.shape[1] // 2 - 5 : image.shape[1] // 2 + 5]
    assert (hole[..., 3] == 0).all(), "no score, no colour"


def test_poor_is_left_in_the_legend_and_in_the_map(region):
    ramp = read_ramp()
    image = picture(region).astype(int)
    legend = image[-45:, : image.shape[1] // 2]
    poor, rich = (np.abs(legend - ramp.rgba(np.array(end))).max(axis=-1) <= 2 for end in (0.01, 0.99))
    assert np.nonzero(poor)[1].mean() < np.nonzero(rich)[1].mean()


@pytest.mark.parametrize("shape", [(3, 60), (60, 3), (1, 1)])
def test_pictures_of_any_shape_fit(granule, shape):
    region = mosaic_surfaces([read_surface(*granule(score=np.full(shape, 0.5)))], None, None)
    image = picture(region, 400)
    assert max(image.shape[:2]) == 400
    assert min(image.shape[:2]) >= 80


def test_many_granules_go_without_labels(granule):
    surfaces = [
        read_surface(*granule(f"g{i}", score=np.full((2, 2), 0.5), origin_m=(400_000.0 + 160 * i, 4_500_000.0)))
        for i in range(13)
    ]
    assert picture(mosaic_surfaces(surfaces, None, None)).any()


def test_ground_metres_follow_the_projection(granule):
    utm = mosaic_surfaces([read_surface(*granule(score=np.full((2, 2), 0.5)))], None, None)
    assert metres_per_unit(utm) == pytest.approx(1, abs=1e-3)
    place = {"origin_m": (14_000_000.0, 4_721_671.6), "crs": "EPSG:3857"}
    mercator = mosaic_surfaces([read_surface(*granule(score=np.full((2, 2), 0.5), **place))], None, None)
    assert metres_per_unit(mercator) == pytest.approx(np.cos(np.radians(39.0)), rel=0.005)


@given(st.floats(1e-3, 1e7))
def test_scale_bars_are_round_and_fit(most_m):
    length = round_length(most_m)
    assert length <= most_m < 2.5 * length * (1 + 1e-9)
    assert f"{length:e}"[0] in "125"


def test_lengths_read_well():
    assert [readable_length(metres) for metres in (320, 3430, 3429.9, 200_000)] == [
        "320 m",
        "3.43 km",
        "3.43 km",
        "200 km",
    ]


def test_the_ramp_grows_lighter_from_end_to_end():
    ramp = read_ramp()
    colours = ramp.rgba(np.linspace(0, 1, 200))
    lightness = colours[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > -0.5).all()
    assert ramp.hexes()[0] == "#440154"
    assert ramp.rgba(np.array([np.nan]))[0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("position\tred\tgreen\tblue\n0\t1\t2\t3\n", "no colour ramp"),
        ("position\tred\tgreen\tblue\n0\t1\t2\t3\n0.5\t1\t2\t3\n", "must rise from 0 to 1"),
        ("position\tred\tgreen\tblue\n0\t1\t2\t300\n1\t1\t2\t3\n", "colours lie in 0 to 255"),
        ("position\tred\tgreen\n0\t1\t2\n", "no colour ramp"),
        ("position\tred\tgreen\tblue\n0\tx\t2\t3\n", "no colour ramp"),
    ],
)
def test_wrong_ramps_are_refused(tmp_path, text, message):
    path = tmp_path / "ramp.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_ramp(path)


def test_a_missing_ramp_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="run Rankscape from a clone"):
        read_ramp(tmp_path / "ramp.tsv")
