"""Pictures of granules for the page's map: their patches put together, made small, and turned into the map's plane."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from affine import Affine
from PIL import Image
from rasterio.warp import Resampling, reproject

from rankscape.products.report.geography import Placed, Plane
from rankscape.samples.patches import Patches
from rankscape.samples.rendering import as_rgb

LARGEST_PX = 2048
"""Longest side of a granule's picture."""
_QUALITIES = (82, 70, 58, 45, 30)
_SMALLEST_PX = 4
"""Smallest side of a patch on the pictures."""
_BLACK = 3
"""A patch without a value is black; what is lighter is land."""


@dataclass(frozen=True)
class Preview:
    """A granule's picture."""

    uri: str
    """WebP as a data URI; transparent outside the granule."""
    bounds: tuple[float, float, float, float]
    """Left, lower, right, upper end on the plane."""
    patch_px: float
    """Side of a patch on the picture, in pixels."""


def previews(plane: Plane, patches: Mapping[str, Patches], limit_mb: float) -> dict[str, Preview]:
    """Draw every granule, as finely as `limit_mb` allows.

    Args:
        plane: Where granules lie.
        patches: Patches by granule.
        limit_mb: Largest size of all pictures together on the page, in megabytes; 0 draws none.

    Returns:
        Pictures by granule; none where even the coarsest would be too large.
    """
    if not plane.granules or limit_mb <= 0:
        return {}
    share = limit_mb * 1e6 * 3 / 4 / len(plane.granules)
    side = min(_finest(granule, share) for granule in plane.granules)
    drawn = {g.granule: _drawn(g, plane, patches[g.granule], side) for g in plane.granules}
    for quality in _QUALITIES:
        encoded = {name: _encoded(pixels, quality) for name, (pixels, _) in drawn.items()}
        if sum(map(len, encoded.values())) <= share * len(encoded):
            found = {}
            for granule in plane.granules:
                data = base64.b64encode(encoded[granule.granule]).decode()
                pixels, bounds = drawn[granule.granule]
                px = pixels.shape[1] * (granule.bounds[2] - granule.bounds[0]) / (bounds[2] - bounds[0])
                found[granule.granule] = Preview(f"data:image/webp;base64,{data}", bounds, px / granule.grid.cols)
            return found
    return {}


def _finest(granule: Placed, share: float) -> int:
    """Side of a patch that the size of a picture allows at about one and a half bits a pixel, at most its own."""
    grid = granule.grid
    pixels = share * 8 / 1.5
    allowed = int(min((pixels / (grid.rows * grid.cols)) ** 0.5, LARGEST_PX / max(grid.rows, grid.cols)))
    return max(min(grid.patch_px, allowed), min(grid.patch_px, _SMALLEST_PX))


def _drawn(
    granule: Placed, plane: Plane, store: Patches, side: int
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """The granule's picture on the plane, RGBA, and its ends."""
    pixels = np.zeros((granule.grid.rows * side, granule.grid.cols * side, 4), np.uint8)
    for place, (row, col) in enumerate(zip(granule.rows, granule.cols, strict=True)):
        patch = _small(as_rgb(np.asarray(store.array[place])), side)
        target = pixels[row * side : (row + 1) * side, col * side : (col + 1) * side]
        target[..., :3] = patch
        target[..., 3] = 255 if patch.max() > _BLACK else 0
    if granule.straight and granule.grid.transform[0] > 0 > granule.grid.transform[4]:
        return pixels, granule.bounds
    return _turned(granule, plane, pixels, side)


def _small(picture: np.ndarray, side: int) -> np.ndarray:
    if picture.shape[0] == side:
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BOX))


def _turned(
    granule: Placed, plane: Plane, pixels: np.ndarray, side: int
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    left, low, right, high = granule.bounds
    scale = (right - left) / (granule.grid.cols * side)
    cols, rows = max(1, round((right - left) / scale)), max(1, round((high - low) / scale))
    there = Affine.translation(left + plane.origin[0], high + plane.origin[1])
    there = there @ Affine.scale((right - left) / cols, -(high - low) / rows)
    here = Affine(*granule.grid.transform) @ Affine.scale(granule.grid.patch_px / side)
    found = np.zeros((4, rows, cols), np.uint8)
    reproject(
        np.moveaxis(pixels, -1, 0), found, src_crs=granule.grid.crs, src_transform=here, dst_crs=plane.crs,
        dst_transform=there, resampling=Resampling.bilinear,
    )  # fmt: skip
    return np.ascontiguousarray(np.moveaxis(found, 0, -1)), granule.bounds


def _encoded(pixels: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="WEBP", quality=quality, method=4)
    return buffer.getvalue()
