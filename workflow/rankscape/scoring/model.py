"""The score model on disk and in use: several networks of one kind, and what must be known to run them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rankscape.foundation.errors import RasterError, WeightsError
from rankscape.foundation.settings.scoring import Precision
from rankscape.scoring.network import ScoreNetwork, load_tensors
from rankscape.scoring.targets import Targets
from rankscape.vision.backbones import create_backbone
from rankscape.vision.preparation import Preparation
from rankscape.vision.weights import load_weights, save_weights, under

_DOCUMENT_KEYS = ("architecture", "channels", "preparation", "seeds", "pixels", "patch_px")
_VISIBLE_BANDS = 3


@dataclass(frozen=True)
class ScoreModel:
    """An ensemble of score networks."""

    networks: tuple[ScoreNetwork, ...]
    """One network a seed, all of one architecture."""
    architecture: str
    """Name of the backbone."""
    preparation: Preparation
    """How pictures become network input."""
    seeds: tuple[int, ...]
    """Seed of each network."""
    pixels: str
    """Type of the pixels trained on: `uint8` pictures or `float32` reflectance."""
    patch_px: int
    """Side of the patches trained on, before they are resized."""

    def score(self, images: Tensor, device: torch.device) -> np.ndarray:
        """Score a batch of images with every network.

        Args:
            images: What `preparation.tensor` makes of pictures, float32, shape (n, channels, input_px, input_px).
            device: Device that holds the networks.

        Returns:
            float64 in [0, 1], shape (seeds, n).
        """
        with torch.inference_mode():
            there = images.to(device)
            scores = [network.eval()(there).double().cpu().numpy() for network in self.networks]
        return np.stack(scores)

    @property
    def seen_bands(self) -> tuple[str, ...]:
        """Bands that the networks see: all that they were trained on, or red, green and blue of them."""
        bands = self.preparation.bands
        return bands if self.preparation.colour == "all" else bands[:_VISIBLE_BANDS]

    def to_document(self) -> dict[str, Any]:
        """Describe the model as JSON: architecture, preparation, and the patches that it was trained on."""
        return {
            "architecture": self.architecture,
            "channels": self.preparation.channels,
            "preparation": self.preparation.to_document(),
            "seeds": list(self.seeds),
            "pixels": self.pixels,
            "patch_px": self.patch_px,
        }

    def check(self, dtype: np.dtype[Any], bands: int, origin: str) -> None:
        """Refuse pixels of another type or number of bands than those trained on; `origin` names the image.

        8-bit pictures and reflectance are not exchanged silently: how bright a picture is depends on how it was
        stretched, and the networks learned from one of the two.

        Raises:
            RasterError: If they do not fit.
        """
        if str(dtype) != self.pixels:
            raise RasterError(
                f"{origin} holds {_kind(str(dtype))}, the model was trained on {_kind(self.pixels)}: give images of "
                "that kind, or train a model on these."
            )
        self.check_count(bands, origin)

    def check_count(self, bands: int, origin: str) -> None:
        """Refuse images with another number of bands than the networks need.

        Raises:
            RasterError: If there are too few, or too many for a model that sees all bands.
        """
        seen = self.seen_bands
        if bands < len(seen) or (self.preparation.colour == "all" and bands > len(seen)):
            raise RasterError(
                f"{origin} has {bands} bands, the model reads {len(seen)} ({', '.join(seen)}): give images with these "
                "bands, or train a model with adapt.colour: rgb."
            )

    def check_bands(self, bands: Sequence[str], origin: str) -> None:
        """Refuse bands of other names, or in another order, than those that the networks see.

        Raises:
            RasterError: If they differ; the message names both.
        """
        given = tuple(bands) if self.preparation.colour == "all" else tuple(bands[:_VISIBLE_BANDS])
        if given != self.seen_bands:
            raise RasterError(
                f"{origin} has the bands {', '.join(bands)}, the model reads {', '.join(self.seen_bands)}, in this "
                "order: give the same bands, or train the model on these."
            )


def spread(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation over the networks.

    Args:
        scores: Score of each network for each patch, shape (seeds, n).

    Returns:
        score and score_std, float32, shape (n,) each; NaN where a score is NaN. score_std has one degree of freedom
        less than seeds; it is 0 for a single network, which knows nothing of its own spread.
    """
    std = scores.std(axis=0, ddof=1) if len(scores) > 1 else scores[0] * 0.0
    return scores.mean(axis=0).astype(np.float32), std.astype(np.float32)


def write_model(path: Path, model: ScoreModel, targets: Targets, record: Mapping[str, Any]) -> None:
    """Write a model as safetensors: tensors `<number>.backbone.*`, `<number>.head.*`, and its description."""
    tensors = {
        f"{number}.{name}": tensor
        for number, network in enumerate(model.networks)
        for name, tensor in network.state_dict().items()
    }
    document = {**model.to_document(), **targets.to_document(), "provenance": dict(record)}
    save_weights(path, tensors, document)


def read_model(path: Path, device: torch.device, precision: Precision = "float32") -> ScoreModel:
    """Read a model and put its networks on a device, ready to score in a precision.

    Raises:
        WeightsError: If the file is missing or broken, holds no score model, or weights of another architecture.
    """
    tensors, document = load_weights(path)
    missing = [key for key in _DOCUMENT_KEYS if key not in document]
    if missing:
        raise WeightsError(f"{path} is no score model (its description lacks {', '.join(missing)}): name one of train.")
    networks = []
    for number in range(len(document["seeds"])):
        network = ScoreNetwork(create_backbone(document["architecture"], "random", document["channels"], 0))
        load_tensors(network, under(tensors, f"{number}."), document["architecture"], str(path))
        network.eval().to(device).use(precision)
        networks.append(network)
    return ScoreModel(
        tuple(networks),
        document["architecture"],
        Preparation.from_document(document["preparation"]),
        tuple(document["seeds"]),
        document["pixels"],
        document["patch_px"],
    )


def _kind(dtype: str) -> str:
    return {"uint8": "8-bit pictures", "float32": "reflectance (float32)"}.get(dtype, f"{dtype} pixels")
