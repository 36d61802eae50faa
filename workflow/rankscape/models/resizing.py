"""Making patches as large as a network's input, in the numbers that they are stored in.

Bytes stay bytes: resized once, a patch of 256 px takes 49 KB at 128 px, so that many fit in memory, and the kernel for
bytes takes a seventh of the time of that for floats. Rounding adds 0.3 of a step of 1/255 on average, about as much as
the bytes of the patch itself were rounded by.
"""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812


def holes(patches: np.ndarray) -> np.ndarray:
    """Find the pixels without data: bytes that are 0 in every band, NaN in any band of floats.

    Args:
        patches: uint8 or float32, shape (n, height, width, bands).

    Returns:
        Places of these pixels in the flattened (n, height, width), ascending, int64, shape (m,).
    """
    if patches.dtype == np.float32:
        return np.flatnonzero(np.isnan(patches).any(axis=3))
    # One patch after another stays in the processor's cache.
    pixels = patches.shape[1] * patches.shape[2]
    found = [_black(patch) + number * pixels for number, patch in enumerate(patches)]
    return np.concatenate([np.empty(0, np.int64), *found])


def _black(patch: np.ndarray) -> np.ndarray:
    """Find the pixels of one patch whose bytes are 0 in every band."""
    bands = patch.shape[-1]
    zero = np.ascontiguousarray(patch).reshape(-1) == 0
    # Few bytes are 0: looking further at those alone takes a tenth of the time of comparing all bands of all pixels.
    first = np.flatnonzero(zero)
    first = first[first % bands == 0]
    for band in range(1, bands):
        first = first[zero[first + band]]
    return np.asarray(first // bands)


def resize(patches: np.ndarray, side_px: int, fill: np.ndarray) -> np.ndarray:
    """Make patches a square of another size with a triangle filter as wide as the reduction asks for.

    Pixels without data count as `fill`, so that they pull their neighbours towards it; a pixel for which more than half
    of the pixels below it are without data has none afterwards. Bytes that hold data stay above 0.

    Args:
        patches: uint8 or float32, shape (n, height, width, bands); changed where they have no data.
        side_px: Side of the result.
        fill: What pixels without data count as, in the patches' own unit, shape (bands,) or (n, bands).

    Returns:
        The patches themselves if they have that size, else a new array of their type, shape (n, side_px, side_px,
        bands).
    """
    count, height, width, bands = patches.shape
    if (height, width) == (side_px, side_px):
        return patches
    places = holes(patches)
    if not len(places):
        return _interpolated(patches, side_px)
    patches.reshape(-1, bands)[places] = np.broadcast_to(fill, (count, bands))[places // (height * width)]
    result = _interpolated(patches, side_px)
    lost = _mostly(places, (count, height, width), side_px)
    if result.dtype == np.uint8:
        np.maximum(result, 1, out=result)
    result[lost] = 0 if result.dtype == np.uint8 else np.nan
    return result


def _mostly(places: np.ndarray, shape: tuple[int, int, int], side_px: int) -> tuple[np.ndarray, ...]:
    """Find the pixels of the result that lie on pixels without data, as indices of (n, side_px, side_px)."""
    count, height, width = shape
    if side_px > min(height, width):
        empty = np.zeros(shape, bool)
        empty.reshape(-1)[places] = True
        rows, cols = (np.arange(side_px) * side // side_px for side in (height, width))
        return np.nonzero(empty[:, rows[:, None], cols])
    number, row, col = np.unravel_index(places, shape)
    target = (number * side_px + row * side_px // height) * side_px + col * side_px // width
    below, shares = np.unique(target, return_counts=True)
    return np.unravel_index(below[shares * 2 * side_px**2 > height * width], (count, side_px, side_px))


def _interpolated(patches: np.ndarray, side_px: int) -> np.ndarray:
    # PyTorch's kernel for bytes wants the bands last in memory, that for floats the bands first.
    layout = torch.channels_last if patches.dtype == np.uint8 else torch.contiguous_format
    numbers = torch.from_numpy(patches).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    small = F.interpolate(numbers, (side_px, side_px), mode="bilinear", align_corners=False, antialias=True)
    return np.ascontiguousarray(small.permute(0, 2, 3, 1).numpy())
