"""Invented patches whose development shows: the better its level, the brighter and the busier a patch."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rankscape.foundation.files import write_json
from rankscape.foundation.tables import write_table
from rankscape.models.backbones import create_backbone
from rankscape.models.preparation import Preparation
from rankscape.models.weights import save_weights
from rankscape.samples.patches import open_patches

LEVELS = ((3,), (0, 2), (1,), (4,))
"""Levels of the invented order, best first; cluster 4 is without people."""
PATCH_PX = 16
ARCHITECTURE = "test_resnet"


def image(level: int, generator: np.random.Generator, side: int = PATCH_PX, bands: int = 3) -> np.ndarray:
    """Draw a patch of a level, uint8, shape (side, side, bands)."""
    strength = 3 - level
    noise = generator.normal(0, 4 + 8 * strength, (side, side, bands))
    return np.clip(40 + 45 * strength + noise, 1, 255).astype(np.uint8)


@dataclass(frozen=True)
class World:
    """Files that the stages of scoring read."""

    folder: Path
    tiles: list[Path]
    clusters: Path
    summary: Path
    order: Path
    backbone: Path

    def settings(self, **changes: Any) -> str:
        """Settings of a training that takes a second or two."""
        values = {
            "epochs": 6, "patience": 6, "batch_size": 32, "learning_rate": 5e-3, "seeds": 2, "block_m": 400.0,
            "patches_per_cluster": None, **changes,
        }  # fmt: skip
        return json.dumps(values)

    def train_files(self) -> dict[str, Any]:
        """Inputs of the stage `train`, as arguments of its function."""
        return {
            "order": (self.order,), "patches": self.tiles, "clusters": self.clusters, "summary": self.summary,
            "backbone": self.backbone,
        }  # fmt: skip


def write_backbone(path: Path, bands: tuple[str, ...] = ("B04", "B03", "B02"), **changes: Any) -> Path:
    """Write an adapted backbone with random weights."""
    values = {"input_px": 32, "colour": "all", "normalisation": "imagenet", "bands": bands}
    values |= {"mean": (0.5,) * len(bands), "std": (0.25,) * len(bands)} | changes
    preparation = Preparation(**values)
    network = create_backbone(ARCHITECTURE, "random", preparation.channels, 7)
    tensors = {f"backbone.{name}": tensor for name, tensor in network.state_dict().items()}
    document = {
        "architecture": ARCHITECTURE, "channels": preparation.channels, "preparation": preparation.to_document(),
        "categories": [], "uninhabited": None, "provenance": {},
    }  # fmt: skip
    save_weights(path, tensors, document)
    return path


def granule_pixels(clusters: np.ndarray, generator: np.random.Generator, bands: int = 3) -> np.ndarray:
    """Draw an image whose patches belong to clusters, shape (rows, cols); uint8."""
    level = {cluster: place for place, members in enumerate(LEVELS) for cluster in members}
    rows = [np.hstack([image(level[int(c)], generator, bands=bands) for c in row]) for row in clusters]
    return np.vstack(rows)


@pytest.fixture
def world(tmp_path: Path, patch_store: Callable[..., Path]) -> World:
    """Two granules of 8 x 8 patches, five clusters at random places, an order, a backbone."""
    generator = np.random.default_rng(3)
    tiles, tables = [], []
    for number, granule in enumerate(("03TVF", "03TVG")):
        clusters = generator.integers(0, 5, (8, 8))
        usable = np.ones(64, bool)
        usable[5] = False
        origin = (400_000.0, 4_500_000.0 + number * 50_000)
        pixels = granule_pixels(clusters, generator)
        path = patch_store(granule, pixels=pixels, patch_px=PATCH_PX, origin_m=origin, usable=usable)
        tiles.append(path)
        table = pd.DataFrame({"patch_id": open_patches(path).index.patch_id, "granule": granule, "category": "land"})
        tables.append(table.assign(cluster=clusters.ravel().astype(np.int32))[usable])
    write_table(tmp_path / "clusters.parquet", pd.concat(tables), {})
    entries = [{"cluster": c, "category": "land", "size": 1} for c in range(5)]
    summary = {"clusters": entries, "uninhabited": 4, "fingerprint": "f00d"}
    ranks = {"0": 2.5, "1": 4.0, "2": 2.5, "3": 1.0}
    order = {
        "method": "mean",
        "levels": [list(m) for m in LEVELS],
        "ranks": ranks,
        "uninhabited": 4,
        "fingerprint": "f00d",
    }
    write_json(tmp_path / "clusters.json", summary)
    write_json(tmp_path / "order.json", order)
    return World(
        tmp_path, tiles, tmp_path / "clusters.parquet", tmp_path / "clusters.json", tmp_path / "order.json",
        write_backbone(tmp_path / "backbone.safetensors"),
    )  # fmt: skip
