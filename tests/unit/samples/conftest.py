"""Synthetic images, quality rasters and tiles to cut."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine

ORIGIN_M = (400_000.0, 4_500_000.0)


def write_raster(
    path: Path,
    pixels: np.ndarray,
    *,
    crs: str | None = "EPSG:32603",
    transform: Affine | None = None,
    mask: np.ndarray | None = None,
    names: tuple[str, ...] = (),
    compress: str = "none",
    block_px: int = 16,
) -> Path:
    """Write pixels of shape (bands, height, width) as a GeoTIFF of 10 m."""
    count, height, width = pixels.shape
    where = transform or Affine(10, 0, ORIGIN_M[0], 0, -10, ORIGIN_M[1])
    profile = {
        "driver": "GTiff",
        "compress": compress,
        "count": count,
        "height": height,
        "width": width,
        "dtype": pixels.dtype,
        "blockxsize": block_px,
        "blockysize": block_px,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", crs=crs, transform=where, tiled=True, **profile) as out,
    ):
        out.write(pixels)
        if mask is not None:
            out.write_mask(mask)
        if names:
            out.descriptions = names
    return path


@pytest.fixture
def raster(tmp_path: Path) -> Callable[..., Path]:
    """Write a GeoTIFF: `raster(name, pixels, ...)` returns its path."""
    return lambda name, pixels, **more: write_raster(tmp_path / name, pixels, **more)


@pytest.fixture
def reflectance() -> np.ndarray:
    """Reflectance of four bands, 70 x 85 px, without data in the upper left 20 x 20."""
    pixels = np.random.default_rng(3).random((4, 70, 85), dtype=np.float32)
    pixels[:, :20, :20] = np.nan
    return pixels


@pytest.fixture
def scene(raster, reflectance) -> Path:
    """The reflectance as scene.tif."""
    mask = np.isfinite(reflectance[0]).astype(np.uint8) * 255
    return raster("scene.tif", reflectance, mask=mask, names=("B04", "B03", "B02", "B08"))


@pytest.fixture
def quality(raster) -> Path:
    """Quality of the scene: no data in the corner, cloud from row 32 and column 48 on."""
    values = np.ones((1, 70, 85), np.uint8)
    values[0, :20, :20] = 0
    values[0, 32:, 48:] = 2
    return raster("quality.tif", values)


@pytest.fixture
def picture() -> Callable[..., Path]:
    """Write one tile of noise: `picture(path, side=8, seed=0, mode="RGB")` returns the path."""
    return write_tile


def write_tile(path: Path, side: int = 8, seed: int = 0, mode: str = "RGB") -> Path:
    """Write one tile of noise without black."""
    channels = {"RGB": (3,), "RGBA": (4,), "L": ()}[mode]
    pixels = np.random.default_rng(seed).integers(1, 255, (side, side, *channels), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels, mode).save(path, **({"lossless": True} if path.suffix == ".webp" else {}))
    return path
