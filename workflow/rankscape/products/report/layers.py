"""What lies on a page's map: layers of values, a number for each patch, and images of granules, all packed small."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from affine import Affine
from matplotlib import colormaps
from PIL import Image
from rasterio.warp import Resampling, reproject

from rankscape.products.report.embedded_images import EmbeddedImage, png_image
from rankscape.products.report.geography import Placed, Plane, on_even_grid
from rankscape.samples.patches import Patches
from rankscape.samples.rendering import as_rgb

LARGEST_PX = 2048
"""Longest side of a granule's image."""
_QUALITIES = (82, 70, 58, 45, 30)
_SMALLEST_PX = 4
"""Smallest side of a patch on the images."""
_BLACK = 3
"""A patch without a value is black; what is lighter is ground."""
_MISSING = 65535
"""Stands for a patch without a value; the others are 0 ... 65534 between the layer's ends."""
SHOWN = (0.01, 0.99)
"""Colours span these quantiles: a few extreme places would leave all others in one colour."""
Values = dict[str, np.ndarray]
"""For each granule, float64 of shape (rows, columns); NaN without a value."""


@dataclass(frozen=True)
class Layer:
    """One number for each patch."""

    key: str
    group: str
    title: str
    note: str
    """What it says, in a sentence."""
    ramp: str
    """Name of the colour ramp."""
    ends: tuple[float, float]
    """Values of the ramp's ends."""
    values: Values = field(repr=False)
    words: tuple[str, str] = ("low", "high")
    """What the ends mean."""
    transform: str = "none"
    """`log1p`: values are logarithms, shown as what they stand for."""
    signed: bool = False
    """Whether numbers are written with a plus sign."""

    def packed(self) -> dict[str, Any]:
        """Return it as JSON values; the numbers of each granule as 16-bit integers in base64."""
        known = np.concatenate([values[np.isfinite(values)] for values in self.values.values()] or [np.zeros(0)])
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        return {
            "key": self.key, "group": self.group, "title": self.title, "note": self.note, "ramp": self.ramp,
            "ends": [_short(v) for v in self.ends], "words": list(self.words), "transform": self.transform,
            "signed": self.signed, "low": low, "step": (high - low) / (_MISSING - 1) or 1.0,
            "values": {name: _packed(values, low, high) for name, values in self.values.items()},
        }  # fmt: skip


def thumbnail(plane: Plane, layer: Layer) -> EmbeddedImage:
    """Draw a layer small, a pixel about a patch, for print and for readers without scripts."""
    grid = on_even_grid(plane, layer.values)
    low, high = layer.ends
    shares = np.clip((grid - low) / (high - low), 0, 1)
    pixels = (colormaps[layer.ramp](np.nan_to_num(shares)) * 255).round().astype(np.uint8)
    pixels[~np.isfinite(grid), 3] = 0
    return png_image(pixels)


def spans(known: np.ndarray) -> tuple[float, float]:
    """Return the values between which colours are spread; never one and the same."""
    low, high = (float(v) for v in np.quantile(known, SHOWN))
    return (low, high) if high > low else (float(known.min()), float(known.min()) + max(float(np.ptp(known)), 1.0))


def gridded(plane: Plane, table: pd.DataFrame, column: str) -> Values:
    """Lay a column out by granule, row and column of the grid.

    Args:
        plane: Where granules lie.
        table: Columns patch_id, granule and `column`.
        column: Name of the values.
    """
    found: Values = {}
    parts: Mapping[Any, pd.DataFrame] = dict(iter(table.groupby("granule")))
    for placed in plane.granules:
        if placed.granule not in parts:
            continue
        part = parts[placed.granule]
        grid = np.full((placed.grid.rows, placed.grid.cols), np.nan)
        grid[placed.places(part["patch_id"])] = part[column].to_numpy(np.float64)
        found[placed.granule] = grid
    return found


def _packed(values: np.ndarray, low: float, high: float) -> str:
    whole = np.full(values.shape, _MISSING, "<u2")
    known = np.isfinite(values)
    whole[known] = np.rint((values[known] - low) / ((high - low) or 1.0) * (_MISSING - 1))
    return base64.b64encode(whole.tobytes()).decode()


def _short(value: float) -> float:
    return float(f"{value:.6g}")


@dataclass(frozen=True)
class Preview:
    """A granule's image."""

    uri: str
    """WebP as a data URI; transparent outside the granule."""
    bounds: tuple[float, float, float, float]
    """Left, lower, right, upper end on the plane."""
    patch_px: float
    """Side of a patch on the image, in pixels."""


def previews(plane: Plane, patches: Mapping[str, Patches], limit_mb: float) -> dict[str, Preview]:
    """Draw every granule, as finely as `limit_mb` allows.

    Args:
        plane: Where granules lie.
        patches: Patches by granule.
        limit_mb: Largest size of all images together on the page, in megabytes; 0 draws none.

    Returns:
        Images by granule; none where even the coarsest would be too large.
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
    """Side of a patch that the size of an image allows at about one and a half bits a pixel, at most its own."""
    grid = granule.grid
    pixels = share * 8 / 1.5
    allowed = int(min((pixels / (grid.rows * grid.cols)) ** 0.5, LARGEST_PX / max(grid.rows, grid.cols)))
    return max(min(grid.patch_px, allowed), min(grid.patch_px, _SMALLEST_PX))


def _drawn(
    granule: Placed, plane: Plane, store: Patches, side: int
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """The granule's image on the plane, RGBA, and its ends."""
    pixels = np.zeros((granule.grid.rows * side, granule.grid.cols * side, 4), np.uint8)
    for place, (row, col) in enumerate(zip(granule.rows, granule.cols, strict=True)):
        patch = _small(as_rgb(np.asarray(store.array[place])), side)
        target = pixels[row * side : (row + 1) * side, col * side : (col + 1) * side]
        target[..., :3] = patch
        target[..., 3] = 255 if patch.max() > _BLACK else 0
    if granule.straight and granule.grid.transform[0] > 0 > granule.grid.transform[4]:
        return pixels, granule.bounds
    return _turned(granule, plane, pixels, side)


def _small(image: np.ndarray, side: int) -> np.ndarray:
    if image.shape[0] == side:
        return image
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX))


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
