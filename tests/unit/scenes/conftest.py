"""The HTTP peer that serves synthetic assets, and random pixels."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from asset_server import AssetServer, running
from planetary_computer.settings import Settings
from unit.scenes.synthetic_scenes import write_tif


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


@pytest.fixture
def big(server: AssetServer, noise: Callable[..., np.ndarray]) -> Path:
    """A served raster of several hundred kilobytes."""
    return write_tif(server.folder / "B04.tif", noise((1, 700, 900)))


@pytest.fixture
def azure(server: AssetServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[AssetServer]:
    """The peer as the token endpoint, and as the proxy through which Azure's blobs are reached."""
    monkeypatch.setenv("PC_SDK_SAS_URL", f"{server.address}/token")
    monkeypatch.setenv("PC_SDK_SUBSCRIPTION_KEY", "")
    monkeypatch.setenv("HTTP_PROXY", server.address)
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Settings.get.cache_clear()
    server.signed = True
    yield server
    Settings.get.cache_clear()
