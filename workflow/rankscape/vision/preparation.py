"""How patches become network input: one description, stored with the model and used wherever it runs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from rankscape.foundation.errors import RasterError
from rankscape.tiles.pictures import WHITE_REFLECTANCE

Colour = Literal["rgb", "all", "grey"]
Normalisation = Literal["imagenet", "patches", "each", "none"]

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Means and deviations of channels, of values in [0, 1]."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and deviation of red, green, blue over ImageNet, of values in [0, 1] (as torchvision publishes them)."""
IMAGENET_STATISTICS: Statistics = (IMAGENET_MEAN, IMAGENET_STD)
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green, blue in grey (ITU-R BT.601)."""
_SMALLEST_STD = 0.01
"""Deviations count as at least this, or `each` would blow the noise of still water up to the strength of a town."""


@dataclass(frozen=True)
class Preparation:
    """Colour, size and normalisation of the pictures that a network was fitted to."""

    input_px: int
    """Side of the network's input."""
    colour: Colour
    """`rgb`, `all` bands, or `grey`."""
    normalisation: Normalisation
    """`imagenet` and `patches` use `mean` and `std`; `each` takes those of each picture itself; `none` neither."""
    mean: tuple[float, ...]
    """Mean of each channel; all 0 for `each` and `none`."""
    std: tuple[float, ...]
    """Standard deviation of each channel; all 1 for `each` and `none`."""
    bands: tuple[str, ...]
    """Bands of the patches that it was made for, red, green, blue first."""

    @property
    def channels(self) -> int:
        """Number of channels that the network sees."""
        return channels_of(self.colour, len(self.bands))

    def tensor(self, patches: np.ndarray) -> Tensor:
        """Turn patches into network input.

        Bytes are divided by 255 and reflectance by 0.3, so that both show land about as bright as a photograph does.
        Pixels without data (NaN, or bytes that are 0 in every band) take the mean, which is 0 after normalisation.
        The picture is resized with a triangle filter as wide as the reduction asks for.

        Args:
            patches: uint8, or float32 reflectance; shape (n, height, width, bands).

        Returns:
            float32, shape (n, channels, input_px, input_px), on the CPU.

        Raises:
            RasterError: If the patches have fewer bands than the colour setting needs, or another type.
        """
        return self.finish(self.values(patches))

    def values(self, patches: np.ndarray) -> Tensor:
        """Return the values that `finish` makes network input of: about [0, 1], NaN without data.

        Between the two a picture may be cropped, or made to look as on another date (`vision.augmentation.appearance`).

        Args:
            patches: As for `tensor`.

        Returns:
            float32, shape (n, bands, height, width); red, green, blue alone unless all bands are seen.

        Raises:
            RasterError: As `tensor`.
        """
        if self.colour == "all" and patches.shape[-1] != len(self.bands):
            raise RasterError(
                f"The network was fitted to the {len(self.bands)} bands {list(self.bands)}, the patches have"
                f" {patches.shape[-1]}: give patches of the same bands, or fit it with adapt.colour: rgb."
            )
        return _values(patches, self.colour)

    def finish(self, values: Tensor) -> Tensor:
        """Turn values into network input.

        Args:
            values: As `values` returns them, of any size, on any device.

        Returns:
            float32, shape (n, channels, input_px, input_px), on the same device.
        """
        seen = _coloured(values, self.colour)
        mean, std = self._statistics(seen)
        normal = (seen - mean).div_(std).nan_to_num_(nan=0.0)
        if normal.shape[-2:] == (self.input_px, self.input_px):
            return normal
        side = (self.input_px, self.input_px)
        return F.interpolate(normal, side, mode="bilinear", align_corners=False, antialias=True)

    def _statistics(self, values: Tensor) -> tuple[Tensor, Tensor]:
        if self.normalisation == "each":
            mean = values.nanmean((-2, -1), keepdim=True)
            deviation = (values - mean).square().nanmean((-2, -1), keepdim=True).sqrt()
            return mean, deviation.clamp_min(_SMALLEST_STD)
        mean, deviation = (torch.tensor(numbers).to(values.device)[:, None, None] for numbers in (self.mean, self.std))
        return mean, deviation

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @staticmethod
    def from_document(document: dict[str, Any]) -> "Preparation":
        """Make it again from `to_document`."""
        lists = {name: tuple(document[name]) for name in ("mean", "std", "bands")}
        return Preparation(**{**document, **lists})


def channels_of(colour: Colour, bands: int) -> int:
    """Return how many channels a colour setting makes of so many bands."""
    return {"rgb": 3, "grey": 1, "all": bands}[colour]


def fit_preparation(
    chunks: Iterable[np.ndarray],
    bands: Sequence[str],
    *,
    input_px: int,
    colour: Colour,
    normalisation: Normalisation,
    published: Statistics = IMAGENET_STATISTICS,
) -> Preparation:
    """Make the preparation that settings ask for.

    Args:
        chunks: Patches that the network will be fitted to, in pieces of shape (n, height, width, bands); normalisation
            `patches` takes its statistics from them, the others do not read them.
        bands: Band names of the patches.
        input_px: Side of the network's input.
        colour: Channels that the network sees.
        normalisation: Where mean and deviation come from; `none` leaves values of about [0, 1] as they are.
        published: Mean and deviation of red, green, blue that `imagenet` stands for: those that the network's published
            weights were trained with. A fourth band takes their average; grey takes the grey of the means and the
            average deviation.

    Raises:
        RasterError: If the patches have fewer than three bands, another type, or no pixel with data.
    """
    channels = channels_of(colour, len(bands))
    if normalisation == "patches":
        mean, std = _patch_statistics(chunks, colour, channels)
    elif normalisation == "imagenet":
        mean, std = _published_statistics(published, colour, channels)
    else:
        mean, std = (0.0,) * channels, (1.0,) * channels
    return Preparation(input_px, colour, normalisation, mean, std, tuple(bands))


def _patch_statistics(chunks: Iterable[np.ndarray], colour: Colour, channels: int) -> Statistics:
    count, total, squares = np.zeros((3, channels))
    for chunk in chunks:
        values = _channels(chunk, colour).double()
        count += values.isfinite().sum((0, 2, 3)).numpy()
        total += values.nansum((0, 2, 3)).numpy()
        squares += values.square().nansum((0, 2, 3)).numpy()
    if not count.all():
        raise RasterError("The patches hold no pixel with data in some band, so there is no mean to normalise by.")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, _SMALLEST_STD**2))
    return tuple(mean.tolist()), tuple(std.tolist())


def _published_statistics(published: Statistics, colour: Colour, channels: int) -> Statistics:
    mean, std = published
    if colour == "grey":
        return (float(np.dot(LUMA, mean)),), (float(np.mean(std)),)
    more = channels - 3
    return mean + (float(np.mean(mean)),) * more, std + (float(np.mean(std)),) * more


def _channels(patches: np.ndarray, colour: Colour) -> Tensor:
    """Values of about [0, 1] in the channels of the colour setting, NaN without data, shape (n, channels, h, w)."""
    return _coloured(_values(patches, colour), colour)


def _values(patches: np.ndarray, colour: Colour) -> Tensor:
    if patches.ndim != 4 or patches.shape[-1] < 3:
        raise RasterError(f"Patches of shape {patches.shape} given; (n, height, width, bands), three bands at least.")
    return _brightness(patches if colour == "all" else patches[..., :3])


def _coloured(values: Tensor, colour: Colour) -> Tensor:
    if colour != "grey":
        return values
    red, green, blue = (values[:, place] * weight for place, weight in enumerate(LUMA))
    return (red + green + blue)[:, None]


def _brightness(patches: np.ndarray) -> Tensor:
    if patches.dtype not in (np.uint8, np.float32):
        raise RasterError(f"Patches of type {patches.dtype} given; uint8 pictures or float32 reflectance are needed.")
    numbers = torch.from_numpy(np.array(patches)).permute(0, 3, 1, 2).contiguous()
    if patches.dtype == np.float32:
        return numbers.div_(WHITE_REFLECTANCE)
    empty = numbers.amax(1, keepdim=True) == 0
    values = numbers.float().div_(255)
    return values.masked_fill_(empty, torch.nan) if bool(empty.any()) else values
