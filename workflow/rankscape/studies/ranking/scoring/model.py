"""The score model on disk and in use: a weighted sum of parts, and what must be known to run them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from rankscape.foundation.errors import RasterError, WeightsError
from rankscape.learning.settings import Precision
from rankscape.models.weights import load_weights, save_weights, under
from rankscape.studies.ranking.scoring.calibration import Calibration
from rankscape.studies.ranking.scoring.network import Part, ScoreNetwork, combine, read_part
from rankscape.studies.ranking.scoring.score_targets import Targets

_DOCUMENT_KEYS = ("parts", "pixels", "patch_px", "calibration")
_VISIBLE_BANDS = 3


class Combined(NamedTuple):
    """What the networks of a model say together; NaN where a score is NaN."""

    score: np.ndarray
    """Weighted mean, float32 in [0, 1], shape (n,)."""
    score_std: np.ndarray
    """Standard deviation of the score, float32, shape (n,): the ensemble's, calibrated where the model knows how."""
    ensemble_std: np.ndarray
    """Standard deviation of the ensemble: how far the networks lie apart, float32, shape (n,) (`parts.combine`)."""


@dataclass(frozen=True)
class ScoreModel:
    """Parts whose scores are added, each by its weight."""

    parts: tuple[Part, ...]
    """One part or more; they see the same bands, each in its own preparation."""
    pixels: str
    """Type of the pixels trained on: `uint8` images or `float32` reflectance."""
    patch_px: int
    """Side of the patches trained on, before they are resized."""
    calibration: Calibration | None = None
    """What score_std is made of the ensemble's by; None if that itself is score_std."""
    views: int = 1
    """Views of each patch that its scores are the mean of (`views.py`); a way of use, not stored."""

    @property
    def networks(self) -> tuple[ScoreNetwork, ...]:
        """All networks, part by part; each takes images of its own part's preparation."""
        return tuple(network for part in self.parts for network in part.networks)

    @property
    def seed(self) -> int:
        """First seed of the training."""
        return self.parts[0].seeds[0]

    def score(self, patches: np.ndarray | Sequence[np.ndarray], device: torch.device) -> np.ndarray:
        """Score a batch of patches with every network.

        Args:
            patches: Pixels of the type trained on: an array of shape (n, height, width, bands), or n arrays of shape
                (height, width, bands), whose sizes may differ.
            device: Device that holds the networks.

        Returns:
            float64 in [0, 1], shape (networks, n); `combined` makes scores of it.
        """
        return np.concatenate([part.scores(part.images(patches), device, self.views) for part in self.parts])

    def combined(self, scores: np.ndarray) -> Combined:
        """Combine what `score` returned, shape (networks, n) or (networks, ...), over the networks."""
        score, ensemble_std = combine(scores, self.parts)
        std = ensemble_std if self.calibration is None else self.calibration.deviation(ensemble_std)
        return Combined(*(values.astype(np.float32) for values in (score, std, ensemble_std)))

    @property
    def seen_bands(self) -> tuple[str, ...]:
        """Bands that the networks see: all that they were trained on, or red, green and blue of them."""
        bands = self.parts[0].preparation.bands
        return bands if self._sees_all else bands[:_VISIBLE_BANDS]

    @property
    def _sees_all(self) -> bool:
        return any(part.preparation.colour == "all" for part in self.parts)

    def to_document(self) -> dict[str, Any]:
        """Describe the model as JSON: its parts, and the patches that it was trained on."""
        return {
            "parts": [part.to_document() for part in self.parts],
            "pixels": self.pixels,
            "patch_px": self.patch_px,
            "calibration": None if self.calibration is None else self.calibration.to_document(),
        }

    def check(self, dtype: np.dtype[Any], bands: int, origin: str) -> None:
        """Refuse pixels of another type or number of bands than those trained on; `origin` names the image.

        8-bit images and reflectance are not exchanged silently: how bright an image is depends on how it was
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
        if bands < len(seen) or (self._sees_all and bands > len(seen)):
            raise RasterError(
                f"{origin} has {bands} bands, the model reads {len(seen)} ({', '.join(seen)}): give images with these "
                "bands, or train a model with adapt.colour: rgb."
            )

    def check_bands(self, bands: Sequence[str], origin: str) -> None:
        """Refuse bands of other names, or in another order, than those that the networks see.

        Raises:
            RasterError: If they differ; the message names both.
        """
        given = tuple(bands) if self._sees_all else tuple(bands[:_VISIBLE_BANDS])
        if given != self.seen_bands:
            raise RasterError(
                f"{origin} has the bands {', '.join(bands)}, the model reads {', '.join(self.seen_bands)}, in this "
                "order: give the same bands, or train the model on these."
            )


def write_model(path: Path, model: ScoreModel, targets: Targets, record: Mapping[str, Any]) -> None:
    """Write a model as safetensors, with its description.

    Tensors are named `<part>.<network>.backbone.*` and `<part>.<network>.head.*`.
    """
    tensors = {
        f"{place}.{name}": tensor for place, part in enumerate(model.parts) for name, tensor in part.tensors().items()
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
        raise WeightsError(
            f"{path} is no score model, or one of an older version (its description lacks {', '.join(missing)}): name "
            "one that train wrote, or train again."
        )
    parts = [
        read_part(part, under(tensors, f"{place}."), device, precision, str(path))
        for place, part in enumerate(document["parts"])
    ]
    known = document["calibration"]
    calibration = None if known is None else Calibration(**known)
    return ScoreModel(tuple(parts), document["pixels"], document["patch_px"], calibration)


def _kind(dtype: str) -> str:
    return {"uint8": "8-bit images", "float32": "reflectance (float32)"}.get(dtype, f"{dtype} pixels")
