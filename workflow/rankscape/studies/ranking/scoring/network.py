"""The score network, a backbone and a linear head with a bounded output; and parts of a model, networks of one kind."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from rankscape.foundation.errors import WeightsError
from rankscape.learning.augmentation import square_views
from rankscape.learning.settings import Precision
from rankscape.models.backbones import OWN_PREFIX, create_backbone
from rankscape.models.preparation import Preparation
from rankscape.models.weights import under

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

        `bfloat16` is mixed precision as PyTorch's autocast does it, with images and weights laid out by channels
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


@dataclass(frozen=True)
class Part:
    """Networks of one kind, one a seed."""

    networks: tuple[ScoreNetwork, ...]
    """One network a seed, all of one architecture and link."""
    architecture: str
    """Name of the backbone."""
    preparation: Preparation
    """How images become the networks' input."""
    seeds: tuple[int, ...]
    """Seed of each network."""
    weight: float = 1.0
    """Share of the part's mean score in the model's score; the weights of a model's parts sum to 1."""

    @property
    def link(self) -> Link:
        """What bounds the networks' output."""
        return self.networks[0].link

    @property
    def is_shared(self) -> bool:
        """Whether all networks have one backbone, and differ in their heads alone."""
        return len(self.sharing) == 1

    @property
    def sharing(self) -> list[tuple[ScoreNetwork, ...]]:
        """The networks in their order, those that share a backbone together: it need run once for them."""
        return [tuple(run) for _, run in itertools.groupby(self.networks, key=lambda network: id(network.backbone))]

    def images(self, patches: np.ndarray | Sequence[np.ndarray]) -> Tensor:
        """Prepare patches, or images of any sizes, each of which is prepared by itself.

        Args:
            patches: Array of shape (n, height, width, bands), or n arrays of shape (height, width, bands).

        Returns:
            float32, shape (n, channels, input_px, input_px), on the CPU.
        """
        if isinstance(patches, np.ndarray):
            return self.preparation.tensor(patches)
        return torch.cat([self.preparation.tensor(one[None]) for one in patches])

    def scores(self, images: Tensor, device: torch.device, views: int = 1) -> np.ndarray:
        """Score prepared images with every network of the part.

        Args:
            images: What `images` returns.
            device: Device that holds the networks.
            views: Views of each image that its scores are the mean of: 1, 4 or 8 (`views.py`).

        Returns:
            float64 in [0, 1], shape (networks, n).
        """
        with torch.inference_mode():
            there = images.to(device)
            found = [self._seen(view).double().cpu().numpy() for view in square_views(there, views)]
        mean: np.ndarray = np.mean(found, axis=0)
        return mean

    def _seen(self, images: Tensor) -> Tensor:
        """Score one view of images, shape (networks, n)."""
        scores = []
        for run in self.sharing:
            features = run[0].eval().features(images)
            scores += [network.judged(features) for network in run]
        return torch.stack(scores)

    def to_document(self) -> dict[str, Any]:
        """Describe the part as JSON."""
        return {
            "architecture": self.architecture,
            "channels": self.preparation.channels,
            "preparation": self.preparation.to_document(),
            "seeds": list(self.seeds),
            "weight": self.weight,
            "link": self.link,
            "shared_backbone": self.is_shared,
        }

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights of all networks, named `<number>.backbone.*` and so on; a shared backbone once."""
        return {
            f"{number}.{name}": tensor
            for number, network in enumerate(self.networks)
            for name, tensor in network.state_dict().items()
            if not (number and self.is_shared and name.startswith(OWN_PREFIX))
        }


def read_part(
    document: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device, precision: Precision, origin: str
) -> Part:
    """Make a part again from what `to_document` and `tensors` returned, its networks ready to score on a device.

    Raises:
        WeightsError: If the weights are not those of the architecture; the message names `origin`.
    """
    architecture, networks = str(document["architecture"]), []
    first = {name: tensor for name, tensor in under(tensors, "0.").items() if name.startswith(OWN_PREFIX)}
    backbone = None
    for number in range(len(document["seeds"])):
        is_shared = document["shared_backbone"] and number > 0
        if backbone is None or not is_shared:
            backbone = create_backbone(architecture, "random", document["channels"], 0)
        network = ScoreNetwork(backbone, document["link"])
        own = under(tensors, f"{number}.")
        load_tensors(network, {**first, **own} if is_shared else own, architecture, origin)
        network.eval().to(device).use(precision)
        networks.append(network)
    preparation = Preparation.from_document(document["preparation"])
    return Part(tuple(networks), architecture, preparation, tuple(document["seeds"]), float(document["weight"]))


def combine(scores: np.ndarray, parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Return score and ensemble standard deviation of a model's members.

    The members are read as one mixture of equally likely networks within each part and parts by their weight
    (Lakshminarayanan et al., NeurIPS 2017). With m_p the mean and v_p the variance (one degree of freedom less than
    networks) of part p,

        score    = sum over p of w_p m_p
        std^2   = sum over p of w_p (v_p + (m_p - score)^2)

    so parts that disagree are uncertain, however sure each of them is; of one part it is the networks' deviation.

    Args:
        scores: Score of each network of each part, in the order of the parts, shape (networks, n) or (networks, ...).
        parts: The parts.

    Returns:
        float64, shape (n,) or (...) each; NaN where a score is NaN. That of a single network is 0: it knows
        nothing of its own error.
    """
    weights = np.array([part.weight for part in parts]).reshape(-1, *[1] * (scores.ndim - 1))
    own = np.split(scores, np.cumsum([len(part.networks) for part in parts])[:-1])
    means = np.stack([members.mean(axis=0) for members in own])
    within = np.stack([m.var(axis=0, ddof=1) if len(m) > 1 else m[0] * 0.0 for m in own])
    score = (weights * means).sum(axis=0)
    return score, np.sqrt((weights * (within + (means - score) ** 2)).sum(axis=0))
