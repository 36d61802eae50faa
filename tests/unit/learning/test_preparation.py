"""One normalisation, the same wherever a network runs."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.foundation.errors import RasterError
from rankscape.models.preparation import IMAGENET_MEAN, IMAGENET_STD, Preparation, fit_preparation

BANDS = ("B04", "B03", "B02", "B08")


def noise(bands=4, side=16, count=5, dtype=np.float32, seed=0):
    values = np.random.default_rng(seed).random((count, side, side, bands))
    return (values * 0.3).astype(dtype) if dtype is np.float32 else (1 + values * 250).astype(dtype)


def prepared(patches, colour="rgb", normalisation="imagenet", input_px=16):
    return fit_preparation(
        [patches], BANDS[: patches.shape[-1]], input_px=input_px, colour=colour, normalisation=normalisation
    )


@pytest.mark.parametrize(("colour", "channels"), [("rgb", 3), ("all", 4), ("grey", 1)])
@pytest.mark.parametrize("normalisation", ["imagenet", "patches", "each", "none"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_input_has_the_shape_that_the_network_expects(colour, channels, normalisation, dtype):
    patches = noise(dtype=dtype)
    preparation = prepared(patches, colour, normalisation, input_px=32)
    tensor = preparation.tensor(patches)
    assert tensor.shape == (5, channels, 32, 32)
    assert tensor.dtype == torch.float32
    assert torch.isfinite(tensor).all()
    assert preparation.channels == channels


def test_description_survives_json(tmp_path):
    for colour in ("rgb", "all", "grey"):
        for normalisation in ("imagenet", "patches", "each", "none"):
            one = prepared(noise(), colour, normalisation)
            again = Preparation.from_document(json.loads(json.dumps(one.to_document())))
            assert again == one
            assert torch.equal(again.tensor(noise(seed=2)), one.tensor(noise(seed=2)))


def test_imagenet_gives_the_published_values_for_images():
    patches = np.zeros((1, 16, 16, 3), np.uint8)
    patches[..., 0], patches[..., 1], patches[..., 2] = 255, 102, 51
    tensor = prepared(patches).tensor(patches)
    expected = (np.array([1, 0.4, 0.2]) - IMAGENET_MEAN) / IMAGENET_STD
    np.testing.assert_allclose(tensor[0, :, 3, 3], expected, rtol=1e-6)


def test_without_normalisation_images_stay_as_bright_as_they_are():
    patches = noise(bands=3, dtype=np.uint8)
    tensor = prepared(patches, normalisation="none").tensor(patches)
    np.testing.assert_allclose(tensor.permute(0, 2, 3, 1).numpy(), patches / 255, rtol=1e-6)


def test_reflectance_and_its_image_look_alike_to_the_network():
    patches = noise(bands=3)
    image = np.round(patches / 0.3 * 255).astype(np.uint8)
    one = prepared(patches)
    np.testing.assert_allclose(one.tensor(patches), one.tensor(image), atol=0.01)


@pytest.mark.parametrize("colour", ["rgb", "all", "grey"])
def test_patches_gives_mean_0_and_deviation_1_over_all_that_was_seen(colour):
    patches = noise(count=40)
    tensor = prepared(patches, colour, "patches").tensor(patches)
    np.testing.assert_allclose(tensor.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(tensor.std((0, 2, 3)), 1, atol=1e-3)


def test_statistics_do_not_depend_on_the_pieces():
    patches = noise(count=12)
    whole = fit_preparation([patches], BANDS, input_px=16, colour="all", normalisation="patches")
    pieces = fit_preparation(np.split(patches, 4), BANDS, input_px=16, colour="all", normalisation="patches")
    np.testing.assert_allclose(whole.mean, pieces.mean, rtol=1e-9)
    np.testing.assert_allclose(whole.std, pieces.std, rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 3), st.floats(0, 0.5))
def test_each_does_not_see_the_light_of_the_day(gain, shift):
    patches = noise(bands=3)
    one = prepared(patches, normalisation="each")
    np.testing.assert_allclose(one.tensor(patches), one.tensor((patches * gain + shift).astype(np.float32)), atol=2e-3)


def test_each_does_not_blow_up_still_water():
    water = np.full((1, 16, 16, 3), 0.02, np.float32)
    water += np.random.default_rng(0).normal(0, 1e-5, water.shape).astype(np.float32)
    assert prepared(water, normalisation="each").tensor(water).abs().max() < 0.1


@pytest.mark.parametrize("normalisation", ["imagenet", "patches", "each"])
def test_pixels_without_data_take_the_mean(normalisation):
    patches = noise(bands=3)
    patches[0, :5] = np.nan
    tensor = prepared(patches, normalisation=normalisation).tensor(patches)
    assert (tensor[0, :, :5] == 0).all()
    assert (tensor[0, :, 5:] != 0).any()
    empty = np.full((1, 16, 16, 3), np.nan, np.float32)
    assert (prepared(patches, normalisation=normalisation).tensor(empty) == 0).all()


def test_black_bytes_are_no_data_but_a_dark_band_is_data():
    patches = noise(bands=3, dtype=np.uint8)
    patches[0, 0, 0], patches[0, 0, 1] = 0, (0, 9, 9)
    tensor = prepared(patches).tensor(patches)
    assert (tensor[0, :, 0, 0] == 0).all()
    assert (tensor[0, :, 0, 1] != 0).all()


def test_larger_patches_are_averaged_down():
    patches = np.zeros((1, 64, 64, 3), np.uint8)
    patches[:, ::2], patches[:, 1::2] = 100, 200
    one = prepared(patches, input_px=32)
    inner = one.tensor(patches)[0, 0, 4:-4, 4:-4] * IMAGENET_STD[0] + IMAGENET_MEAN[0]
    np.testing.assert_allclose(inner, 150 / 255, atol=0.1)
    assert one.tensor(patches)[0, 0].mean().item() == pytest.approx((150 / 255 - IMAGENET_MEAN[0]) / IMAGENET_STD[0])


def test_the_mapped_array_is_not_changed():
    patches = noise()
    before = patches.copy()
    patches.setflags(write=False)
    prepared(patches, "all", "each").tensor(patches)
    np.testing.assert_array_equal(patches, before)


def test_wrong_patches_are_refused():
    one = prepared(noise(), colour="all")
    with pytest.raises(RasterError, match="fitted to the 4 bands"):
        one.tensor(noise(bands=3))
    with pytest.raises(RasterError, match="type float64"):
        one.tensor(noise().astype(np.float64))
    with pytest.raises(RasterError, match="three bands at least"):
        prepared(noise(), "rgb").tensor(noise(bands=2))
    with pytest.raises(RasterError, match="no pixel with data"):
        prepared(np.full((2, 16, 16, 4), np.nan, np.float32), "all", "patches")


@pytest.mark.parametrize("colour", ["rgb", "all", "grey"])
@pytest.mark.parametrize("normalisation", ["imagenet", "patches", "none"])
def test_resizing_before_normalising_is_resizing_after_it(colour, normalisation):
    patches = noise(side=32)
    one = prepared(patches, colour, normalisation)
    whole = Preparation(**{**one.to_document(), "input_px": 32}).tensor(patches)
    after = torch.nn.functional.interpolate(whole, (16, 16), mode="bilinear", antialias=True)
    assert torch.allclose(one.tensor(patches), after, atol=1e-5)


def test_bytes_are_resized_to_within_a_step():
    patches = noise(bands=3, side=64, dtype=np.uint8)
    reflectance = (patches / np.float32(255) * np.float32(0.3)).astype(np.float32)
    one = prepared(patches, normalisation="none", input_px=24)
    assert (one.tensor(patches) - one.tensor(reflectance)).abs().max() < 1.01 / 255


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("normalisation", ["imagenet", "each"])
def test_resized_patches_are_patches_of_the_network_size(dtype, normalisation):
    patches = noise(side=32, dtype=dtype)
    patches[1, :9] = 0 if dtype == np.uint8 else np.nan
    one = prepared(patches, normalisation=normalisation)
    small = one.resized(patches)
    assert (small.shape, small.dtype) == ((5, 16, 16, 3), dtype)
    np.testing.assert_array_equal(one.resized(small), small)
    assert torch.equal(one.tensor(small), one.tensor(patches))
    assert torch.equal(one.normalised(one.values(torch.from_numpy(small))), one.tensor(patches))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_pixel_mostly_without_data_has_none_after_resizing(dtype):
    patches = noise(side=32, bands=3, dtype=dtype)
    patches[2, :9] = 0 if dtype == np.uint8 else np.nan
    one = prepared(patches)
    values = one.values(torch.from_numpy(one.resized(patches)))
    assert torch.isnan(values[2, :, :4]).all()
    assert torch.isfinite(values[2, :, 4:]).all()
    assert torch.isfinite(values[[0, 1, 3, 4]]).all()
    assert (one.tensor(patches)[2, :, :4] == 0).all()
    # The half row takes half the mean.
    larger = Preparation(**{**one.to_document(), "input_px": 64})
    assert torch.isnan(larger.values(torch.from_numpy(larger.resized(patches)))[2, :, :18]).all()


def test_dark_bytes_stay_data_when_resized():
    patches = np.ones((1, 32, 32, 3), np.uint8)
    patches[0, :, :, 1:] = 0
    patches[0, 0, 0] = 0
    one = prepared(patches)
    assert torch.isfinite(one.values(torch.from_numpy(one.resized(patches)))).all()


def test_each_gives_images_the_contrast_that_the_weights_know():
    patches = np.random.default_rng(3).integers(1, 255, (2, 32, 32, 3)).astype(np.uint8)
    one = fit_preparation(
        [], ("B04", "B03", "B02"), input_px=32, colour="rgb", normalisation="each", published=((0.5,) * 3, (0.5,) * 3)
    )
    seen = one.tensor(patches)
    for band, (mean, std) in enumerate(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)):
        assert seen[:, band].mean((1, 2)).numpy() == pytest.approx((mean - 0.5) / 0.5, abs=1e-5)
        assert seen[:, band].std((1, 2), correction=0).numpy() == pytest.approx(std / 0.5, abs=1e-5)
