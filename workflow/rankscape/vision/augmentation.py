"""Changes of a picture that leave what it shows as it is: land has no upright side, and light differs by date."""

import torch
from torch import Tensor

GAIN = 0.1
"""Largest relative change of contrast."""
BRIGHTNESS = 0.1
"""Largest shift of all channels, in standard deviations."""


def augment(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, mirror, and change the light of each picture by chance.

    Each picture takes one of the eight symmetries of the square, a gain in 1 ± `GAIN` around the mean, and a shift of
    ± `BRIGHTNESS` standard deviations, each uniformly.

    Args:
        batch: Normalised square pictures, float32, shape (n, channels, side, side).
        generator: Source of chance; the same state gives the same pictures, on every device.

    Returns:
        New tensor of the same shape, type and device.
    """
    count = len(batch)
    turns = torch.randint(4, (count,), generator=generator, device=generator.device)
    mirror = torch.randint(2, (count,), generator=generator, device=generator.device)
    light = torch.rand((2, count, 1, 1, 1), generator=generator, device=generator.device).to(batch) * 2 - 1
    turned = _turned(batch, turns.to(batch.device))
    pictures = torch.where(mirror.to(batch.device).bool()[:, None, None, None], turned.flip(-1), turned)
    return pictures * (1 + GAIN * light[0]) + BRIGHTNESS * light[1]


def _turned(batch: Tensor, turns: Tensor) -> Tensor:
    """Turn each picture by its own number of quarters."""
    result = batch.clone()
    for quarter in (1, 2, 3):
        chosen = turns == quarter
        result[chosen] = torch.rot90(batch[chosen], quarter, (-2, -1))
    return result
