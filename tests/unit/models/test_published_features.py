"""Random convolutional features against values of the paper's own code and of other packages."""

import numpy as np
import pytest
import torch
from rankscape.models.backbones import create_backbone
from rankscape.models.convolutions import RandomConvolutions, banks_of, forms_of, whitened_filters


def images():
    """The two pictures that the published values were computed for, float32, shape (2, 3, 256, 256)."""
    k, y, x = np.ogrid[:3, :256, :256]
    waves = 0.5 + 0.25 * np.sin(0.11 * (k + 1) * x + 0.07 * y) + 0.25 * np.cos(0.05 * (k + 2) * y - 0.03 * x)
    numbers = ((3 * y**2 + 5 * x**2 + 7 * x * y + 11 * k * x + 13 * k * y + 17 * k) % 256) / 255
    return np.stack([waves, numbers]).astype(np.float32)


def windows():
    waves, numbers = images()
    cut = [
        (waves if i % 2 == 0 else numbers)[:, (37 * i) % 254 :, (53 * i + 11) % 254 :][:, :3, :3] for i in range(198)
    ]
    return np.stack([*cut, np.full((3, 3, 3), 0.25), np.zeros((3, 3, 3))]).astype(np.float32)


def features(filters, extras="", seen=None):
    (form,) = forms_of(f"random-convolutions-3px-{len(filters)}{extras}")
    network = RandomConvolutions(form, 3)
    network.filters.copy_(torch.from_numpy(filters))
    with torch.inference_mode():
        return network(torch.from_numpy(images() if seen is None else seen)).numpy()


def far(found, wanted):
    return np.abs(found - wanted).max() / np.abs(wanted).max()


@pytest.fixture
def mosaiks(shared):
    return np.load(shared / "golden/embeddings/mosaiks_features.npz")


@pytest.mark.shared
def test_the_paper_s_filters(mosaiks):
    assert windows().sum(dtype=float) == pytest.approx(float(mosaiks["patch_sum"]), rel=1e-6)
    filters = whitened_filters(windows())
    assert far(filters, mosaiks["filters_closed_form"]) < 1e-6
    assert far(features(filters), mosaiks["features_bias0"]) < 2e-4


@pytest.mark.shared
@pytest.mark.parametrize(
    ("extras", "key"), [("", "features_bias0"), ("", "features_bias0_float64"), ("-bias0.5", "features_bias05")]
)
def test_the_paper_s_features(mosaiks, extras, key):
    assert far(features(mosaiks["filters"], extras), mosaiks[key]) < 1e-5


@pytest.mark.shared
@pytest.mark.parametrize(
    ("extras", "key"), [("", "bias0"), ("-offset-1", "bias_minus1"), ("-offset-0.5", "bias_minus05")]
)
def test_torchgeo_s_features(shared, mosaiks, extras, key):
    peers = np.load(shared / "golden/embeddings/peers_rcf.npz")
    assert far(features(mosaiks["filters"], extras), peers[f"torchgeo_{key}"]) < 1e-5


@pytest.mark.shared
@pytest.mark.parametrize(("key", "stretched"), [("features", False), ("features_after_their_minmax", True)])
def test_idinsight_s_features(shared, key, stretched):
    peers, seen = np.load(shared / "golden/embeddings/peers_rcf.npz"), images()
    if stretched:  # by the least and largest value of all bands of an image
        least, most = (end(seen, axis=(1, 2, 3), keepdims=True) for end in (np.min, np.max))
        seen = (seen - least) / (most - least)
    found = features(peers["idinsight_weights"], "-offset-1", seen)
    assert far(found, peers[f"idinsight_{key}"]) < 1e-5


@pytest.mark.shared
def test_a_whitening_of_more_patches_than_become_filters(mosaiks):
    filters = whitened_filters(windows())[:40]
    assert far(filters, mosaiks["filters_closed_form"][:40]) < 1e-6
    assert far(whitened_filters(windows()[:40]), filters) > 0.1
    kept = np.r_[:40, 200:240]
    assert far(features(filters), mosaiks["features_bias0_float64"][:, kept]) < 2e-4


@pytest.mark.parametrize("extras", ["", "-bias0.5", "-bias-0.3", "-offset-1", "-bias0.2-offset0.1"])
def test_one_product_is_the_mean_of_the_answers(extras):
    (form,) = forms_of(f"random-convolutions-5px-700{extras}")
    network = RandomConvolutions(form, 2)
    chance = torch.Generator().manual_seed(3)
    network.filters.copy_(torch.randn(700, 2, 5, 5, generator=chance))
    seen = torch.rand(3, 2, 41, 23, generator=chance)
    answers = torch.nn.functional.conv2d(seen.double(), network.filters.double())
    high, low = form.thresholds
    plain = torch.cat([side.relu().mean((-2, -1)) for side in (answers - high, -answers - low)], 1)
    with torch.inference_mode():
        torch.testing.assert_close(network(seen).double(), plain, rtol=1e-5, atol=1e-6)
    slow = network(seen.requires_grad_())
    torch.testing.assert_close(slow.double(), plain, rtol=1e-5, atol=3e-6)


def test_filters_of_several_sizes_stand_side_by_side():
    name = "random-convolutions-4px-8+6px-5-log-bias0.5"
    network = create_backbone(name, "random", 3, 0)
    chance = torch.Generator().manual_seed(1)
    for bank in banks_of(network):
        bank.filters.copy_(torch.randn(bank.filters.shape, generator=chance))
    assert [form.name for form in forms_of(name)] == [
        "random-convolutions-4px-8-log-bias0.5",
        "random-convolutions-6px-5-log-bias0.5",
    ]
    seen = torch.rand(2, 3, 16, 16, generator=chance)
    assert network.num_features == 26
    torch.testing.assert_close(network(seen), torch.cat([bank(seen) for bank in banks_of(network)], 1))
