"""Features of all resolutions of a network."""

import pytest
import torch
from rankscape.foundation.errors import WeightsError
from rankscape.models.backbones import create_backbone, published_statistics
from rankscape.models.feature_maps import Levels, at_each_place, feature_map, pooled
from safetensors.torch import save_file


def images(side=64, count=2):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def network():
    return create_backbone("resnet10t+levels", "random", 3, 0)


def test_features_are_means_and_deviations_of_the_maps_of_every_resolution(network):
    plain = create_backbone("resnet10t", "random", 3, 0)
    with torch.inference_mode():
        maps = plain.forward_intermediates(images(), intermediates_only=True)
        found = network(images())
    means = torch.cat([one.mean((2, 3)) for one in maps], 1)
    deviations = torch.cat([one.std((2, 3), correction=0) for one in maps], 1)
    assert found.shape == (2, network.num_features)
    assert torch.allclose(found, torch.cat([means, deviations], 1), atol=1e-4)


def test_places_lead_to_the_features_of_the_image(network):
    with torch.inference_mode():
        maps = feature_map(network, images(96))
        assert maps.shape == (2, network.num_features, 3, 3)
        assert torch.allclose(pooled(network, maps), network(images(96)), atol=1e-4)
        assert at_each_place(network, maps).shape == (2, 3, 3, network.num_features)


def test_making_one_leaves_batch_normalisation_as_it_came():
    assert create_backbone("resnet10t+levels", "random", 3, 0).network.bn1.running_mean.abs().max() == 0


def test_weights_come_back_from_a_file_and_from_the_package(network, tmp_path):
    file = tmp_path / "backbone.safetensors"
    save_file({f"backbone.{name}": tensor for name, tensor in network.state_dict().items()}, file)
    again = create_backbone("resnet10t+levels", str(file), 3, 7)
    packaged = create_backbone("tf_efficientnet_lite0+levels", "packaged", 3, 0)
    with torch.inference_mode():
        assert torch.equal(again(images()), network(images()))
        assert packaged(images()).std() > 0.1
    assert published_statistics("tf_efficientnet_lite0+levels")[0] == (0.5, 0.5, 0.5)


def test_all_that_is_left_of_a_network_can_be_trained(network):
    trained = create_backbone("tf_efficientnet_lite0+levels", "random", 3, 0).train()
    trained(images()).sum().backward()
    assert all(parameter.grad is not None for parameter in trained.parameters())


def test_weights_of_another_architecture_are_refused(network, tmp_path):
    file = tmp_path / "backbone.safetensors"
    save_file({f"backbone.{name}": tensor for name, tensor in network.state_dict().items()}, file)
    with pytest.raises(WeightsError, match=r"holds no weights of resnet18\+levels"):
        create_backbone("resnet18+levels", str(file), 3, 0)


def test_unknown_networks_are_named_with_near_ones():
    with pytest.raises(WeightsError, match="'resnet19' is no model of timm"):
        create_backbone("resnet19+levels", "random", 3, 0)


class Flat(torch.nn.Module):
    """A network whose maps are not laid out by place."""

    def forward_intermediates(self, images, intermediates_only):
        return [images.flatten(2)]


def test_a_network_without_maps_by_place_is_refused():
    with pytest.raises(WeightsError, match="are not laid out by place"):
        Levels(Flat(), 3, "flat+levels")
