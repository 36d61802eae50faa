"""Views of a picture of land: its quarter turns and mirrors. Land has no upright side, so all of them show the same."""

from collections.abc import Iterator

import torch
from torch import Tensor

from rankscape.foundation.errors import InputError

VIEWS = (1, 4, 8)
"""As it is; the four turns; the turns of the picture and of its mirror image."""


def square_views(images: Tensor, count: int) -> Iterator[Tensor]:
    """Yield views of square images, first of all the images as they are.

    Args:
        images: Shape (n, channels, side, side).
        count: 1, 4 or 8.

    Yields:
        One view of all images, of the same shape.

    Raises:
        InputError: If `count` is another number.
    """
    if count not in VIEWS:
        raise InputError(f"{count} views asked for: 1, 4 (turns) or 8 (turns and mirrors) can be had.")
    for place in range(count):
        seen = images if place < 4 else images.flip(-1)
        yield torch.rot90(seen, place % 4, (-2, -1)) if place % 4 else seen
