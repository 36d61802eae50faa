"""Invented samples that tests of learning and of the studies share."""

from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pytest
from rankscape.learning.selection import Selection
from rankscape.learning.targets import TargetTable
from rankscape.samples.patches import Grid, Patches, patch_id
from shapely.geometry import box


def _invent_store(granule: str, origin_m: tuple[float, float], side: int, generator: np.random.Generator) -> Patches:
    """Make a patch store in memory: side x side patches of 2 px, some of them equal to others byte for byte."""
    places = [(row, col) for row in range(side) for col in range(side)]
    array = generator.integers(0, 4, (len(places), 2, 2, 1), dtype=np.uint8)
    left, top = origin_m
    shapes = [box(left + c * 100, top - (r + 1) * 100, left + (c + 1) * 100, top - r * 100) for r, c in places]
    index = gpd.GeoDataFrame(
        {"patch_id": [patch_id(granule, r, c) for r, c in places], "granule": granule},
        geometry=shapes, crs="EPSG:32633",
    )  # fmt: skip
    grid = Grid("EPSG:32633", (50.0, 0.0, left, 0.0, -50.0, top), side * 2, side * 2, 2, side, side, ("B04",))
    return Patches(array, index, grid)


@pytest.fixture(scope="session")
def invented() -> Callable[[int], Selection]:
    """Select the patches of two granules in memory that overlap by a third of a patch."""

    def make(seed: int) -> Selection:
        generator = np.random.default_rng(seed)
        first = _invent_store("33UAA", (500_000.0, 5_000_000.0), 6, generator)
        second = _invent_store("33UAB", (500_567.0, 5_000_000.0), 6, generator)
        count = len(first.array) + len(second.array)
        store = np.repeat([0, 1], count // 2)
        position = np.concatenate([np.arange(count // 2)] * 2)
        cluster = generator.integers(0, 4, count)
        targets = TargetTable.of({"cluster": cluster, "level": cluster, "target": 1 - cluster / 3})
        return Selection((first, second), store, position, targets)

    return make
