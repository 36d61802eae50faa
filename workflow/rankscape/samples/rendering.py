"""Patches as 8-bit pictures, for people and judges to look at."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from rankscape.foundation.errors import RasterError

MAX_PIXELS = 1 << 26
"""A picture to look at has 8,192 x 8,192 px at most; a header that claims more is an attack or a mistake."""
WHITE_REFLECTANCE = 0.3
"""Reflectance that shows as white: most land is darker, and one gain for all dates keeps patches comparable."""


@contextlib.contextmanager
def open_image(path: Path, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """Open a picture: its header only; the block decodes it.

    Args:
        path: The picture.
        formats: Formats that it may have, as Pillow names them; it is not left to guess among its forty.

    Raises:
        RasterError: If it is of another format, broken (inside the block too), or claims more than `MAX_PIXELS`; the
            message names it.
    """
    try:
        with Image.open(path, formats=formats) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise RasterError(
                    f"{path} claims {picture.width} x {picture.height} px; {MAX_PIXELS} px are read at most."
                )
            yield picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RasterError(f"{path} is no whole picture ({' '.join(str(error).split())}): mend or remove it.") from None


def as_rgb(patches: np.ndarray) -> np.ndarray:
    """Show the first three bands as red, green, blue.

    Args:
        patches: uint8, or float32 reflectance in [0, 1]; shape (..., height, width, bands), three bands or more.

    Returns:
        uint8, shape (..., height, width, 3). NaN (no data) is black.
    """
    colours = patches[..., :3]
    if colours.dtype == np.uint8:
        return np.ascontiguousarray(colours)
    scaled = np.nan_to_num(colours, nan=0.0) * (255 / WHITE_REFLECTANCE)
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)


def enlarged(picture: np.ndarray, min_image_px: int) -> np.ndarray:
    """Repeat pixels so that the smaller side has at least `min_image_px`.

    A whole factor without smoothing adds nothing to the picture that was not measured.

    Args:
        picture: Shape (height, width, bands).
        min_image_px: Side asked for.
    """
    factor = -(-min_image_px // min(picture.shape[:2]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else picture


def as_png(picture: np.ndarray) -> bytes:
    """Encode one picture, uint8 of shape (height, width, 3), as PNG without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()
