"""A part of a score model: networks of one architecture that see pictures prepared in one way."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rankscape.learning.settings import Precision
from rankscape.models.backbones import OWN_PREFIX, create_backbone
from rankscape.models.preparation import Preparation
from rankscape.models.views import square_views
from rankscape.models.weights import under
from rankscape.studies.ranking.scoring.network import Link, ScoreNetwork, load_tensors


@dataclass(frozen=True)
class Part:
    """Networks of one kind, one a seed."""

    networks: tuple[ScoreNetwork, ...]
    """One network a seed, all of one architecture and link."""
    architecture: str
    """Name of the backbone."""
    preparation: Preparation
    """How pictures become the networks' input."""
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
        """Prepare patches, or pictures of any sizes, each of which is prepared by itself.

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
