"""Random convolutional features against the paper's construction, computed again with loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.foundation.errors import WeightsError
from rankscape.models.backbones import create_backbone, find_weights
from rankscape.models.convolutions import Form, RandomConvolutions, form_of, whitened_filters
from rankscape.models.preparation import fit_preparation
from torch.utils._python_dispatch import TorchDispatchMode

CHANNELS = 2


def squares(count=9, size=3, channels=CHANNELS, seed=0):
    return np.random.default_rng(seed).random((count, channels, size, size), np.float32)


def pictures(count=4, height=8, width=7, channels=CHANNELS, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).random((count, channels, height, width), np.float32))


def network(extras="", size=3, count=9, channels=CHANNELS, **more):
    """Random convolutions with filters of chance squares."""
    form = form_of(f"random-convolutions-{size}px-{count}{extras}")
    made = RandomConvolutions(form, channels, **more)
    made.filters.copy_(torch.from_numpy(whitened_filters(squares(count, size, channels))))
    return made.eval()


def filters_by_loops(patches):
    """Filters as the paper and its code make them: eigenvectors, patch by patch."""
    rows = []
    for patch in patches:
        flat = patch.astype(np.float64).ravel()
        flat = flat - sum(flat) / len(flat)
        norm = sum(value**2 for value in flat) ** 0.5
        rows.append(flat / (1.0 if norm < 1e-8 else norm))
    covariance = sum(np.outer(row, row) for row in rows) / len(rows)
    values, vectors = np.linalg.eigh(covariance)
    whitening = sum(np.outer(v, v) / (value + 1e-3) ** 0.5 for value, v in zip(values, vectors.T, strict=True))
    return np.array([whitening @ (whitening @ row) for row in rows]).reshape(patches.shape)


def features_by_loops(picture, filters):
    """Mean and root mean square of both halves of every filter's answers, each of shape (2, filters)."""
    size = filters.shape[-1]
    means, roots = np.zeros((2, 2, len(filters)))
    for number, one in enumerate(filters):
        answers = [
            float((picture[:, row : row + size, col : col + size] * one).sum())
            for row in range(picture.shape[1] - size + 1)
            for col in range(picture.shape[2] - size + 1)
        ]
        for half, sign in enumerate((1, -1)):
            kept = [max(sign * answer, 0.0) for answer in answers]
            means[half, number] = sum(kept) / len(kept)
            roots[half, number] = (sum(value**2 for value in kept) / len(kept)) ** 0.5
    return means, roots


@pytest.mark.parametrize(("size", "channels"), [(1, 4), (2, 1), (3, 3)])
def test_filters_are_those_of_the_paper(size, channels):
    patches = squares(40, size, channels)
    np.testing.assert_allclose(whitened_filters(patches), filters_by_loops(patches), rtol=1e-4, atol=1e-4)


def test_flat_patches_give_filters_of_zeros_and_spoil_no_other():
    patches = squares(6)
    patches[2] = 0.25
    filters = whitened_filters(patches)
    assert (filters[2] == 0).all()
    np.testing.assert_allclose(filters, filters_by_loops(patches), rtol=1e-4, atol=1e-4)


def test_features_are_those_of_the_paper():
    made = network()
    seen, images = made(pictures()).numpy(), pictures().double().numpy()
    expected = [features_by_loops(image, filters_by_loops(squares()))[0].ravel() for image in images]
    assert seen.shape == (4, 18) == (4, made.num_features)
    np.testing.assert_allclose(seen, expected, rtol=1e-4, atol=1e-4)


def test_root_mean_squares_stand_after_the_means_and_logarithms_are_taken_of_all():
    filters = filters_by_loops(squares())
    expected = np.array(
        [np.concatenate([part.ravel() for part in features_by_loops(image, filters)]) for image in pictures().numpy()]
    )
    np.testing.assert_allclose(network("-rms")(pictures()).numpy(), expected, rtol=1e-4, atol=1e-4)
    logarithms = network("-rms-log")(pictures()).numpy()
    np.testing.assert_allclose(logarithms, np.log(expected + 0.001), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation_mb", [0, 0.001, 0.01, 1000])
@pytest.mark.parametrize("extras", ["", "-rms", "-log"])
def test_pieces_give_the_same_as_the_whole(extras, activation_mb):
    whole = network(extras)(pictures(11))
    pieces = network(extras, activation_mb=activation_mb)(pictures(11))
    np.testing.assert_allclose(pieces.numpy(), whole.numpy(), rtol=1e-5, atol=1e-6)


class Largest(TorchDispatchMode):
    """Remember the largest tensor that any operation makes, views of what was given apart."""

    def __init__(self, given):
        super().__init__()
        self.given, self.most_bytes = given.untyped_storage().data_ptr(), 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() != self.given:
                self.most_bytes = max(self.most_bytes, tensor.numel() * tensor.element_size())
        return result


def test_no_responses_take_more_memory_than_allowed():
    images = pictures(20, 34, 34)
    with Largest(images) as seen, torch.inference_mode():
        network("-rms", count=40, activation_mb=0.25)(images)
    all_at_once = 20 * 40 * 32 * 32 * 4
    assert seen.most_bytes <= 0.25 * 2**20 < all_at_once
    with Largest(images) as seen, torch.inference_mode():
        network("-rms", count=40, activation_mb=1000)(images)
    assert seen.most_bytes >= all_at_once
    with Largest(images) as seen, torch.inference_mode():
        network("-rms", count=80)(images)
    assert seen.most_bytes <= 4 * 2**20 < 2 * all_at_once


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.floats(0.5, 2), st.floats(-0.02, 0.02)), min_size=3, max_size=3))
def test_gain_and_offset_of_a_band_change_nothing_with_normalisation_each(changes):
    land = (0.1 + 0.1 * np.random.default_rng(3).random((3, 12, 12, 3))).astype(np.float32)
    preparation = fit_preparation([], ("B04", "B03", "B02"), input_px=12, colour="rgb", normalisation="each")
    gain, offset = np.array(changes, np.float32).T
    made = network("-rms-log", channels=3)
    before, after = (made(preparation.tensor(patches)).numpy() for patches in (land, land * gain + offset))
    np.testing.assert_allclose(after, before, rtol=1e-2, atol=1e-2)


def test_reduced_precision_around_it_changes_nothing():
    made, images = network("-log"), pictures()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(made(images), made(images.float()))
        assert made(images).dtype == torch.float32
    assert torch.equal(made(images), network("-log")(images))


def test_slopes_are_finite_also_where_a_filter_is_silent():
    made, images = network("-rms-log"), pictures().requires_grad_()
    made.filters[0] = 0
    made(images).sum().backward()
    assert torch.isfinite(images.grad).all()
    assert images.grad.any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same():
    made = network("-rms", activation_mb=0.01)
    np.testing.assert_allclose(
        network("-rms").cuda()(pictures().cuda()).cpu().numpy(), made(pictures()).numpy(), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("random-convolutions-3px-128", Form(3, 128)),
        ("random-convolutions-32px-65536-log", Form(32, 65536, log=True)),
        ("random-convolutions-1px-1-standard-log-rms", Form(1, 1, rms=True, log=True, standard=True)),
    ],
)
def test_names_say_what_to_make(name, form):
    assert form_of(name) == form
    assert form_of(form.name) == form
    assert form.features == form.filters * (4 if form.rms else 2)


@pytest.mark.parametrize(
    "wrong",
    ["", "-3-128", "-3px", "-0px-128", "-33px-128", "-3px-0", "-3px-65537", "-3px-8-loud", "-3px-8-log-log", "-3px-8-"],
)
def test_names_that_cannot_be_read_say_how_to_write_them(wrong):
    with pytest.raises(WeightsError, match=r"cannot be read: write random-convolutions-3px-128 for") as told:
        create_backbone(f"random-convolutions{wrong}", "random", 3, seed=0)
    assert len(str(told.value).splitlines()) == 1


def test_other_families_are_none_of_ours():
    assert form_of("resnet18") is None


def test_without_filters_it_does_not_run_and_says_where_to_get_some():
    made = create_backbone("random-convolutions-3px-8", "random", 3, seed=0)
    assert isinstance(made, RandomConvolutions)
    assert not made.fitted
    assert not list(made.parameters())
    with pytest.raises(WeightsError, match="has no filters yet"):
        made(torch.zeros(1, 3, 8, 8))
    with pytest.raises(WeightsError, match=r"has no ImageNet weights: set adapt.weights to `random`"):
        find_weights("random-convolutions-3px-8", "imagenet")
