"""Changes of a picture that leave what it shows as it is: land has no upright side, and light differs by date."""

import torch
from torch import Tensor

GAIN = 0.1
"""Largest relative change of contrast."""
BRIGHTNESS = 0.1
"""Largest shift of all channels, in standard deviations."""


TINT = 0.12
"""Largest relative change of one channel against the others, at strength 1."""
LIGHT = 0.35
"""Largest relative change of all channels, at strength 1: gain of the stretch, height of the sun."""
HAZE = 0.35
"""Largest share of the veil in a picture, at strength 1."""
VEIL = (0.6, 0.9)
"""Brightness of the veil; land is darker, so haze takes contrast and adds light."""
SATURATION = 0.6
"""Largest relative change of the distance from grey, at strength 1."""


def appearance(batch: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Change each picture as another date would: gain, tint, haze and saturation, each drawn uniformly.

    x becomes (1 - h) g_c (y + s (x - y)) + h v with y the mean over the channels, s in 1 ± `SATURATION`, g_c in
    (1 ± `LIGHT`)(1 ± `TINT`), the tint by channel, h in 0 ... `HAZE` and v in `VEIL`; the ranges of s, g and h shrink
    in proportion to the strength. Haze is the additive path radiance of a homogeneous scatterer (Chavez 1988).

    Args:
        batch: Pictures of about [0, 1], NaN without data, float32, shape (n, channels, height, width).
        generator: Source of chance; the same state gives the same pictures, on every device.
        strength: 0 leaves pictures as they are and draws nothing; 1 is strong.

    Returns:
        The same shape, type and device, not below 0, NaN where it was; `batch` itself for strength 0.
    """
    if strength == 0:
        return batch
    count, channels = batch.shape[:2]
    drawn = torch.rand((4 + channels, count, 1, 1), generator=generator, device=generator.device).to(batch)
    (light, share, veil, vivid), tint = drawn[:4, :, None], drawn[4:].permute(1, 0, 2, 3)
    gain = (1 + strength * LIGHT * (light * 2 - 1)) * (1 + strength * TINT * (tint * 2 - 1))
    haze = strength * HAZE * share
    grey = batch.mean(1, keepdim=True)
    coloured = torch.lerp(grey.expand_as(batch), batch, 1 + strength * SATURATION * (vivid * 2 - 1))
    veiled = coloured.mul_((1 - haze) * gain).add_(haze * (VEIL[0] + (VEIL[1] - VEIL[0]) * veil))
    return veiled.clamp_min_(0)


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
    turned = _turned(batch, turns)
    pictures = torch.where(mirror.to(batch.device).bool()[:, None, None, None], turned.flip(-1), turned)
    return pictures * (1 + GAIN * light[0]) + BRIGHTNESS * light[1]


def _turned(batch: Tensor, turns: Tensor) -> Tensor:
    """Turn each picture by its own number of quarters; with `turns` on the CPU nothing waits for a GPU."""
    result = batch.clone()
    for quarter in (1, 2, 3):
        chosen = (turns == quarter).nonzero().squeeze(1).to(batch.device, non_blocking=True)
        result[chosen] = torch.rot90(batch[chosen], quarter, (-2, -1))
    return result
