"""Three granules of invented land whose brightness is known, and labels at their patches."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from rankscape.__main__ import main
from rankscape.samples.artifacts import REFERENCE_VALUES
from rankscape.samples.patches import index_of, open_patches

PATCH_PX, SIDE = 8, 12
GRANULES = ("03TVF", "03TWF", "03TXF")


@pytest.fixture
def run() -> Callable[..., int]:
    """Run a verb of the command line; return its exit status."""

    def call(*arguments: object) -> int:
        with pytest.raises(SystemExit) as end:
            main([str(one) for one in arguments])
        return int(end.value.code or 0)

    return call


@dataclass
class Region:
    """Files of the invented region, and the verbs that make others of them."""

    folder: Path
    run: Callable[..., int]
    patches: list[Path]
    values: list[Path] = field(default_factory=list)
    task: dict[str, object] = field(default_factory=lambda: {"reference": "truth"})

    @property
    def indices(self) -> list[Path]:
        return [index_of(path) for path in self.patches]

    def set_values(self, of: Callable[[np.ndarray, np.random.Generator], np.ndarray], coverage: float = 1.0) -> None:
        """Write a reference: `of` takes the brightness of each patch of a granule, and a source of chance."""
        self.values = []
        for number, path in enumerate(self.patches):
            store = open_patches(path)
            value = of(store.array.mean((1, 2, 3)), np.random.default_rng(number))
            frame = store.index[["patch_id"]].assign(value=np.asarray(value, float), coverage=coverage)
            out = self.folder / "values" / f"{path.stem}.parquet"
            REFERENCE_VALUES.write(out, frame, {"stage": "test"})
            self.values.append(out)

    def fit(self, name: str, **settings: object) -> int:
        chosen = json.dumps({"architecture": "random-convolutions-3px-16", **settings})
        out = self.folder / f"models/{name}.safetensors"
        words = ("embeddings", "fit", "--settings", chosen, "--name", name)
        return self.run(*words, "--patches", *self.patches, "--out", out)

    def embed(self, name: str) -> int:
        model = self.folder / f"models/{name}.safetensors"
        for path in self.patches:
            out = self.folder / f"features/{name}/{path.stem}.npy"
            files = ("--patches", path, "--embedder", model, "--out", out)
            status = self.run("embeddings", "embed", "--settings", "{}", *files)
            if status:
                return status
        return 0

    def label(self, name: str = "truth", locations: tuple[str, ...] = (), **settings: object) -> int:
        chosen = json.dumps({"block_m": 320, **settings})
        reference = json.dumps({"path": "truth.tif", "title": "Truth"})
        return self.run(
            "embeddings", "label", "--settings", chosen, "--task-settings", json.dumps(self.task),
            "--reference-settings", reference, "--indices", *self.indices, "--values", *self.values,
            "--locations", *locations, "--out", self.folder / f"labels/{name}.parquet",
        )  # fmt: skip

    def downstream(
        self, features: str, embeddings: tuple[str, ...], task: str = "truth", model: str = "ridge", **settings: object
    ) -> int:
        files = [self.folder / f"features/{name}/{path.stem}.npy" for name in embeddings for path in self.patches]
        return self.run(
            "embeddings", "downstream", "--settings", json.dumps({"draws": 100, **settings}),
            "--labels", self.folder / f"labels/{task}.parquet", "--indices", *self.indices,
            "--features", *files, "--model", model, "--out", self.folder / f"downstream/{task}/{features}.json",
        )  # fmt: skip


@pytest.fixture
def region(patch_store: Callable[..., Path], tmp_path: Path, run: Callable[..., int]) -> Region:
    """Patches of three granules; each has a brightness and, as strong, a roughness independent of its neighbours'."""
    patches = []
    for number, granule in enumerate(GRANULES):
        generator = np.random.default_rng([7, number])
        bright = generator.uniform(0.05, 0.25, (SIDE, SIDE)).repeat(PATCH_PX, 0).repeat(PATCH_PX, 1)
        texture = 0.2 * bright[..., None] * generator.normal(size=(SIDE * PATCH_PX, SIDE * PATCH_PX, 3))
        pixels = np.clip(bright[..., None] + texture, 0.001, 1).astype(np.float32)
        usable = np.ones(SIDE**2, bool)
        usable[:2] = False
        patches.append(
            patch_store(granule, pixels=pixels, patch_px=PATCH_PX, origin_m=(4e5 + 2e4 * number, 4.5e6), usable=usable)
        )
    found = Region(tmp_path, run, patches)
    found.set_values(lambda bright, chance: 100 * bright + 0.3 * chance.normal(size=len(bright)))
    return found


@pytest.fixture
def ready(region: Region) -> Region:
    """The region with an embedding and labels."""
    assert region.fit("rcf") == region.embed("rcf") == region.label() == 0
    return region
