"""Invented land of two kinds, striped towns and smooth fields, with soft labels."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rankscape.__main__ import main
from rankscape.foundation.tables import write_table

ARCHITECTURE = "test_resnet"
"""The smallest residual network of timm: the tests' stand-in for resnet18."""
PATCH_PX, SIDE = 8, 12
CATEGORIES = ("town", "field")


def invented_land(seed: int, bands: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Draw reflectance of 12 x 12 patches, shape (96, 96, bands), and which patches are towns, bool of shape (144,)."""
    generator = np.random.default_rng(seed)
    town = generator.random((SIDE, SIDE)) < 0.4
    large = town.repeat(PATCH_PX, 0).repeat(PATCH_PX, 1)
    stripes = 0.12 * (np.arange(SIDE * PATCH_PX) % 4 < 2)
    noise = generator.normal(0, 0.01, (SIDE * PATCH_PX, SIDE * PATCH_PX, bands))
    pixels = 0.08 + large[..., None] * stripes[None, :, None] + noise
    return np.clip(pixels, 0.001, 1).astype(np.float32), town.ravel()


@dataclass(frozen=True)
class Land:
    """Files that adapt and embed read."""

    folder: Path
    tiles: list[Path]
    labels: Path
    town: dict[str, bool]


@pytest.fixture
def land(patch_store: Callable[..., Path], tmp_path: Path) -> Land:
    """Two granules of invented land; 130 of their patches are labelled."""
    town: dict[str, bool] = {}
    tiles = []
    for number, granule in enumerate(("03TVF", "03TWF")):
        pixels, kinds = invented_land(number)
        usable = np.ones(len(kinds), bool)
        usable[:3] = False
        where = (400_000.0 + 5_000 * number, 4_500_000.0)
        path = patch_store(granule, pixels=pixels, origin_m=where, usable=usable, bands=("B04", "B03", "B02", "B08"))
        tiles.append(path)
        town |= {f"{granule}_{place // SIDE}_{place % SIDE}": bool(kind) for place, kind in enumerate(kinds)}
    labelled = np.random.default_rng(5).permutation(sorted(town))[:130]
    labels = write_labels(tmp_path / "labels.parquet", {name: 0.75 if town[name] else 0.25 for name in labelled})
    return Land(tmp_path, tiles, labels, town)


def write_labels(path: Path, town: dict[str, float]) -> Path:
    """Write soft labels: the share of annotators that said town."""
    frame = pd.DataFrame({"patch_id": pd.Series(list(town), dtype="str")})
    frame["town"] = np.array(list(town.values()), float)
    frame["field"] = 1 - frame["town"]
    about = {"categories": list(CATEGORIES), "uninhabited": "field", "source": "file"}
    write_table(path, frame, {"label": about})
    return path


SETTINGS = {
    "architecture": ARCHITECTURE,
    "weights": "random",
    "input_px": 32,
    "colour": "all",
    "normalisation": "patches",
    "epochs": 4,
    "batch_size": 32,
    "learning_rate": 0.01,
    "block_m": 200,
}


@pytest.fixture
def run() -> Callable[..., int]:
    """Run a verb of the command line; return its exit status."""

    def call(*arguments: object) -> int:
        with pytest.raises(SystemExit) as end:
            main([str(one) for one in arguments])
        return int(end.value.code or 0)

    return call


@pytest.fixture
def adapt(run: Callable[..., int], land: Land) -> Callable[..., int]:
    """Run adapt on the invented land: `adapt(out, epochs=2, ...)` returns its exit status."""

    def call(
        out: Path,
        *,
        labels: Path | None = None,
        tiles: list[Path] | None = None,
        pretrained: Path | None = None,
        **settings: object,
    ) -> int:
        chosen = json.dumps({**SETTINGS, **settings})
        files = ["--labels", labels or land.labels, "--patches", *(tiles or land.tiles)]
        files += ["--pretrained", pretrained] if pretrained else []
        return run("ranking", "adapt", "--settings", chosen, *files, "--out", out, "--record", out.with_suffix(".json"))

    return call
