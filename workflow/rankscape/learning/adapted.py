"""A backbone with all that belongs to it, on disk and in memory, and the features that it computes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from rankscape.foundation.errors import RasterError, WeightsError
from rankscape.foundation.progress import track
from rankscape.foundation.provenance import KEY
from rankscape.models.backbones import OWN_PREFIX, create_backbone
from rankscape.models.preparation import Preparation
from rankscape.models.weights import load_weights, metadata_of, save_weights, under
from rankscape.samples.patches import Patches

HEAD_PREFIX = "head."


@dataclass(frozen=True)
class Adapted:
    """A backbone, how images are prepared for it, and the land-category head that was fitted with it."""

    architecture: str
    """Name of the timm model."""
    backbone: nn.Module
    """(n, channels, input_px, input_px) -> (n, dims)."""
    preparation: Preparation
    """How patches become its input."""
    head: nn.Linear | None
    """Features to the logits of the categories; None where nothing was fitted."""
    categories: tuple[str, ...]
    """Land categories in the head's order."""
    uninhabited: str | None
    """The category without people."""
    tasks: tuple[str, ...] = ()
    """Tasks whose labels it learned from: what it computes must not be judged at places that it learned from."""

    @property
    def dims(self) -> int:
        """Length of a feature vector."""
        return int(self.backbone.num_features)  # type: ignore[arg-type]

    def describe(self) -> dict[str, Any]:
        """Say what it is, as JSON values."""
        return {
            "architecture": self.architecture,
            "channels": self.preparation.channels,
            "preparation": self.preparation.to_document(),
            "categories": list(self.categories),
            "uninhabited": self.uninhabited,
            **({"tasks": list(self.tasks)} if self.tasks else {}),
        }


def save_adapted(path: Path, adapted: Adapted, record: dict[str, Any]) -> None:
    """Write a backbone atomically with its provenance record."""
    tensors = {OWN_PREFIX + name: tensor for name, tensor in adapted.backbone.state_dict().items()}
    if adapted.head is not None:
        tensors |= {HEAD_PREFIX + name: tensor for name, tensor in adapted.head.state_dict().items()}
    save_weights(path, tensors, {**adapted.describe(), "provenance": record})


def load_adapted(path: Path) -> Adapted:
    """Read what `save_adapted` wrote, on the CPU, in evaluation mode.

    Raises:
        WeightsError: If the file is missing, broken, or no adapted backbone.
    """
    tensors, document = load_weights(path)
    try:
        preparation = Preparation.from_document(document["preparation"])
        architecture, categories = str(document["architecture"]), tuple(document["categories"])
        uninhabited = document["uninhabited"]
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path} is no adapted backbone (lacks {error}): name a file that adapt wrote.") from None
    backbone = create_backbone(
        architecture, str(path), preparation.channels, seed=0, bands=preparation.bands[: preparation.channels]
    )
    head = _head(under(tensors, HEAD_PREFIX))
    tasks = tuple(document.get("tasks", ()))
    return Adapted(architecture, backbone, preparation, head, categories, uninhabited, tasks)


def tasks_of(weights: Path) -> tuple[str, ...]:
    """Return the tasks whose labels a file's network learned from; none where it does not say."""
    document = json.loads(metadata_of(weights).get(KEY, "{}"))
    return tuple(document.get("tasks", ()))


def _head(tensors: dict[str, Any]) -> nn.Linear | None:
    if not tensors:
        return None
    outputs, inputs = tensors["weight"].shape
    head = nn.Linear(inputs, outputs)
    head.load_state_dict(tensors)
    return head.eval()


def embed_patches(adapted: Adapted, patches: Patches, batch_size: int, device: torch.device) -> np.ndarray:
    """Compute the feature vector of every usable patch.

    Batches are read straight from the mapped array, in its order.

    Args:
        adapted: Backbone and preparation.
        patches: Patches of one granule.
        batch_size: Patches a forward pass.
        device: CPU or GPU.

    Returns:
        float32, shape (patches, dims); NaN in the rows of patches that are not usable.

    Raises:
        RasterError: If the patches have other bands than the backbone was fitted to, or one has no finite features.
    """
    check_bands(adapted, patches)
    features = np.full((len(patches.index), adapted.dims), np.nan, np.float32)
    usable = np.flatnonzero(patches.index["usable"].to_numpy(bool))
    backbone = adapted.backbone.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = [usable[start : start + batch_size] for start in range(0, len(usable), batch_size)]
    with torch.inference_mode():
        for rows in track(batches, "embed", unit="batch"):
            images = adapted.preparation.tensor(patches.array[rows])
            seen = backbone(images.to(device, memory_format=torch.channels_last))
            features[rows] = seen.cpu().numpy()
    _check_finite(features, patches, usable)
    return features


def check_bands(adapted: Adapted, patches: Patches) -> None:
    """Refuse patches of other bands.

    Raises:
        RasterError: If they have other bands than the backbone was fitted to.
    """
    needed, found = adapted.preparation.bands, patches.grid.bands
    seen = None if adapted.preparation.colour == "all" else 3
    if found[:seen] != needed[:seen]:
        raise RasterError(
            f"The backbone was fitted to the bands {list(needed)}, the patches have {list(found)}: give patches of the"
            " same bands, or fit it again."
        )


def _check_finite(features: np.ndarray, patches: Patches, usable: np.ndarray) -> None:
    broken = usable[~np.isfinite(features[usable]).all(1)]
    if broken.size:
        raise RasterError(
            f"{broken.size} usable patches have no finite features, such as"
            f" {patches.index['patch_id'].iloc[int(broken[0])]}: the weights do not suit them; adapt again."
        )
