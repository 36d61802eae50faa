"""The one place where images are opened: bit depth, colours, transparency, orientation and pages are checked here."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from rankscape.foundation.errors import RasterError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
"""Formats of images, as Pillow names them."""
_MODES = frozenset({"RGB", "RGBA", "P", "PA", "L", "LA"})
_SUBFILE_TYPE = 254
"""TIFF tag: 0 is a page of its own; other values are overviews and masks of another page."""
_RED_GREEN_BLUE = ("red", "green", "blue")
_COLOUR_OF = {"B04": "red", "B4": "red", "B03": "green", "B3": "green", "B02": "blue", "B2": "blue"}
"""Colours of Sentinel-2's band names; without the leading 0 as exports write them."""


def check_image(image: Image.Image, path: Path) -> None:
    """Refuse an image that does not hold one picture of 8-bit colours or greys; its header is enough.

    Pillow reads colours of 16 bits as their upper 8 bits and says so nowhere but in its plan of decoding.

    Raises:
        RasterError: If it has other pixels, or several pages or frames; the message names it.
    """
    plans: Any = getattr(image, "tile", None)
    plan = plans[0][3] if plans else ""
    raw = plan if isinstance(plan, str) else str(plan[0]) if plan else ""
    if image.mode not in _MODES or ";16" in raw or ";32" in raw:
        raise RasterError(f"{path} holds pixels of mode {raw or image.mode}; 8-bit images are needed: save it as RGB.")
    if image.format in ("PNG", "WEBP", "TIFF") and (pages := _pages(image)) > 1:
        raise RasterError(f"{path} has {pages} pages or frames; one image a file is needed: save one of them.")


def _pages(image: Image.Image) -> int:
    frames = getattr(image, "n_frames", 1)
    if image.format != "TIFF" or frames == 1:
        return int(frames)
    pages = 0
    for frame in range(frames):
        image.seek(frame)
        pages += not getattr(image, "tag_v2", {}).get(_SUBFILE_TYPE, 0)
    image.seek(0)
    return pages


def shown_colours(image: Image.Image) -> Image.Image:
    """Return the colours that an image shows, as RGBA: upright, of a palette its colours, 0 where it is transparent."""
    pixels = np.array(ImageOps.exif_transpose(image).convert("RGBA"))
    pixels[pixels[..., 3] == 0] = 0
    return Image.fromarray(pixels)


def data_bands(dataset: Any) -> list[int]:
    """Return the numbers of a raster's bands that hold data, from 1: alpha says what is empty and is no band.

    Raises:
        RasterError: If the file holds several rasters, greys of less than 8 bits, colours of CMYK or YCbCr.
    """
    if dataset.subdatasets:
        raise RasterError(f"{dataset.name} has {len(dataset.subdatasets)} pages; one a file is needed: save one.")
    kinds = dataset.colorinterp
    bits = int(dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))
    if bits < 8 and kinds[0] != ColorInterp.palette:
        raise RasterError(f"{dataset.name} has {bits} bit(s) a pixel; at least 8 are needed: save it as 8-bit RGB.")
    strange = [kind.name for kind in kinds if kind.name in ("cyan", "magenta", "yellow", "black", "Y", "Cb", "Cr")]
    if strange:
        raise RasterError(f"{dataset.name} has the bands {', '.join(strange)}: save it as red, green, blue.")
    return [number for number, kind in enumerate(kinds, 1) if kind != ColorInterp.alpha]


def check_colour_order(dataset: Any) -> None:
    """Refuse a raster that says itself that its first three bands are not red, green, blue.

    Raises:
        RasterError: If band names or colour interpretation give another order of the three colours.
    """
    named = [_COLOUR_OF.get(str(name).upper(), str(name).lower()) for name in dataset.descriptions]
    for colours in (named, [kind.name for kind in dataset.colorinterp]):
        if set(_RED_GREEN_BLUE) <= set(colours) and tuple(colours[:3]) != _RED_GREEN_BLUE:
            order = ", ".join(str(name) for name in (dataset.descriptions if colours is named else colours))
            raise RasterError(f"{dataset.name} has the bands {order}: write red, green, blue (B04, B03, B02) first.")


def read_window(dataset: Any, window: Window) -> np.ndarray:
    """Read the bands of data of a raster, shape (height, width, bands); 0 or NaN where its mask says no data.

    Of a palette the colours are read.
    """
    pixels: np.ndarray = np.moveaxis(dataset.read(data_bands(dataset), window=window), 0, 2)
    if dataset.colorinterp[0] == ColorInterp.palette:
        table = np.zeros((256, 4), np.uint8)
        for value, colour in dataset.colormap(1).items():
            table[value % 256] = colour
        shown = table[pixels[..., 0]]
        shown[shown[..., 3] == 0] = 0
        pixels = shown[..., :3]
    hidden = dataset.dataset_mask(window=window) == 0
    if hidden.any() and pixels.dtype.kind in "fu":
        pixels = pixels.copy()
        pixels[hidden] = np.nan if pixels.dtype.kind == "f" else 0
    return pixels


def band_count(dataset: Any) -> int:
    """Return how many bands `read_window` gives."""
    return 3 if dataset.colorinterp[0] == ColorInterp.palette else len(data_bands(dataset))
