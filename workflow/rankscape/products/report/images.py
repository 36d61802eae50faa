"""Patches and the map as data URIs: the page carries its own pictures."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from rankscape.foundation.errors import InputError
from rankscape.samples.rendering import as_png, as_rgb

_CRISP_PX = 64
"""Patches up to this side are kept pixel by pixel as PNG; the browser enlarges them without blurring."""
_SHOWN_PX = 160
"""Longer side of larger patches on the page: 200 of them stay within 2 MB."""
_MAP_PX = 1600
"""Longest side of the map on the page."""
_MAX_MAP_PIXELS = 100_000_000


def data_uri(content: bytes, kind: str) -> str:
    """Return bytes as a data URI of an image type such as `png`."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def patch_uri(patch: np.ndarray) -> str:
    """Return a patch as a data URI.

    Small patches keep every pixel (PNG); large ones are averaged down to 160 px (JPEG).

    Args:
        patch: uint8 or float32 reflectance, shape (height, width, bands), red, green, blue first.
    """
    picture = as_rgb(patch)
    if max(picture.shape[:2]) <= _CRISP_PX:
        return data_uri(as_png(picture), "png")
    image = Image.fromarray(picture)
    image.thumbnail((_SHOWN_PX, _SHOWN_PX), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=85)
    return data_uri(buffer.getvalue(), "jpeg")


@dataclass(frozen=True)
class MapPicture:
    """A picture in a file of its own: a map, or a sheet of photographs."""

    uri: str
    width_px: int
    height_px: int


def read_map(path: Path) -> MapPicture:
    """Read the region's preview, reduced to what the page shows.

    Raises:
        InputError: If the file is missing or no PNG.
    """
    try:
        image = Image.open(path, formats=["PNG"])
        if image.width * image.height > _MAX_MAP_PIXELS:
            raise InputError(f"{path} has {image.width} x {image.height} pixels: set merge.preview_px lower.")
        image.load()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: make it with `rankscape mosaic`, or mend the path.") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path} is no whole PNG ({error}): make it again with `rankscape mosaic`.") from None
    image.thumbnail((_MAP_PX, _MAP_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image.convert("RGBA"))).save(buffer, format="PNG", optimize=True)
    return MapPicture(data_uri(buffer.getvalue(), "png"), image.width, image.height)


def read_sheet(path: Path, verb: str) -> MapPicture:
    """Read a PNG of photographs as JPEG, a fifth as large.

    Args:
        path: The picture.
        verb: Stage that makes it, for messages.

    Raises:
        InputError: If the file is missing or no PNG.
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, format="JPEG", quality=85, subsampling=0)
            return MapPicture(data_uri(buffer.getvalue(), "jpeg"), image.width, image.height)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: make it with `rankscape {verb}`, or mend the path.") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path} is no whole PNG ({error}): make it again with `rankscape {verb}`.") from None
