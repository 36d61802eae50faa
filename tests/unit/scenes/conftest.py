"""The HTTP peer that serves invented assets, and random pixels."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from asset_server import AssetServer, running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AssetServer]:
    """An HTTP peer that serves the folder `served` of the test's own folder."""
    folder = tmp_path / "served"
    folder.mkdir()
    with running(folder) as peer:
        yield peer


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """Random pixels: `noise(shape, low, high, dtype)`."""
    generator = np.random.default_rng(5)

    def draw(shape: tuple[int, ...], low: int = 1, high: int = 255, dtype: str = "uint8") -> np.ndarray:
        return generator.integers(low, high, shape, dtype=dtype)

    return draw
