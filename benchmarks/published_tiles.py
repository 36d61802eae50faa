"""The published tiles of North Korea (Ahn et al., Nature Communications 2023), as several benchmarks read them.

A folder with `clusters/<number>/*.webp`, `labelled/<number>.webp`, and `labelled.csv`: image_id and the share of
annotators for urban, rural and uninhabited. Nothing is measured here.
"""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from PIL import Image
from rankscape.samples.patches import Grid, Patches

LEVELS = ((1, 2, 3, 4, 6), (0, 7), (5, 8, 9, 10), (14, 15, 16, 20), (17, 21), (13, 18), (11, 12), (19,))
"""The published order of the clusters, best first."""
CATEGORIES = ("urban", "rural", "uninhabited")
BANDS = ("B04", "B03", "B02")


def cluster_tiles(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the tiles of the ranked clusters: uint8, shape (n, 256, 256, 3), and the cluster of each, int64."""
    files = sorted(folder.glob("clusters/[0-9][0-9]/*.webp"))
    return pictures(files), np.array([int(path.parent.name) for path in files])


def labelled_tiles(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the labelled tiles: uint8, shape (n, 256, 256, 3), and their soft labels, float64, shape (n, 3)."""
    table = pd.read_csv(folder / "labelled.csv").sort_values("image_id")
    files = [folder / "labelled" / f"{number:04d}.webp" for number in table.image_id]
    return pictures(files), table[list(CATEGORIES)].to_numpy(np.float64)


def pictures(files: Sequence[Path]) -> np.ndarray:
    """Read pictures of one size."""
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in files])


def store(pixels: np.ndarray, name: str = "tiles") -> Patches:
    """Hold pictures as patches of a granule; their places are not known."""
    index = gpd.GeoDataFrame({"patch_id": [f"{name}_{n}" for n in range(len(pixels))], "granule": name, "usable": True})
    side = pixels.shape[1]
    grid = Grid("", (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), side * len(pixels), side, side, len(pixels), 1, BANDS)
    return Patches(pixels, index, grid)
