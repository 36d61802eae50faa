"""Settings of maps (docs/methods/maps.md)."""

from typing import Annotated, Literal

from pydantic import Field

from rankscape.foundation.settings import Section


class RasterizeSettings(Section):
    """How scores become rasters."""

    backend: Literal["cpu", "cuda"] = "cpu"
    """Kernel that fills the raster; `cuda` needs the extra `cuda` and a device, and is never replaced silently."""
    dtype: Literal["float32", "uint8"] = "float32"
    """Type of the raster at the image's pixels: `float32`, or `uint8`: score x 250, rounded, and 255 without data."""


class DenseSettings(Section):
    """Whether a finer map of each granule is made, and how."""

    enabled: bool = False
    """Whether `maps/dense/{granule}.tif` is made: a score every 32 px of the network's input."""
    backend: Literal["cpu", "cuda"] = "cpu"
    """Kernel that blends the windows; `cuda` needs the extra `cuda` and a device, and is never replaced silently."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Windows a forward pass; changes speed and memory, and results only in the last digits."""


class MosaicSettings(Section):
    """How granules become one region map."""

    title: Annotated[str, Field(min_length=1, max_length=60)] = "Economic development"
    """Title on the preview image."""
    crs: str | None = None
    """CRS of the region map, such as `EPSG:32648`; null takes the UTM zone that holds most granules."""
    resolution_m: Annotated[float, Field(gt=0)] | None = None
    """Pixel side of the region map; null takes the patch's side."""
    preview_px: Annotated[int, Field(ge=200, le=8000)] = 1200
    """Longer side of the preview image."""
