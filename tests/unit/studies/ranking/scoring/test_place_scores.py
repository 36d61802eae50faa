"""Scores of places: they agree with the score of the image, for every kind of network and link."""

from dataclasses import replace

import pytest
import torch
from explaining import bright_network, model_of, network_of
from rankscape.foundation.errors import WeightsError
from rankscape.models.backbones import create_backbone
from rankscape.models.feature_maps import at_each_place, feature_map, pooled
from rankscape.studies.ranking.explanations.place_scores import agreeing, link_of, local_scores, places_a_side, sights

ARCHITECTURES = ["test_resnet", "test_convnext", "mobilenetv3_small_050", "random-convolutions-3px-6-rms-log-standard"]


def images(count: int = 3, side: int = 96, seed: int = 0) -> torch.Tensor:
    return torch.rand((count, 3, side, side), generator=torch.Generator().manual_seed(seed))


def scored(network, images, cells=None):
    """Scores of images and of their places."""
    with torch.inference_mode():
        return local_scores(network, feature_map(network.backbone, images), cells)


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "random-convolutions-5px-6"])
def test_the_places_of_an_image_agree_with_its_score(architecture):
    network = network_of(architecture, strength=0.3)
    scores, places = scored(network, images())
    assert scores.numpy() == pytest.approx(network(images()).detach().numpy(), abs=1e-5)
    assert places.shape == (3, 3, 3)
    assert places.mean((1, 2)).numpy() == pytest.approx(scores.numpy(), abs=1e-6)
    assert places.std((1, 2)).min() > 0


def test_places_are_interpolated_and_still_agree():
    scores, places = scored(network_of("test_resnet", strength=5.0), images(), cells=8)
    assert places.shape == (3, 8, 8)
    assert places.mean((1, 2)).numpy() == pytest.approx(scores.numpy(), abs=1e-6)


def test_without_the_shift_steep_scores_would_not_agree():
    link = link_of(network_of("test_resnet", strength=30.0))
    values = torch.tensor([[[3.0, -0.5], [-0.5, -0.5]]], dtype=torch.float64)
    whole = values.mean((1, 2))
    assert abs(float(link.apply(values).mean() - link.apply(whole))) > 0.1
    moved = agreeing(values, whole, link)
    assert float(link.apply(moved).mean()) == pytest.approx(float(link.apply(whole)), abs=1e-9)
    shifts = (moved - values).unique()
    assert float(shifts.max() - shifts.min()) < 1e-9, "every place moves by the same value"


@pytest.mark.parametrize("whole", [-0.4, 0.0, 0.3, 1.0, 1.7])
def test_a_clipped_value_agrees_also_at_its_ends(whole):
    link = link_of(bright_network(1.0, "clip"))
    values = torch.linspace(-2, 3, 16, dtype=torch.float64).reshape(1, 4, 4)
    aim = link.apply(torch.tensor([whole], dtype=torch.float64))
    scores = link.apply(agreeing(values, torch.tensor([whole], dtype=torch.float64), link))
    assert float(scores.mean()) == pytest.approx(float(aim), abs=1e-6)


def test_a_network_may_carry_another_link():
    network = bright_network(1.0, "clip")
    assert link_of(network).slope == 1
    scores, places = scored(network, images(side=64))
    assert scores.numpy() == pytest.approx(images(side=64).mean((1, 2, 3)).numpy(), abs=1e-6)
    assert places.shape == (3, 2, 2)


@pytest.mark.parametrize("architecture", ["test_vit", "test_mambaout"])
def test_a_backbone_without_a_map_of_places_is_refused(architecture):
    backbone = create_backbone(architecture, "random", 3, 0)
    with pytest.raises(WeightsError, match="keeps no map of features by place"):
        feature_map(backbone, images(1, 160))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_maps_lead_to_the_features_of_the_backbone(architecture):
    backbone = network_of(architecture).backbone
    with torch.inference_mode():
        maps = feature_map(backbone, images())
        expected = backbone(images())
        assert torch.allclose(pooled(backbone, maps), expected, atol=1e-4)
        flat = maps.mean((2, 3), keepdim=True).expand(-1, -1, 2, 2)
        assert torch.allclose(at_each_place(backbone, flat)[:, 1, 0], pooled(backbone, flat), atol=1e-4)


def test_cells_of_random_convolutions_are_means_of_equal_parts():
    backbone = network_of("random-convolutions-3px-4").backbone
    image = images(1, 98)
    with torch.inference_mode():
        cells, plain = feature_map(backbone, image), backbone(image)
        responses = torch.nn.functional.conv2d(image, backbone.filters).relu()
    assert cells.shape == (1, 8, 3, 3)
    assert torch.allclose(cells.mean((2, 3)), plain, atol=1e-5)
    assert torch.allclose(cells[0, :4, 0, 2], responses[0, :, :32, 64:].mean((1, 2)), atol=1e-5)


def test_networks_of_one_backbone_see_together_in_the_order_of_the_model():
    first, second = model_of([bright_network(1.0), bright_network(2.0)]), model_of([bright_network(-1.0)])
    twin = bright_network(3.0)
    twin.backbone = second.networks[0].backbone
    shared = replace(second.parts[0], networks=(*second.networks, twin), seeds=(0, 1))
    model = replace(first, parts=(*first.parts, shared))
    found = sights(model)
    assert [len(sight.networks) for sight in found] == [1, 1, 2]
    assert tuple(network for sight in found for network in sight.networks) == model.networks
    assert places_a_side(found[0]) == 2
