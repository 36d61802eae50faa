"""Patches as 8-bit pictures, for people and judges to look at."""

import io

import numpy as np
from PIL import Image

WHITE_REFLECTANCE = 0.3
"""Reflectance that shows as white: most land is darker, and one gain for all dates keeps patches comparable."""


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


def enlarged(picture: np.ndarray, min_picture_px: int) -> np.ndarray:
    """Repeat pixels so that the smaller side has at least `min_picture_px`.

    A whole factor without smoothing adds nothing to the picture that was not measured.

    Args:
        picture: Shape (height, width, bands).
        min_picture_px: Side asked for.
    """
    factor = -(-min_picture_px // min(picture.shape[:2]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else picture


def as_png(picture: np.ndarray) -> bytes:
    """Encode one picture, uint8 of shape (height, width, 3), as PNG without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()
