"""Patches as 8-bit images, for people and judges to look at."""

import contextlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from rankscape.foundation.errors import RasterError, TableError
from rankscape.samples.patches import Patches

MAX_PIXELS = 1 << 26
"""An image to look at has 8,192 x 8,192 px at most; a header that claims more is an attack or a mistake."""
WHITE_REFLECTANCE = 0.3
"""Reflectance that shows as white: most land is darker, and one gain for all dates keeps patches comparable."""


@contextlib.contextmanager
def open_image(path: Path, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """Open an image: its header only; the block decodes it.

    Args:
        path: The image.
        formats: Formats that it may have, as Pillow names them; it is not left to guess among its forty.

    Raises:
        RasterError: If it is of another format, broken (inside the block too), or claims more than `MAX_PIXELS`; the
            message names it.
    """
    try:
        with Image.open(path, formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise RasterError(f"{path} claims {image.width} x {image.height} px; {MAX_PIXELS} px are read at most.")
            yield image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RasterError(f"{path} is no whole image ({' '.join(str(error).split())}): mend or remove it.") from None


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


def enlarged(image: np.ndarray, min_side_px: int) -> np.ndarray:
    """Repeat pixels so that the smaller side has at least `min_side_px`.

    A whole factor without smoothing adds nothing to the image that was not measured.

    Args:
        image: Shape (height, width, bands).
        min_side_px: Side asked for.
    """
    factor = -(-min_side_px // min(image.shape[:2]))
    return image.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else image


def as_png(image: np.ndarray) -> bytes:
    """Encode one image, uint8 of shape (height, width, 3), as PNG without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


class PatchLookup:
    """Finds patches by id, over all granules, and shows them as images; the arrays are mapped, not read."""

    def __init__(self, stores: Iterable[Patches], wanted: Iterable[str] | None = None) -> None:
        """Look through patch stores.

        Args:
            stores: Patches of granules.
            wanted: Ids that will be asked for; None takes all.

        Raises:
            TableError: If a wanted patch is in none of the stores.
        """
        needed = None if wanted is None else set(wanted)
        self._places = {
            str(patch): (store, place)
            for store in stores
            for place, patch in enumerate(store.index["patch_id"])
            if needed is None or patch in needed
        }
        if missing := sorted((needed or set()) - set(self._places)):
            raise TableError(
                f"Patch {missing[0]} (and {len(missing) - 1} more) is in none of the patch arrays given: give those of "
                "all granules, from the run that the clusters are from."
            )

    def __contains__(self, patch: str) -> bool:
        return patch in self._places

    def pixels(self, patch: str) -> np.ndarray:
        """Return a patch as it is stored, shape (patch_px, patch_px, bands).

        Raises:
            TableError: If it is in none of the stores.
        """
        if patch not in self._places:
            raise TableError(f"Patch {patch} is in none of the patch arrays given: give those of all granules.")
        store, place = self._places[patch]
        return np.asarray(store.array[place])

    def png(self, patch: str, min_side_px: int) -> bytes:
        """Return a patch as PNG, enlarged by a whole factor to at least this side, without smoothing."""
        return as_png(enlarged(as_rgb(self.pixels(patch)), min_side_px))
