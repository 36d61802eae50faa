"""Features in a set amount of memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from rankscape.learning.feature_buffer import FeatureBuffer


@pytest.mark.parametrize("room_mb", [10, 0.001])
def test_rows_come_back_from_memory_and_from_disk(room_mb: float):
    rows = np.random.default_rng(0).normal(5, 2, (700, 7)).astype(np.float32)
    with FeatureBuffer(7, room_mb) as buffer:
        for start in range(0, 700, 90):
            buffer.append(rows[start : start + 90])
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate([block for _, block in buffer.blocks()]), rows)
        mean, scale = buffer.statistics()
        assert len(buffer) == 700
    np.testing.assert_allclose(mean, rows.mean(0, np.float64), rtol=1e-12)
    np.testing.assert_allclose(scale, rows.std(0, dtype=np.float64), rtol=1e-12)


def test_features_that_never_change_keep_their_scale():
    with FeatureBuffer(2) as buffer:
        buffer.append(np.array([[3.0, 1.0], [3.0, 2.0]]))
        assert buffer.statistics()[1].tolist() == [1.0, 0.5]


def test_memory_does_not_grow_with_the_rows(tmp_path: Path):
    dims, batch = 256, np.ones((500, 256), np.float32)
    tracemalloc.start()
    with FeatureBuffer(dims, room_mb=1) as buffer:
        for _ in range(150):
            buffer.append(batch)
        buffer.statistics()
    used_mb = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert 150 * batch.nbytes / 2**20 > 70
    assert used_mb < 16 * 7
