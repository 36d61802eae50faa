"""Images as data URIs: a page carries all that it shows."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from rankscape.foundation.errors import InputError
from rankscape.samples.patches import Patches
from rankscape.samples.rendering import PatchLookup, as_png, as_rgb

_CRISP_PX = 64
"""Patches up to this side are kept pixel by pixel as PNG; the browser enlarges them without blurring."""
_SHOWN_PX = 160
"""Longer side of larger patches on the page: 200 of them stay within 2 MB."""
_MAP_PX = 1600
"""Longest side of a map on the page."""
_MAX_MAP_PIXELS = 100_000_000


@dataclass(frozen=True)
class EmbeddedImage:
    """An image that the page carries: a map, or a sheet of photographs."""

    uri: str
    width_px: int
    height_px: int


@dataclass(frozen=True)
class PatchImage:
    """One patch on the page."""

    patch_id: str
    uri: str
    side_px: int
    """Side of the patch's own pixels: small patches are enlarged without blurring."""
    note: str = ""


class PatchImages:
    """Finds patches by id, over all granules, and draws them."""

    def __init__(self, patches: dict[str, Patches]) -> None:
        self._patches = PatchLookup(patches.values())

    def __contains__(self, patch_id: str) -> bool:
        return patch_id in self._patches

    def image(self, patch_id: str, note: str = "") -> PatchImage:
        """Return a patch as an image of the page."""
        patch = self._patches.pixels(patch_id)
        return PatchImage(patch_id, patch_uri(patch), patch.shape[0], note)


def data_uri(content: bytes, kind: str) -> str:
    """Return bytes as a data URI of an image type such as `png`."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def png_image(pixels: np.ndarray) -> EmbeddedImage:
    """Return pixels, uint8, shape (height, width, 3 or 4), as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return EmbeddedImage(data_uri(buffer.getvalue(), "png"), pixels.shape[1], pixels.shape[0])


def patch_uri(patch: np.ndarray) -> str:
    """Return a patch as a data URI.

    Small patches keep every pixel (PNG); large ones are averaged down to 160 px (JPEG).

    Args:
        patch: uint8 or float32 reflectance, shape (height, width, bands), red, green, blue first.
    """
    pixels = as_rgb(patch)
    if max(pixels.shape[:2]) <= _CRISP_PX:
        return data_uri(as_png(pixels), "png")
    image = Image.fromarray(pixels)
    image.thumbnail((_SHOWN_PX, _SHOWN_PX), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=85)
    return data_uri(buffer.getvalue(), "jpeg")


def read_map(path: Path, verb: str = "mosaic") -> EmbeddedImage:
    """Read a map, reduced to what the page shows.

    Args:
        path: The image (PNG).
        verb: What makes it, for messages.

    Raises:
        InputError: If the file is missing, too large or no PNG.
    """
    image = _opened(path, verb)
    image.thumbnail((_MAP_PX, _MAP_PX), Image.Resampling.LANCZOS)
    return png_image(np.asarray(image.convert("RGBA")))


def read_photographs(path: Path, verb: str) -> EmbeddedImage:
    """Read a PNG of photographs as JPEG, a fifth as large.

    Args:
        path: The image.
        verb: What makes it, for messages.

    Raises:
        InputError: If the file is missing, too large or no PNG.
    """
    image = _opened(path, verb)
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="JPEG", quality=85, subsampling=0)
    return EmbeddedImage(data_uri(buffer.getvalue(), "jpeg"), image.width, image.height)


def _opened(path: Path, verb: str) -> Image.Image:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.width * image.height > _MAX_MAP_PIXELS:
                size = f"{image.width} x {image.height} pixels"
                raise InputError(f"{path} has {size}: make it smaller, at most {_MAX_MAP_PIXELS:,} pixels.")
            image.load()
            return image
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: make it with `rankscape {verb}`, or mend the path.") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path} is no whole PNG ({error}): make it again with `rankscape {verb}`.") from None
