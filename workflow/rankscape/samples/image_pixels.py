"""The one place where images are opened: bit depth, colours, transparency, orientation and pages are checked here."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from rankscape.foundation.errors import RasterError
from rankscape.scenes.plausibility import check_backscatter, polarisation

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
"""Formats of images, as Pillow names them."""
_MODES = frozenset({"RGB", "RGBA", "P", "PA", "L", "LA"})
_SUBFILE_TYPE = 254
"""TIFF tag: 0 is a page of its own; other values are overviews and masks of another page."""
_RED_GREEN_BLUE = ("red", "green", "blue")
_COLOUR_OF = {"4": "red", "3": "green", "2": "blue"}
"""Colours of the numbers in Sentinel-2's band names."""
_BAND_NAME = re.compile(r"(?:.*[^0-9A-Za-z])?B(?:and)?[ _]?0?([0-9]{1,2}A?)(?![0-9A-Za-z]).*", re.IGNORECASE)
"""Names such as B04, B4, B04_10m, T48RVV_B04, Band 4."""
_LANDSAT = "SR_B"
"""Begins Landsat's names, such as SR_B4: red since Landsat 8, near infrared before."""
_LEAST_REFLECTANCE, _USUAL_REFLECTANCE, _MOST_REFLECTANCE = -0.5, 2.0, 100.0
"""Below the first no offset leads, half of all pixels stay below the second, no glint reaches the third."""
_SAMPLE_PX = 8
"""Every eighth pixel is enough to tell reflectance from digital numbers."""
_ORIENTATION = 274
"""Tag of TIFF and EXIF: 1 is upright."""


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
        RasterError: If the file holds several rasters, pixels of 1 bit, other greys of less than 8 bits, greys of which
            0 is white, colours of CMYK or YCbCr.
    """
    if dataset.subdatasets:
        raise RasterError(f"{dataset.name} has {len(dataset.subdatasets)} pages; one a file is needed: save one.")
    kinds = dataset.colorinterp
    bits = int(dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))
    if bits == 1 or (bits < 8 and kinds[0] != ColorInterp.palette):
        raise RasterError(f"{dataset.name} has {bits} bit(s) a pixel; at least 8 are needed: save it as 8-bit RGB.")
    if dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES":
        raise RasterError(f"{dataset.name} holds greys of which 0 is white: save it as 8-bit RGB.")
    strange = [kind.name for kind in kinds if kind.name in ("cyan", "magenta", "yellow", "black", "Y", "Cb", "Cr")]
    if strange:
        raise RasterError(f"{dataset.name} has the bands {', '.join(strange)}: save it as red, green, blue.")
    # GDAL calls the fourth band of bytes alpha unless it is told otherwise; a band's name knows better.
    names = [str(name or "") for name in dataset.descriptions]
    alpha = [kind == ColorInterp.alpha and not _named(name) for kind, name in zip(kinds, names, strict=True)]
    return [number for number, empty in enumerate(alpha, 1) if not empty]


def chosen_bands(dataset: Any, wanted: Sequence[str]) -> list[int]:
    """Return the numbers, from 1, of the bands that are asked for by name or number; all that hold data by default.

    Raises:
        RasterError: If there is none of that name or number, or one of the first three is another colour by its name.
    """
    held = data_bands(dataset)
    numbers = {str(dataset.descriptions[number - 1]).casefold(): number for number in reversed(held)}
    by_name = {str(number): number for number in held} | numbers
    missing = [name for name in wanted if name.casefold() not in by_name]
    if missing:
        there = ", ".join(f"{number} ({dataset.descriptions[number - 1] or 'no name'})" for number in held)
        raise RasterError(f"{dataset.name} has no band {missing[0]}, which tile.bands names; there are {there}.")
    chosen = [by_name[name.casefold()] for name in wanted] or held
    check_colour_order(dataset, chosen if wanted else None)
    return chosen


def check_colour_order(dataset: Any, bands: Sequence[int] | None = None) -> None:
    """Refuse a raster that says itself that its first three bands are not red, green, blue.

    Args:
        dataset: Open rasterio dataset.
        bands: Numbers of the bands that are taken, from 1; all by default.

    Raises:
        RasterError: If band names or colour interpretation say that one of the first three is another band.
    """
    places = [number - 1 for number in bands or range(1, dataset.count + 1)]
    names = [str(dataset.descriptions[place] or "") for place in places]
    interpretation = [dataset.colorinterp[place] for place in places]
    kinds = ["" if kind.name in ("gray", "undefined", "palette", "alpha") else kind.name for kind in interpretation]
    named = _colours_named(names)
    # GDAL calls any three bands of bytes red, green, blue: names, and what the user chose, know better.
    said = named or (kinds if bands is None else [])
    if any(said[:3]) and any(one not in ("", right) for one, right in zip(said, _RED_GREEN_BLUE, strict=False)):
        order = ", ".join(name or "?" for name in (names if named else kinds))
        raise RasterError(f"{dataset.name} has the bands {order}: red, green, blue (B04, B03, B02) must come first.")


def _colours_named(names: list[str]) -> list[str]:
    """Return the colour that each band's name says, "" where it says nothing."""
    found = [_BAND_NAME.fullmatch(name) for name in names]
    if len(found) >= len(_RED_GREEN_BLUE) and all(found[:3]) and any(_LANDSAT in name.upper() for name in names):
        numbers = [int(match[1].rstrip("aA")) for match in found[:3] if match]
        return [] if numbers == sorted(numbers, reverse=True) else names
    coloured = [_colour(name, match) for name, match in zip(names, found, strict=True)]
    return coloured if set(coloured) & set(_RED_GREEN_BLUE) else []


def _named(name: str) -> bool:
    """Whether a band's name is that of a band of a sensor."""
    return name.lower() == "nir" or _BAND_NAME.fullmatch(name) is not None


def _colour(name: str, match: re.Match[str] | None) -> str:
    """Return the colour of a name; another band's own name where that is known to be none."""
    if match:
        return _COLOUR_OF.get(match[1], name)
    return name.lower() if name.lower() in (*_RED_GREEN_BLUE, "nir") else ""


def check_reflectance(pixels: np.ndarray, name: str, bands: Sequence[str] = ()) -> None:
    """Refuse numbers that cannot be reflectance: digital numbers, colours of 0 to 255, unknown values not declared.

    Args:
        pixels: Of type float reflectance, NaN where there is no data; other types are not looked at.
        name: What messages call the image.
        bands: Names of its bands; those of radar must be decibels.

    Raises:
        RasterError: If a value is below -0.5 or above 100, or half of the pixels lie above 2; or if a radar band is
            not in decibels.
    """
    if pixels.dtype.kind != "f":
        return
    if radar := radar_places(bands):
        check_backscatter(pixels[::_SAMPLE_PX, ::_SAMPLE_PX, radar], "db", name)
        pixels = pixels[..., [place for place in range(len(bands)) if place not in radar]]
    if not pixels.size:
        return
    low, high = float(np.fmin.reduce(pixels, axis=None)), float(np.fmax.reduce(pixels, axis=None))
    sample = pixels[::_SAMPLE_PX, ::_SAMPLE_PX, :3]
    usual = float(np.median(sample[np.isfinite(sample)])) if np.isfinite(sample).any() else 0.0
    if low < _LEAST_REFLECTANCE or high > _MOST_REFLECTANCE or usual > _USUAL_REFLECTANCE:
        raise RasterError(
            f"{name} holds values from {low:g} to {high:g}, half of them above {usual:g}: float images must be"
            " reflectance, about 0 to 1. Divide digital numbers by their scale (10,000), save colours of 0 to 255 as"
            " bytes, and declare the value of no data."
        )


def radar_places(bands: Sequence[str]) -> list[int]:
    """Return the places, from 0, of the bands that are named as polarisations of radar."""
    return [place for place, band in enumerate(bands) if polarisation(band)]


def check_upright(path: Path) -> None:
    """Refuse a TIFF that viewers turn or mirror; GDAL reads it as it is stored.

    Raises:
        RasterError: If its tag of orientation is another than 1.
    """
    try:
        with Image.open(path, formats=["TIFF"]) as image:
            turned = int(image.getexif().get(_ORIENTATION, 1)) != 1
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return  # no photograph: a raster of other bands or types, or JPEG 2000
    if turned:
        raise RasterError(
            f"{path} has a tag of orientation that turns or mirrors it: save it upright, without the tag."
        )


def read_window(dataset: Any, window: Window) -> np.ndarray:
    """Read the bands of data of a raster, shape (height, width, bands); 0 or NaN where its mask says no data.

    Of a palette the colours are read; greys of 8 bits are red, green and blue alike.

    Raises:
        RasterError: If floats are no reflectance.
    """
    pixels: np.ndarray = np.moveaxis(dataset.read(data_bands(dataset), window=window), 0, 2)
    if dataset.colorinterp[0] == ColorInterp.palette:
        table = np.zeros((256, 4), np.uint8)
        for value, colour in dataset.colormap(1).items():
            table[value % 256] = colour
        shown = table[pixels[..., 0]]
        shown[shown[..., 3] == 0] = 0
        pixels = shown[..., :3]
    elif pixels.shape[2] == 1 and pixels.dtype == np.uint8:
        pixels = pixels.repeat(3, axis=2)
    hidden = dataset.dataset_mask(window=window) == 0
    if hidden.any() and pixels.dtype.kind in "fu":
        pixels = pixels.copy()
        pixels[hidden] = np.nan if pixels.dtype.kind == "f" else 0
    check_reflectance(pixels, dataset.name)
    return pixels


def band_count(dataset: Any) -> int:
    """Return how many bands `read_window` gives."""
    bands = len(data_bands(dataset))
    shown = dataset.colorinterp[0] == ColorInterp.palette or (bands == 1 and dataset.dtypes[0] == "uint8")
    return 3 if shown else bands
