"""Patches are resized once, kept where there is room, and change no result."""

import dataclasses

import numpy as np
import pytest
import torch
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_table
from rankscape.learning import feeding
from rankscape.learning.feeding import ResizedSamples
from rankscape.learning.selection import Selection
from rankscape.models.preparation import Preparation
from rankscape.studies.ranking.scoring.samples import open_ranked
from rankscape.studies.ranking.scoring.score_targets import cluster_targets

from .conftest import PATCH_PX, World
from .test_checkpoints import make_task, same, taught

BYTES = 8 * 8 * 3


@pytest.fixture
def pool(world: World) -> Selection:
    targets = cluster_targets(read_json(world.order), read_json(world.summary), "levels", "order.json")
    return open_ranked(world.tiles, read_table(world.clusters), targets)


def preparation(input_px: int) -> Preparation:
    return Preparation(input_px, "rgb", "imagenet", (0.5,) * 3, (0.25,) * 3, ("B04", "B03", "B02"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of patches that were read from the arrays."""
    seen: list[int] = []
    real = Selection.pixels

    def pixels(self: Selection, chosen: np.ndarray) -> np.ndarray:
        seen.append(len(chosen))
        return real(self, chosen)

    monkeypatch.setattr(Selection, "pixels", pixels)
    return seen


@pytest.mark.parametrize("rows", [0, 7, 1000])
def test_what_is_kept_changes_no_image(pool: Selection, rows: int):
    kept, small = ResizedSamples(pool, preparation(8), rows * BYTES / 1e6), preparation(8)
    generator = np.random.default_rng(0)
    for _ in range(12):
        chosen = generator.integers(0, len(pool), 20)
        np.testing.assert_array_equal(kept.resized(chosen), small.resized(pool.pixels(chosen)))


def test_a_patch_is_read_once_where_all_fit(pool: Selection, reads: list[int]):
    images = ResizedSamples(pool, preparation(8), 1.0)
    for _ in range(3):
        for chosen in np.array_split(np.random.default_rng(1).permutation(len(pool)), 5):
            images.resized(chosen)
    assert sum(reads) == len(pool)


def test_memory_is_bounded_and_holds_what_came_first(pool: Selection, reads: list[int]):
    images = ResizedSamples(pool, preparation(8), 10 * BYTES / 1e6)
    images.resized(np.array([5, 5, 6]))
    images.resized(np.arange(20, 40))
    assert len(images._kept) == 10
    reads.clear()
    images.resized(np.array([5, 6, 20, 27, 28]))
    assert reads == [1]


def test_patches_of_the_networks_size_are_not_kept(pool: Selection):
    images = ResizedSamples(pool, preparation(PATCH_PX), 1.0)
    images.resized(np.arange(9))
    assert len(images._kept) == 0


def test_neither_memory_nor_reading_ahead_changes_a_training(world: World, monkeypatch: pytest.MonkeyPatch):
    task = make_task(world)
    small = dataclasses.replace(task.preparation, input_px=8)
    plain = taught(dataclasses.replace(task, preparation=small))
    assert same(taught(dataclasses.replace(task, preparation=small, cache_mb=20 * BYTES / 1e6)), plain)
    monkeypatch.setitem(feeding._AHEAD, "cpu", 3)
    assert same(taught(dataclasses.replace(task, preparation=small, cache_mb=1.0)), plain)


def test_batches_lie_on_the_device(pool: Selection):
    parts = [np.array([3, 1]), np.array([2])]
    batches = list(ResizedSamples(pool, preparation(8)).batches(parts, torch.device("cpu")))
    assert [tuple(batch.shape) for batch in batches] == [(2, 8, 8, 3), (1, 8, 8, 3)]
    assert all(batch.dtype == torch.uint8 for batch in batches)
