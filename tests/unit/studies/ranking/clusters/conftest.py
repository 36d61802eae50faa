"""An invented region of two granules whose patches fall into known groups."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from rankscape.foundation.files import write_array
from rankscape.models.weights import save_weights
from rankscape.samples.patches import index_of

CENTRES = np.array([[4, 0, 0, 0, 1], [0, 4, 0, 0, 1], [0, 0, 4, 0, 1], [0, 0, 0, 4, 1]], np.float32)
"""Centres of four looks; the first two are town, the others country."""


@dataclass(frozen=True)
class Region:
    """Files of the invented region."""

    tiles: list[Path]
    features: list[Path]
    backbone: Path
    looks: list[np.ndarray]

    @property
    def indices(self) -> list[Path]:
        return [index_of(path) for path in self.tiles]


def write_backbone(path: Path, categories: list[str] | None, dims: int = 5) -> Path:
    """Write weights whose head tells the first two looks from the others."""
    document = {"architecture": "none", "categories": categories or [], "uninhabited": None}
    tensors = {"backbone.unused": torch.zeros(1)}
    if categories:
        weight = np.zeros((len(categories), dims), np.float32)
        weight[0, :2], weight[1, 2:4] = 1, 1
        tensors |= {"head.weight": torch.from_numpy(weight), "head.bias": torch.zeros(len(categories))}
    save_weights(path, tensors, document)
    return path


@pytest.fixture
def region(tmp_path: Path, patch_store: Callable[..., Path]) -> Region:
    """Two granules of 12 x 10 patches that overlap by two columns; some patches are not usable."""
    rng = np.random.default_rng(3)
    tiles, features, looks = [], [], []
    for number, granule in enumerate(["03TVF", "03TWF"]):
        look = rng.choice(4, 120, p=[0.4, 0.3, 0.2, 0.1])
        usable = rng.random(120) > 0.1
        pixels = np.repeat(np.repeat(look.reshape(12, 10) * 60, 8, 0), 8, 1)[..., None] + np.zeros(3)
        origin = (400_000.0 + number * 8 * 80, 4_500_000.0)
        tiles.append(patch_store(granule, pixels=pixels.astype(np.uint8), origin_m=origin, usable=usable))
        values = CENTRES[look] + rng.normal(0, 0.1, (120, 5)).astype(np.float32)
        values[~usable] = np.nan
        features.append(tmp_path / "features" / f"{granule}.npy")
        write_array(features[-1], values.astype(np.float32))
        looks.append(look)
    return Region(tiles, features, write_backbone(tmp_path / "backbone.safetensors", ["town", "country"]), looks)
