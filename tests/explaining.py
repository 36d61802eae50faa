"""Networks and models for tests of dense scores and saliency."""

from collections.abc import Iterable

import numpy as np
import torch
from rankscape.models.backbones import create_backbone
from rankscape.models.preparation import Preparation
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.network import Link, Part, ScoreNetwork

CPU = torch.device("cpu")
torch.set_num_threads(1)  # networks as small as these only wait for each other's threads
BANDS = ("B04", "B03", "B02")


def network_of(architecture: str, seed: int = 0, strength: float = 1.0, link: Link = "sigmoid") -> ScoreNetwork:
    """A network with a random head, or with random filters where it has none yet."""
    network = ScoreNetwork(create_backbone(architecture, "random", 3, seed), link).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, buffer in network.backbone.named_buffers():
        if name == "filters":
            buffer.copy_(torch.randn(buffer.shape, generator=generator))
    with torch.no_grad():
        network.head.weight.copy_(torch.randn(network.head.weight.shape, generator=generator) * strength)
    return network


class Corner(torch.nn.Module):
    """A backbone whose features are the mean brightness of each square of 32 px, and its negative."""

    num_features = 2

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        seen = torch.nn.functional.avg_pool2d(images.mean(1, keepdim=True), 32)
        return torch.cat([seen, -seen], 1)

    def forward_head(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.mean((2, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(images))


def bright_network(raises: float, link: Link = "sigmoid") -> ScoreNetwork:
    """A network whose score rises (or falls) with brightness, and with nothing else."""
    network = ScoreNetwork(Corner(), link).eval()
    with torch.no_grad():
        network.head.weight.copy_(torch.tensor([[raises / 2, -raises / 2]]))
    return network


def model_of(
    networks: Iterable[ScoreNetwork], architecture: str = "invented", *, input_px: int = 64, patch_px: int = 64
) -> ScoreModel:
    """A model that sees the colours as they are."""
    return ScoreModel((_part_of(tuple(networks), architecture, input_px),), "uint8", patch_px)


def auxiliary_model_of(input_px: tuple[int, int] = (96, 128), *, patch_px: int = 64) -> ScoreModel:
    """A model of two networks, and of an auxiliary model of random convolutions that sees images at another size."""
    name, own = "random-convolutions-3px-4", [network_of("test_resnet", seed, 3.0) for seed in range(2)]
    auxiliary = network_of(name, 5, 0.1, "clip")
    torch.nn.init.constant_(auxiliary.head.bias, 0.5)
    parts = _part_of(tuple(own), "test_resnet", input_px[0], 0.75), _part_of((auxiliary,), name, input_px[1], 0.25)
    return ScoreModel(parts, "uint8", patch_px)


def _part_of(networks: tuple[ScoreNetwork, ...], architecture: str, input_px: int, weight: float = 1.0) -> Part:
    preparation = Preparation(input_px, "rgb", "none", (0.0,) * 3, (1.0,) * 3, BANDS)
    return Part(networks, architecture, preparation, tuple(range(len(networks))), weight)


def noise(count: int, side: int, seed: int = 0) -> np.ndarray:
    """Images of noise whose brightness differs from place to place, uint8, shape (count, side, side, 3)."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(1, 255, (count, side // 16, side // 16, 3)).repeat(16, 1).repeat(16, 2)
    return np.clip(coarse + generator.normal(0, 20, (count, side, side, 3)), 1, 255).astype(np.uint8)
