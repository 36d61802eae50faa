"""A score model is a weighted sum of parts, each with its own networks and preparation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rankscape.learning.processes import use_device
from rankscape.models.backbones import create_backbone
from rankscape.models.preparation import Preparation, channels_of
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.scoring.model import ScoreModel, read_model, write_model
from rankscape.studies.ranking.scoring.network import Part, ScoreNetwork, combine, read_part
from rankscape.studies.ranking.scoring.score_targets import Targets

from .conftest import ARCHITECTURE

CPU = torch.device("cpu")
BANDS = ("B04", "B03", "B02")
PATCHES = np.random.default_rng(5).integers(1, 256, (4, 16, 16, 3), np.uint8)


def invented_part(*seeds: int, weight: float = 1.0, input_px: int = 32, colour: str = "rgb", link: str = "sigmoid"):
    # More threads than free cores make small networks slow.
    use_device(0, 1)
    channels = channels_of(colour, len(BANDS))
    preparation = Preparation(input_px, colour, "each", (0.0,) * channels, (1.0,) * channels, BANDS)
    networks = []
    for seed in seeds:
        network = ScoreNetwork(create_backbone(ARCHITECTURE, "random", preparation.channels, seed), link)
        torch.nn.init.normal_(network.head.weight, 0, 0.1, generator=torch.Generator().manual_seed(seed))
        networks.append(network.eval())
    return Part(tuple(networks), ARCHITECTURE, preparation, seeds, weight)


def test_score_and_spread_of_one_part_are_mean_and_deviation_with_one_degree_less():
    score, std = combine(np.array([[0.2, np.nan], [0.4, np.nan]]), [invented_part(0, 1)])
    assert (score[0], std[0]) == pytest.approx((0.3, 0.02**0.5))
    assert np.isnan([score[1], std[1]]).all()
    alone = combine(np.array([[0.3, np.nan]]), [invented_part(0)])[1]
    assert alone[0] == 0
    assert np.isnan(alone[1])


def test_parts_are_added_by_weight_and_their_disagreement_is_spread():
    parts = [invented_part(0, 1, weight=0.75), invented_part(2, weight=0.25)]
    score, std = combine(np.array([[0.2], [0.4], [0.9]]), parts)
    assert score[0] == pytest.approx(0.75 * 0.3 + 0.25 * 0.9)
    assert std[0] ** 2 == pytest.approx(0.75 * (0.02 + 0.15**2) + 0.25 * 0.45**2)


def test_two_halves_of_one_part_score_as_the_whole():
    part = invented_part(0, 1)
    halves = [
        replace(part, networks=(network,), seeds=(seed,), weight=0.5) for seed, network in enumerate(part.networks)
    ]
    whole, split = ScoreModel((part,), "uint8", 16), ScoreModel(tuple(halves), "uint8", 16)
    scores = whole.score(PATCHES, CPU)
    assert scores.shape == (2, 4)
    assert np.ptp(scores) > 0.01
    np.testing.assert_array_equal(split.score(PATCHES, CPU), scores)
    np.testing.assert_allclose(split.combined(scores)[0], whole.combined(scores)[0], rtol=1e-6)


def test_images_of_any_size_are_prepared_one_by_one():
    model = ScoreModel((invented_part(0),), "uint8", 16)
    listed = model.score(list(PATCHES), CPU)
    np.testing.assert_allclose(listed, model.score(PATCHES, CPU), atol=1e-6)
    assert model.score([PATCHES[0], PATCHES[1][:9, :11]], CPU).shape == (1, 2)


def test_every_part_keeps_its_own_preparation_on_disk(tmp_path: Path):
    parts = (invented_part(0, 1, weight=0.7), invented_part(4, weight=0.3, input_px=40, colour="grey", link="clip"))
    parts[1].networks[0].limits.copy_(torch.tensor([0.25, 0.75]))
    model = ScoreModel(parts, "uint8", 16)
    targets = Targets(((0,), (1,)), {0: 1.0, 1: 0.0}, PartialOrder.from_levels(((0,), (1,))))
    write_model(tmp_path / "m.safetensors", model, targets, {})
    again = read_model(tmp_path / "m.safetensors", CPU)
    assert again.to_document() == model.to_document()
    assert [(p.weight, p.preparation.input_px, p.link) for p in again.parts] == [
        (0.7, 32, "sigmoid"),
        (0.3, 40, "clip"),
    ]
    scores = again.score(PATCHES, CPU)
    np.testing.assert_array_equal(scores, model.score(PATCHES, CPU))
    assert scores[2].min() >= 0.25
    assert scores[2].max() <= 0.75
    assert again.seen_bands == BANDS


def test_a_clipped_network_is_its_value_cut_to_its_limits():
    network = invented_part(3, link="clip").networks[0]
    network.limits.copy_(torch.tensor([0.1, 0.2]))
    values = torch.tensor([-1.0, 0.15, 3.0])
    assert network.bounded(values).tolist() == pytest.approx([0.1, 0.15, 0.2])
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(network(images), network.bounded(network.head(network.features(images)).squeeze(1)))


def test_a_backbone_that_networks_share_is_run_and_stored_once(tmp_path: Path):
    first, second = (invented_part(seed).networks[0] for seed in (0, 1))
    heads = ScoreNetwork(first.backbone)
    heads.head.load_state_dict(second.head.state_dict())
    part = replace(invented_part(0, 1), networks=(first, heads))
    calls = []
    first.backbone.register_forward_hook(lambda *_: calls.append(1))
    scores = part.scores(part.images(PATCHES), CPU)
    assert calls == [1]
    assert (part.is_shared, invented_part(0, 1).is_shared) == (True, False)
    assert [name for name in part.tensors() if name.startswith("1.")] == ["1.head.weight", "1.head.bias"]
    again = read_part(part.to_document(), part.tensors(), CPU, "float32", "here")
    assert again.is_shared
    np.testing.assert_array_equal(again.scores(part.images(PATCHES), CPU), scores)
    assert not np.array_equal(*scores)
