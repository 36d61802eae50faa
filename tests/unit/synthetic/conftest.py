"""What the tests of the demo share: a small synthetic region on disk, and the land of full size in memory."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rankscape.__main__ import main
from rankscape.samples.rendering import as_rgb
from rankscape.synthetic.world.land_cover import BANDS
from rankscape.synthetic.world.simulation import World, simulate_world
from rankscape.synthetic.world.world_grid import WorldGrid

SMALL = {"granule_px": 256, "labelled_patches": 60, "seed": 7}
PATCH_PX = 32


@dataclass(frozen=True)
class Region:
    """Files that one run of `rankscape simulate` wrote."""

    folder: Path

    @property
    def items(self) -> list[Path]:
        return sorted(self.folder.glob("sentinel-2-l2a/*/*.json"))

    def __getattr__(self, name: str) -> Path:
        endings = {"labels": "csv", "counties": "parquet", "catalog": "json", "surroundings": "csv"}
        return self.folder / f"{name}.{endings.get(name, 'tif')}"


def simulate_region(folder: Path, **changes: object) -> Region:
    """Run the stage through the command line."""
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--settings", json.dumps({**SMALL, **changes}), "--folder", str(folder)])
    assert not ended.value.code
    return Region(folder)


@pytest.fixture(scope="session")
def region(tmp_path_factory: pytest.TempPathFactory) -> Region:
    """A region of granules of 256 px."""
    return simulate_region(tmp_path_factory.mktemp("simulated"))


@pytest.fixture(scope="session")
def small_layout() -> WorldGrid:
    return WorldGrid(SMALL["granule_px"])


@pytest.fixture(scope="session")
def small_land(small_layout: WorldGrid) -> World:
    """The land of the small region."""
    return simulate_world(small_layout, SMALL["seed"])


@pytest.fixture(scope="session")
def full_layout() -> WorldGrid:
    return WorldGrid(1024)


@pytest.fixture(scope="session")
def full_land(full_layout: WorldGrid) -> World:
    """The land that the demo shows."""
    return simulate_world(full_layout, 7)


def cut(values: np.ndarray, patch_px: int = PATCH_PX) -> np.ndarray:
    """Cut (height, width, ...) into patches, row-major, shape (patches, patch_px, patch_px, ...)."""
    rows, cols = (side // patch_px for side in values.shape[:2])
    parts = values[: rows * patch_px, : cols * patch_px].reshape(rows, patch_px, cols, patch_px, *values.shape[2:])
    return parts.swapaxes(1, 2).reshape(rows * cols, patch_px, patch_px, *values.shape[2:])


def reflectance_patches(world: World, layout: WorldGrid, granule: str) -> np.ndarray:
    """Patches of a granule as the patch store holds them: float32, red, green, blue, with a little noise."""
    window = layout.window(granule)
    colours = np.stack([world.reflectance[BANDS.index(band)][window] for band in ("B04", "B03", "B02")], -1)
    noise = np.random.default_rng(0).normal(0, 0.0015, colours.shape)
    return cut((colours + noise).clip(0.0001, 1).astype(np.float32))


def pictures(world: World, layout: WorldGrid, granule: str) -> np.ndarray:
    """The same as 8-bit pictures, shape (patches, 32, 32, 3)."""
    return as_rgb(reflectance_patches(world, layout, granule))


def truth_of_patches(world: World, layout: WorldGrid, granule: str) -> np.ndarray:
    return cut(world.truth[layout.window(granule)]).mean((1, 2))
