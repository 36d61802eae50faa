"""The score network: a backbone and a linear head with a bounded output."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from rankscape.foundation.errors import WeightsError
from rankscape.learning.settings import Precision
from rankscape.models.backbones import create_backbone

Link = Literal["sigmoid", "clip"]
"""What bounds the head's output: a smooth curve, or a cut at the range of the targets."""
STEEPNESS = 5.0
"""Output 1 / (1 + exp(-5 x)) (the Sichuan report, 2024)."""


class ScoreNetwork(nn.Module):
    """Images to scores in [0, 1].

    Attributes:
        link: What bounds the output.
        limits: Smallest and largest score, float32, shape (2,); only of the link `clip`.
    """

    limits: Tensor

    def __init__(self, backbone: nn.Module, link: Link = "sigmoid") -> None:
        """Make a network that gives every image the same score.

        Args:
            backbone: Images to features.
            link: What bounds the output.
        """
        super().__init__()
        self.backbone, self.link = backbone, link
        # Every score starts at one half, and only the features that prove useful pull it away. A head of random
        # weights would start where the steep output is flat.
        self.head = nn.utils.skip_init(nn.Linear, int(backbone.num_features), 1)  # type: ignore[arg-type,no-untyped-call]
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        if link == "clip":
            self.register_buffer("limits", torch.tensor([0.0, 1.0]))
        self._is_fast = False

    def use(self, precision: Precision) -> None:
        """Compute the features in this precision; the weights stay float32, and so does the head.

        `bfloat16` is mixed precision as PyTorch's autocast does it, with pictures and weights laid out by channels
        last, which its kernels prefer. A score in bfloat16 itself would have steps of 0.004.
        """
        self._is_fast = precision == "bfloat16"
        if self._is_fast:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Score images.

        Args:
            images: Prepared images, float32, shape (n, channels, height, width).

        Returns:
            Scores in [0, 1], float32, shape (n,).
        """
        return self.judged(self.features(images))

    def judged(self, features: Tensor) -> Tensor:
        """Score images by their features, shape (n, dims)."""
        return self.bounded(self.head(features).squeeze(1))

    def bounded(self, values: Tensor) -> Tensor:
        """Turn values of the head, of any shape, into scores: 1 / (1 + exp(-5 x)), or x cut to the limits."""
        if self.link == "clip":
            return values.clamp(self.limits[0], self.limits[1])
        return torch.sigmoid(STEEPNESS * values)

    def rescale(self, slope: float, shift: float) -> None:
        """Turn every score s into sigmoid(slope * logit(s) + shift), for this link; only the head's numbers change."""
        with torch.no_grad():
            self.head.weight.mul_(slope)
            self.head.bias.mul_(slope).add_(shift / STEEPNESS)

    def features(self, images: Tensor) -> Tensor:
        """Return what the backbone sees, float32, shape (n, dims), computed in the precision of `use`."""
        if not self._is_fast:
            features: Tensor = self.backbone(images)
            return features
        with torch.autocast(images.device.type, torch.bfloat16):
            fast: Tensor = self.backbone(images.contiguous(memory_format=torch.channels_last))
        return fast.float()


def start_network(architecture: str, weights: str, channels: int, seed: int) -> ScoreNetwork:
    """Make a network to train.

    Args:
        architecture: Name of the backbone.
        weights: Path of an adapted backbone, or `random`.
        channels: Channels of the images.
        seed: Seed of random weights.

    Raises:
        WeightsError: If the weights are not those of the architecture.
    """
    return ScoreNetwork(create_backbone(architecture, weights, channels, seed))


def load_tensors(network: ScoreNetwork, tensors: Mapping[str, Tensor], architecture: str, origin: str) -> None:
    """Put weights into a network.

    Raises:
        WeightsError: If a tensor is missing, too many, or of another shape; the message names it.
    """
    own = network.state_dict()
    missing, strange = sorted(set(own) - set(tensors)), sorted(set(tensors) - set(own))
    shapes = [n for n in sorted(own) if n in tensors and own[n].shape != tensors[n].shape]
    if missing or strange or shapes:
        fault = (
            f"lacks {missing[0]}"
            if missing
            else f"has {strange[0]}, which {architecture} has not"
            if strange
            else f"has {shapes[0]} of shape {tuple(tensors[shapes[0]].shape)}, not {tuple(own[shapes[0]].shape)}"
        )
        raise WeightsError(f"{origin} does not hold the weights of {architecture}: it {fault}. Make it again.")
    network.load_state_dict(dict(tensors))


def freeze_batch_norm(network: nn.Module) -> None:
    """Let batch normalisation use its stored means and deviations also while training."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
