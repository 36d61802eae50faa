"""Views of a patch: what a network that teaches itself must recognise as one place."""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_ASPECT = math.log(4 / 3)
"""Largest logarithm of width over height (Szegedy et al., Going deeper with convolutions, CVPR 2015)."""


def crop(batch: Tensor, smallest: float, side_px: int, generator: torch.Generator) -> Tensor:
    """Cut a rectangle by chance out of each picture, and resize it to a square.

    Its share of the picture's area is uniform between `smallest` and 1, its aspect log-uniform from 3/4 to 4/3, its
    place uniform (Szegedy et al., CVPR 2015), resized with a triangle filter as wide as the reduction asks for.

    Args:
        batch: Pictures, shape (n, channels, height, width); pixels without data (NaN) spread as far as the filter.
        smallest: Smallest share of the area, above 0.
        side_px: Side of the squares.
        generator: Source of chance; the same state gives the same crops, on every device.

    Returns:
        Shape (n, channels, side_px, side_px).
    """
    height, width = batch.shape[-2:]
    drawn = torch.rand((len(batch), 4), generator=generator, device=generator.device).tolist()
    squares = []
    for picture, (area, aspect, down, across) in zip(batch, drawn, strict=True):
        share, ratio = smallest + (1 - smallest) * area, math.exp(_ASPECT * (2 * aspect - 1))
        tall = max(1, round(height * min(1.0, math.sqrt(share / ratio))))
        wide = max(1, round(width * min(1.0, math.sqrt(share * ratio))))
        top, left = round(down * (height - tall)), round(across * (width - wide))
        part = picture[None, :, top : top + tall, left : left + wide]
        squares.append(F.interpolate(part, (side_px, side_px), mode="bilinear", align_corners=False, antialias=True))
    return torch.cat(squares)
