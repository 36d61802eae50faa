"""The mosaic kernel on the CPU: every patch's value fills its square."""

import numpy as np


def fill_rows(values: np.ndarray, patch_px: int, start_px: int, out: np.ndarray) -> None:
    """Fill some rows of a raster with the values of the patches that they lie in.

    A raster is filled in bands of rows, so that one small buffer serves any number of granules. What no patch covers,
    at the right and the bottom, becomes NaN. Positions are Python integers or int64: the raster of a whole region has
    more pixels than 32 bits can count.

    Args:
        values: Value of every patch, float32, shape (rows, cols); NaN where there is none.
        patch_px: Side of a patch in pixels.
        start_px: Row of the raster that is the first of `out`.
        out: Buffer to fill, float32, shape (height, width); all of it is written.
    """
    height, width = out.shape
    out[:] = np.nan
    last_px = min(start_px + height, values.shape[0] * patch_px)
    for row in range(start_px // patch_px, -(-last_px // patch_px)):
        top = max(row * patch_px, start_px) - start_px
        bottom = min((row + 1) * patch_px, last_px) - start_px
        line = np.repeat(values[row], patch_px)[:width]
        out[top:bottom, : len(line)] = line
