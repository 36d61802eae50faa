"""Invented granules with scores, for every test of maps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rankscape.foundation.tables import write_table
from rankscape.samples.patches import index_of, read_index


@pytest.fixture
def granule(tmp_path, patch_store) -> Callable[..., tuple[Path, Path]]:
    """Write one granule: `granule(id, score=(rows, cols) array, ...)` returns the paths of scores and index."""

    def write(name="03TVF", *, score, std=None, remainder_px=3, patch_px=8, ids=None, **place):
        rows, cols = score.shape
        pixels = np.zeros((rows * patch_px + remainder_px, cols * patch_px + remainder_px, 3), np.uint8)
        index = index_of(patch_store(name, pixels=pixels, patch_px=patch_px, **place))
        frame = pd.DataFrame(
            {
                "patch_id": read_index(index)["patch_id"] if ids is None else ids,
                "score": score.ravel().astype(np.float32),
                "score_std": (score / 10 if std is None else std).ravel().astype(np.float32),
            }
        )
        path = tmp_path / "scores" / f"{name}.parquet"
        write_table(path, frame, {})
        return path, index

    return write
