"""Backbones and where their weights come from."""

import subprocess
import sys

import pytest
import safetensors.torch
import torch
from rankscape.foundation.errors import WeightsError
from rankscape.models import published
from rankscape.models.backbones import check_input, create_backbone, find_weights
from workflow_copy import PATIENCE_S

ARCHITECTURE = "test_resnet"


@pytest.mark.parametrize("channels", [1, 3, 4, 6])
def test_images_become_vectors(channels):
    backbone = create_backbone(ARCHITECTURE, "random", channels, seed=0)
    with torch.inference_mode():
        features = backbone(torch.zeros(2, channels, 32, 32))
    assert features.shape == (2, backbone.num_features)
    assert not backbone.training


def test_width_is_that_of_the_vector_where_a_network_widens_before_its_classifier():
    backbone = create_backbone("mobilenetv3_small_050", "random", 3, seed=0)
    with torch.inference_mode():
        assert backbone(torch.zeros(1, 3, 32, 32)).shape[1] == backbone.num_features


def test_the_seed_decides_and_the_callers_chance_is_left_alone():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = create_backbone(ARCHITECTURE, "random", 3, seed=5).state_dict()
    assert torch.equal(torch.rand(1), expected)
    second, other = (create_backbone(ARCHITECTURE, "random", 3, seed=s).state_dict() for s in (5, 6))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["conv1.0.weight"], other["conv1.0.weight"])


@pytest.fixture
def published_file(tmp_path):
    """Weights as timm publishes them: three channels, with a classifier."""
    tensors = dict(create_backbone(ARCHITECTURE, "random", 3, seed=9).state_dict())
    width = create_backbone(ARCHITECTURE, "random", 3, seed=9).num_features
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({**tensors, "fc.weight": torch.zeros(10, width), "fc.bias": torch.zeros(10)}, path)
    return path


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_file_gives_its_weights_and_its_first_layer_fits_the_channels(published_file, channels):
    backbone = create_backbone(ARCHITECTURE, str(published_file), channels, seed=0)
    given = safetensors.torch.load_file(published_file)
    own = backbone.state_dict()
    assert all(torch.equal(own[name], given[name]) for name in own if name != "conv1.0.weight")
    assert own["conv1.0.weight"].shape[1] == channels
    if channels == 1:
        torch.testing.assert_close(own["conv1.0.weight"], given["conv1.0.weight"].sum(1, keepdim=True))


def test_weights_of_another_architecture_name_it_and_the_first_keys(published_file):
    with pytest.raises(WeightsError, match=r"no weights of resnet18 with 3 channels: missing \d+ \(.*, \.\.\.\)"):
        create_backbone("resnet18", str(published_file), 3, seed=0)


def test_weights_for_other_channels_are_of_another_shape(tmp_path):
    path = tmp_path / "four.safetensors"
    safetensors.torch.save_file(create_backbone(ARCHITECTURE, "random", 4, seed=0).state_dict(), path)
    with pytest.raises(WeightsError, match=r"of another shape 1 \(conv1\.0\.weight\)"):
        create_backbone(ARCHITECTURE, str(path), 3, seed=0)


def test_unknown_names_and_files():
    with pytest.raises(WeightsError, match=r"'resnet17' is no model of timm .* near: \['resnet18'"):
        create_backbone("resnet17", "random", 3, seed=0)
    with pytest.raises(WeightsError, match="is no file"):
        find_weights(ARCHITECTURE, "somewhere/else.safetensors")
    with pytest.raises(WeightsError, match="does not take images of 64 px"):
        check_input(create_backbone("vit_tiny_patch16_224", "random", 3, seed=0), 3, 64, "vit")
    with pytest.raises(WeightsError, match="publishes no ImageNet weights"):
        find_weights("coatnet_0_224", "imagenet")
    assert find_weights(ARCHITECTURE, "random") is None


@pytest.fixture
def empty_hub(monkeypatch, tmp_path):
    """A hub's cache without files, and a hub that nobody serves."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(
        published.huggingface_hub, "hf_hub_url", lambda *args, **kwargs: "http://127.0.0.1:9/model.safetensors"
    )
    return tmp_path / "hub"


def test_imagenet_weights_that_cannot_be_had_say_how_to_get_them(empty_hub):
    with pytest.raises(WeightsError) as told:
        create_backbone("resnet18", "imagenet", 3, seed=0)
    message = str(told.value)
    for part in ("resnet18", "cannot be downloaded", "model.safetensors of timm/resnet18", "adapt.weights: random"):
        assert part in message
    assert len(message.splitlines()) == 1


def test_imagenet_weights_in_the_cache_need_no_network(empty_hub, published_file):
    folder = empty_hub / "models--timm--test_resnet.r160_in1k"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    (snapshot / "model.safetensors").write_bytes(published_file.read_bytes())
    backbone = create_backbone(ARCHITECTURE, "imagenet", 3, seed=0)
    given = safetensors.torch.load_file(published_file)
    assert torch.equal(backbone.state_dict()["conv1.0.weight"], given["conv1.0.weight"])


def test_a_torchvision_whose_operators_are_missing_is_mended_once(tmp_path):
    """The one import that fails on a PyTorch without CUDA, whatever torchvision is installed here."""
    (tmp_path / "torchvision.py").write_text(
        "import torch\n"
        "if not hasattr(torch.ops.torchvision, 'nms'):\n"
        "    raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    (tmp_path / "timm.py").write_text("import torchvision\n__version__ = 'mended'\n")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from rankscape.models.backbones import _timm\n"
        "assert _timm().__version__ == 'mended' == _timm().__version__\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=PATIENCE_S)


def test_other_failures_of_the_import_are_not_hidden(tmp_path):
    (tmp_path / "timm.py").write_text("raise RuntimeError('something else')\n")
    program = "import sys; sys.path.insert(0, sys.argv[1])\nfrom rankscape.models.backbones import _timm\n_timm()\n"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert "something else" in done.stderr
