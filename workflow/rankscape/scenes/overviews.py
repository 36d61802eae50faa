"""Overviews that are known without looking at the pixels, for Cloud-Optimized GeoTIFFs."""

import contextlib
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.windows import Window

Overview = Callable[[int], Iterator[np.ndarray]]
"""Gives an overview by its factor: pixels (bands, rows, columns), some rows at a time from top to bottom.

Its size is that of the raster over the factor, rounded up.
"""


def factors(height_px: int, width_px: int, block_px: int) -> list[int]:
    """Return the factors of the overviews: 2, 4 ... until the smallest fits into a block, as GDAL chooses them."""
    found: list[int] = []
    while max(height_px, width_px) >> len(found) > block_px:
        found.append(2 << len(found))
    return found


@contextlib.contextmanager
def with_overviews(draft: Path, overview: Overview | None, profile: dict[str, Any]) -> Iterator[Path]:
    """Yield a raster with the pixels, tags and names of `draft` and given overviews; copying it makes no others.

    It is a virtual raster (VRT) over the draft and one plain file an overview, beside the draft.

    Args:
        draft: A raster without overviews.
        overview: Gives the overviews; None leaves them to whoever copies the draft.
        profile: How the draft was created.
    """
    if overview is None:
        yield draft
        return
    # GDAL takes the sources of a VRT away with it when it writes over one: the name has to be new.
    virtual = draft.with_suffix(".vrt")
    levels = {
        factor: draft.with_suffix(f".{factor}.tif")
        for factor in factors(profile["height"], profile["width"], profile["blockxsize"])
    }
    try:
        for factor, path in levels.items():
            _write(path, overview(factor), factor, profile)
        rasterio.shutil.copy(draft, virtual, driver="VRT")
        _join(virtual, list(levels.values()))
        yield virtual
    finally:
        for path in (virtual, *levels.values()):
            path.unlink(missing_ok=True)


def _write(path: Path, pieces: Iterator[np.ndarray], factor: int, profile: dict[str, Any]) -> None:
    size = {side: -(-profile[side] // factor) for side in ("height", "width")}
    top = 0
    with rasterio.open(
        path, "w", **{**profile, **size, "transform": profile["transform"] @ Affine.scale(factor)}
    ) as dataset:
        for pixels in pieces:
            dataset.write(pixels, window=Window(0, top, size["width"], pixels.shape[1]))
            top += pixels.shape[1]


def _join(virtual: Path, levels: list[Path]) -> None:
    tree = ET.parse(virtual)
    for band in tree.getroot().iter("VRTRasterBand"):
        for level in levels:
            element = ET.SubElement(band, "Overview")
            ET.SubElement(element, "SourceFilename", relativeToVRT="1").text = level.name
            ET.SubElement(element, "SourceBand").text = band.get("band")
    tree.write(virtual)
