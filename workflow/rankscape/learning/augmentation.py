"""Changes of an image that leave what it shows as it is: land has no upright side; light and air differ by date."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from rankscape.foundation.errors import InputError
from rankscape.models.preparation import LUMA

VIEWS = (1, 4, 8)
"""As it is; the four turns; the turns of the image and of its mirror image."""

TILT_DEGREES = 20.0
"""Largest angle by which `tilt` turns an image (Chen, Konakalla and Noor 2022)."""
GAIN = 0.1
"""Largest relative change of contrast."""
BRIGHTNESS = 0.1
"""Largest shift of all channels, in standard deviations."""

SATURATION = 0.6
"""Largest relative change of colours' distance from grey, at strength 1 (so are all below)."""
EXPOSURE = 0.5
"""Largest logarithm of the gain of all channels: from 0.61 to 1.65."""
TINT = 0.15
"""Largest logarithm of the gain of one channel."""
HAZE = 0.4
"""Largest share of the land's light that haze replaces by its own."""
HAZE_COLOUR = 0.25
"""Largest relative difference of that share from channel to channel."""
HAZE_LIGHT = 0.8
"""Value of haze through which no land is seen."""
BLUR_PX = 1.0
"""Largest standard deviation of the blur."""
_REACH_PX = 3
"""Pixels on each side that the blur takes in."""


def augment(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, mirror, and change the light of each image by chance.

    Each image takes one of the eight symmetries of the square, a gain in 1 ± `GAIN` around the mean, and a shift of
    ± `BRIGHTNESS` standard deviations, each uniformly.

    Args:
        batch: Normalised square images, float32, shape (n, channels, side, side).
        generator: Source of chance; the same state gives the same images, on every device.

    Returns:
        New tensor of the same shape, type and device.
    """
    images = turn(batch, generator)
    light = torch.rand((2, len(batch), 1, 1, 1), generator=generator, device=generator.device).to(batch) * 2 - 1
    return images * (1 + GAIN * light[0]) + BRIGHTNESS * light[1]


def turn(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Show each image in one of the eight symmetries of the square, each as likely as the others.

    Args:
        batch: Square images, shape (n, channels, side, side).
        generator: Source of chance; the same state gives the same images, on every device.

    Returns:
        New tensor of the same shape, type and device.
    """
    count = len(batch)
    turns = torch.randint(4, (count,), generator=generator, device=generator.device)
    mirror = torch.randint(2, (count,), generator=generator, device=generator.device)
    turned = _turned(batch, turns.to(batch.device))
    return torch.where(mirror.to(batch.device).bool()[:, None, None, None], turned.flip(-1), turned)


def tilt(batch: Tensor, generator: torch.Generator, smallest: float = 1.0, degrees: float = TILT_DEGREES) -> Tensor:
    """Mirror each image, crop it and turn it a little, by chance.

    Half of the images are mirrored from left to right, and half of them upside down. The crop's share of the area is
    uniform between `smallest` and 1, its place and its angle are uniform. What a turn brings in from outside is the
    image's reflection.

    Args:
        batch: Square images, shape (n, channels, side, side).
        generator: Source of chance; the same state gives the same images, on every device.
        smallest: Smallest share of the area, above 0.
        degrees: Largest angle.

    Returns:
        New tensor of the same shape, type and device.
    """
    drawn = torch.rand((len(batch), 6), generator=generator, device=generator.device).to(batch)
    angle, side = math.radians(degrees) * (2 * drawn[:, 0] - 1), (smallest + (1 - smallest) * drawn[:, 1]).sqrt()
    across, down = (torch.where(drawn[:, place] < 0.5, -side, side) for place in (2, 3))
    shift = (1 - side) * (2 * drawn[:, 4:] - 1).T
    rows = [
        torch.stack([angle.cos() * across, -angle.sin() * down, shift[0]], 1),
        torch.stack([angle.sin() * across, angle.cos() * down, shift[1]], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(batch.shape), align_corners=False)
    return F.grid_sample(batch, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


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


def _turned(batch: Tensor, turns: Tensor) -> Tensor:
    """Turn each image by its own number of quarters; with `turns` on the CPU nothing waits for a GPU."""
    result = batch.clone()
    for quarter in (1, 2, 3):
        chosen = (turns == quarter).nonzero().squeeze(1).to(batch.device, non_blocking=True)
        result[chosen] = torch.rot90(batch[chosen], quarter, (-2, -1))
    return result


def appearance(batch: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Change how each scene looks, as it does from date to date and from sensor to sensor.

    One after another: colours' distance from grey (of red, green, blue), a gain of all channels and one of each (sun,
    processing), haze of its own strength h in each channel, J (1 - h) + A h with the light A of the haze (Koschmieder's
    law; Narasimhan and Nayar, International Journal of Computer Vision 2002), and in half of the images a Gaussian
    blur. Every change is drawn uniformly between the limits above, which `strength` scales. Values stay between 0 and
    1, or the image's own largest value where that is more.

    Args:
        batch: Images of values of about [0, 1], before normalisation, red, green, blue first where there are three
            channels or more; float32, shape (n, channels, height, width). Pixels without data (NaN) stay so.
        generator: Source of chance; the same state gives the same images, on every device.
        strength: 0 changes nothing and draws nothing, 1 is what dates do, with some to spare.

    Returns:
        New tensor of the same shape, type and device; `batch` itself for strength 0.
    """
    if strength == 0:
        return batch
    count, channels = batch.shape[:2]
    drawn = torch.rand((count, 5 + 2 * channels, 1, 1), generator=generator, device=generator.device).to(batch) * 2 - 1
    of_all, tint, colour = drawn[:, :5].unbind(1), drawn[:, 5 : 5 + channels], drawn[:, 5 + channels :]
    empty = batch.isnan()
    ceiling = batch.nan_to_num(nan=0.0).amax((1, 2, 3), keepdim=True).clamp_min(1)
    values = _saturated(batch.nan_to_num(nan=0.0), 1 + SATURATION * strength * of_all[0][..., None])
    values = values * torch.exp(strength * (EXPOSURE * of_all[1][..., None] + TINT * tint))
    haze = (HAZE * strength * of_all[2][..., None].abs() * (1 + HAZE_COLOUR * colour)).clamp(0, 1)
    values = values * (1 - haze) + HAZE_LIGHT * haze
    sigma = BLUR_PX * strength * of_all[3].abs() * (of_all[4] > 0)
    return torch.minimum(_blurred(values, sigma.flatten()).clamp_min(0), ceiling).masked_fill(empty, torch.nan)


def _saturated(batch: Tensor, factor: Tensor) -> Tensor:
    """Move red, green, blue away from their grey, or towards it; fewer channels have no colour."""
    if batch.shape[1] < 3:
        return batch
    colours = batch[:, :3]
    grey = (colours * torch.tensor(LUMA).to(batch)[:, None, None]).sum(1, keepdim=True)
    return torch.cat([grey + (colours - grey) * factor, batch[:, 3:]], 1)


def _blurred(batch: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image by a Gaussian of its own standard deviation in pixels; 0 leaves it as it is."""
    count, channels, height, width = batch.shape
    steps = torch.arange(-_REACH_PX, _REACH_PX + 1).to(batch)
    # At this deviation all neighbours weigh exactly 0 in float32.
    kernel = torch.softmax(-(steps**2) / (2 * sigma.clamp_min(1e-3)[:, None] ** 2), 1)
    kernel = kernel.repeat_interleave(channels, 0)[:, None]
    layers = F.pad(batch, [_REACH_PX] * 4, mode="replicate").reshape(1, count * channels, height + 6, width + 6)
    across = F.conv2d(layers, kernel[:, :, None, :], groups=count * channels)
    down = F.conv2d(across, kernel[:, :, :, None], groups=count * channels)
    return down.reshape(batch.shape)
