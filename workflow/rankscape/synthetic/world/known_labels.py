"""Labels of a synthetic world of which it is known how well an image can tell them: seven, one a band.

A visible label is what covers the ground, with noise that no image shows: its ceiling is the share of its variance that
is no noise. One label is noise alone. One is smooth over the land and has nothing to do with what stands there, so that
only neighbours tell it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine

from rankscape.scenes.cogs import write_cog
from rankscape.synthetic.world.primitives import fractal
from rankscape.synthetic.world.simulation import World
from rankscape.synthetic.world.world_grid import CRS, PIXEL_M, WorldGrid

CELL_PX = 16
"""Pixels along a cell of the labels."""
PATCH_CELLS = 2
"""Cells along a patch of 32 px, over which noise averages out."""
_SMOOTH_CELLS = 8.0
"""Size of the structures of the smooth label. It is correlated over 1.4 km, so that even a small region has dozens of
blocks as wide, and little of what neighbours tell crosses their borders."""


@dataclass(frozen=True)
class TaskTruth:
    """What is known of a label."""

    name: str
    kind: str
    """`visible`, `invisible` or `smooth`."""
    ceiling: float
    """Largest coefficient of determination that a patch of 32 px allows, from its image alone."""


TASKS = (
    TaskTruth("built", "visible", 0.9),
    TaskTruth("farmed", "visible", 0.8),
    TaskTruth("water", "visible", 0.95),
    TaskTruth("roads", "visible", 0.6),
    TaskTruth("people", "visible", 0.7),
    TaskTruth("invisible", "invisible", 0.0),
    TaskTruth("smooth", "smooth", 0.0),
)
"""Labels in the order of the bands."""


def write_tasks(path: Path, world: World, layout: WorldGrid, seed: int, tags: dict[str, str]) -> None:
    """Write the labels at 160 m as a raster of seven bands, float32; visible ones in their own unit, with noise."""
    chance = np.random.default_rng([seed, 205])
    visible = {
        "built": 100 * world.built, "farmed": 100 * world.farmed, "water": 100 * world.water,
        "roads": 100 * world.roads, "people": np.log1p(world.people_per_ha),
    }  # fmt: skip
    bands = [_band(task, visible.get(task.name), world.truth.shape, chance) for task in TASKS]
    side_m = CELL_PX * PIXEL_M
    transform = Affine(side_m, 0.0, layout.transform.c, 0.0, -side_m, layout.transform.f)
    names = [task.name for task in TASKS]
    write_cog(path, np.stack(bands).astype(np.float32), crs=CRS, transform=transform, names=names, tags=tags)


def _band(task: TaskTruth, seen: np.ndarray | None, shape: tuple[int, ...], chance: np.random.Generator) -> np.ndarray:
    rows, cols = (side // CELL_PX for side in shape)
    noise = chance.standard_normal((rows, cols))
    if task.kind == "invisible":
        return noise
    if seen is None:
        return fractal((rows, cols), _SMOOTH_CELLS, chance, roughness=3.0) + 0.1 * noise
    signal = _means(seen, CELL_PX)
    spread = float(_means(signal, PATCH_CELLS).std())
    # Noise of four cells averages out in a patch by one half.
    return np.asarray(signal + noise * PATCH_CELLS * spread * np.sqrt(1 / task.ceiling - 1))


def _means(values: np.ndarray, side: int) -> np.ndarray:
    rows, cols = (length // side for length in values.shape)
    cut = values[: rows * side, : cols * side].reshape(rows, side, cols, side)
    return np.asarray(cut.mean((1, 3), dtype=np.float64))
