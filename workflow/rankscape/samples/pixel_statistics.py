"""Pixel statistics of a patch (gradient, blue/green ratio, brightness), with which every model is compared.

On one county and year the mean gradient alone comes close to published models of development, since towns have edges
and fields do not. A score is worth its training where it is clearly better than these.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

STATISTICS = ("gradient", "blue_green", "brightness")
"""Columns of a table of pixel statistics."""
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green, blue in grey (ITU-R BT.601)."""
_CHUNK_PIXELS = 4_000_000
"""Pixels worked on at a time: about 150 MB with all that is computed from them."""


def patch_statistics(patches: np.ndarray, usable: np.ndarray) -> pd.DataFrame:
    """Measure every usable patch; the array is read piece by piece.

    `gradient` is the mean magnitude of the gradient of grey (central differences, a pixel the unit of length),
    `blue_green` the mean of blue over the mean of green, `brightness` the mean of grey; grey in [0, 1].

    Args:
        patches: uint8, or float32 reflectance in [0, 1] with NaN where there is no data; red, green, blue first;
            shape (patches, height, width, bands), may be mapped. A uint8 pixel that is 0 in all three has no data.
        usable: Patches to measure, bool, shape (patches,).

    Returns:
        Columns `STATISTICS`, float64, one row a patch; NaN where the patch is not usable or has no data.
    """
    result = np.full((len(patches), len(STATISTICS)), np.nan)
    for places in chunks(np.flatnonzero(usable), patches.shape[1] * patches.shape[2]):
        result[places] = _measure(_colours(patches[places[0] : places[-1] + 1][places - places[0]]))
    return pd.DataFrame(result, columns=list(STATISTICS))


def chunks(places: np.ndarray, pixels: int) -> Iterable[np.ndarray]:
    """Split places so that no piece spans more of the array than is read at a time.

    Args:
        places: Numbers of patches, ascending, shape (n,).
        pixels: Pixels of one patch.

    Returns:
        Pieces of `places`, none empty.
    """
    span = max(1, _CHUNK_PIXELS // pixels)
    breaks = np.flatnonzero(np.diff(places // span)) + 1
    return [piece for piece in np.split(places, breaks) if len(piece)]


def _colours(patches: np.ndarray) -> np.ndarray:
    """Red, green, blue as float32 in [0, 1]; NaN where there is no data."""
    colours = patches[..., :3]
    if colours.dtype != np.uint8:
        return np.asarray(colours, np.float32)
    scaled = colours.astype(np.float32) / 255
    scaled[~colours.any(axis=-1)] = np.nan
    return scaled


def _measure(colours: np.ndarray) -> np.ndarray:
    """Statistics of patches, shape (n, height, width, 3) to (n, 3); pixels beside missing ones have no gradient."""
    grey = colours @ _GREY
    down, right = np.gradient(grey, axis=(1, 2))
    green, blue = _mean(colours[..., 1]), _mean(colours[..., 2])
    ratio = np.divide(blue, green, out=np.full(len(green), np.nan), where=green > 0)
    return np.stack([_mean(np.hypot(down, right)), ratio, _mean(grey)], axis=1)


def _mean(images: np.ndarray) -> np.ndarray:
    """Mean over the pixels with data, float64, shape (n,); NaN where a patch has none."""
    given = np.isfinite(images)
    count = given.sum(axis=(1, 2))
    total = np.where(given, images, 0).sum(axis=(1, 2), dtype=np.float64)
    means: np.ndarray = np.divide(total, count, out=np.full(len(images), np.nan), where=count > 0)
    return means
