"""How patches become network input: one description, stored with the model and used wherever it runs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from rankscape.foundation.errors import RasterError
from rankscape.models.resizing import holes, resize
from rankscape.samples.rendering import WHITE_REFLECTANCE

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
_VISIBLE = 3
"""Red, green and blue."""
_SMALLEST_STD = 0.01
"""Deviations count as at least this, or `each` would blow the noise of still water up to the strength of a town."""


@dataclass(frozen=True)
class Preparation:
    """Colour, size and normalisation of the images that a network was fitted to."""

    input_px: int
    """Side of the network's input."""
    colour: Colour
    """`rgb`, `all` bands, or `grey`."""
    normalisation: Normalisation
    """`imagenet` and `patches` use `mean` and `std`; `each` those of each image itself first; `none` neither."""
    mean: tuple[float, ...]
    """Mean of each channel; of `each`, after the image's own was taken away; 0 for `none`."""
    std: tuple[float, ...]
    """Standard deviation of each channel; of `each`, after it was divided by the image's own; 1 for `none`."""
    bands: tuple[str, ...]
    """Bands of the patches that it was made for, red, green, blue first."""

    @property
    def channels(self) -> int:
        """Number of channels that the network sees."""
        return channels_of(self.colour, len(self.bands))

    def tensor(self, patches: np.ndarray) -> Tensor:
        """Turn patches into network input: `resized`, then `values`, then `normalised`.

        Args:
            patches: uint8, or float32 reflectance; shape (n, height, width, bands).

        Returns:
            float32, shape (n, channels, input_px, input_px), on the CPU.

        Raises:
            RasterError: If the patches have fewer bands than the colour setting needs, or another type.
        """
        return self.normalised(self.values(torch.from_numpy(self.resized(patches))))

    def resized(self, patches: np.ndarray) -> np.ndarray:
        """Make patches as large as the network's input, and leave out bands that it does not see.

        See `resizing.resize`. Pixels without data count as the mean, which is 0 after normalisation. What was resized
        is not changed by resizing it again.

        Args:
            patches: uint8, or float32 reflectance; shape (n, height, width, bands).

        Returns:
            The patches' type, shape (n, input_px, input_px, bands seen).

        Raises:
            RasterError: If the patches have fewer bands than the colour setting needs, or another type.
        """
        _check(patches, self.colour)
        if self.colour == "all" and patches.shape[-1] != len(self.bands):
            raise RasterError(
                f"The network was fitted to the {len(self.bands)} bands {list(self.bands)}, the patches have"
                f" {patches.shape[-1]}: give patches of the same bands, or fit it with adapt.colour: rgb."
            )
        seen = np.array(patches if self.colour == "all" else patches[..., :_VISIBLE])
        return resize(seen, self.input_px, self._fill(seen))

    def values(self, patches: Tensor) -> Tensor:
        """Turn patches into brightness, where changes of season and haze can be imitated.

        Bytes are divided by 255 and reflectance by 0.3, so that both show land about as bright as a photograph does.
        Here an image may be cropped, or made to look as on another date (`learning.augmentation.appearance`).

        Args:
            patches: uint8, or float32 reflectance, as `resized` returns them or of another size; shape
                (n, height, width, bands), on any device.

        Returns:
            About [0, 1], NaN without data; float32, shape (n, bands seen, height, width), on the patches' device:
            red, green and blue also where the network sees grey.
        """
        return _brightness(patches if self.colour == "all" else patches[..., :_VISIBLE])

    def normalised(self, values: Tensor) -> Tensor:
        """Bring what `values` returns to the mean and deviation that the network expects, pixels without data to 0.

        Args:
            values: float32, NaN without data, shape (n, bands seen, side, side), on any device; may be changed.

        Returns:
            float32, shape (n, channels, side, side), on the same device.
        """
        seen = _coloured(values, self.colour)
        if self.normalisation == "each":
            own = seen.nanmean((-2, -1), keepdim=True)
            deviation = (seen - own).square().nanmean((-2, -1), keepdim=True).sqrt()
            seen = seen.sub_(own).div_(deviation.clamp_min(_SMALLEST_STD))
        mean, std = (torch.tensor(n, device=seen.device)[:, None, None] for n in (self.mean, self.std))
        return seen.sub_(mean).div_(std).nan_to_num_(nan=0.0)

    def _fill(self, patches: np.ndarray) -> np.ndarray:
        """Return what pixels without data count as, in the patches' unit: the mean, of `each` that of the image."""
        if self.normalisation != "each":
            mean = np.array(self.mean if self.colour != "grey" else self.mean * 3)
            return np.asarray(np.round(mean * 255) if patches.dtype == np.uint8 else mean * WHITE_REFLECTANCE)
        places, (count, height, width, bands) = holes(patches), patches.shape
        if not len(places):
            return np.zeros(bands)
        whole = np.ones((count, height * width, 1), bool)
        whole.reshape(-1)[places] = False
        pixels = patches.reshape(count, -1, bands)
        mean = np.where(whole, pixels, 0).sum(1, dtype=np.float64) / whole.sum(1).clip(min=1)
        return np.asarray(np.round(mean) if patches.dtype == np.uint8 else mean)

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
    elif normalisation == "each":
        mean, std = _as_photographs(published, colour, channels)
    else:
        mean, std = (0.0,) * channels, (1.0,) * channels
    return Preparation(input_px, colour, normalisation, mean, std, tuple(bands))


def _patch_statistics(chunks: Iterable[np.ndarray], colour: Colour, channels: int) -> Statistics:
    count, total, squares = np.zeros((3, channels))
    for chunk in chunks:
        _check(chunk, colour)
        values = _channels(torch.from_numpy(np.array(chunk)), colour).double()
        count += values.isfinite().sum((0, 2, 3)).numpy()
        total += values.nansum((0, 2, 3)).numpy()
        squares += values.square().nansum((0, 2, 3)).numpy()
    if not count.all():
        raise RasterError("The patches hold no pixel with data in some band, so there is no mean to normalise by.")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, _SMALLEST_STD**2))
    return tuple(mean.tolist()), tuple(std.tolist())


def _as_photographs(published: Statistics, colour: Colour, channels: int) -> Statistics:
    """What gives images of mean 0 and deviation 1 the contrast of photographs, as the weights saw these.

    0 and 1 for weights that ImageNet's own statistics were taken off; 0.07 and 2.2 for those of TensorFlow's networks.
    """
    usual, theirs = (np.array(_published_statistics(one, colour, channels)) for one in (IMAGENET_STATISTICS, published))
    mean, std = (theirs[0] - usual[0]) / usual[1], theirs[1] / usual[1]
    return tuple(mean.tolist()), tuple(std.tolist())


def _published_statistics(published: Statistics, colour: Colour, channels: int) -> Statistics:
    mean, std = published
    if colour == "grey":
        return (float(np.dot(LUMA, mean)),), (float(np.mean(std)),)
    more = channels - 3
    return mean + (float(np.mean(mean)),) * more, std + (float(np.mean(std)),) * more


def _check(patches: np.ndarray, colour: Colour) -> None:
    if patches.ndim != 4 or (patches.shape[-1] < _VISIBLE and colour != "all"):
        raise RasterError(f"Patches of shape {patches.shape} given; (n, height, width, bands), three bands at least.")
    if patches.dtype not in (np.uint8, np.float32):
        raise RasterError(f"Patches of type {patches.dtype} given; uint8 images or float32 reflectance are needed.")


def _channels(patches: Tensor, colour: Colour) -> Tensor:
    """Values of about [0, 1] in the channels of the colour setting, NaN without data, shape (n, channels, h, w)."""
    return _coloured(_brightness(patches if colour == "all" else patches[..., :_VISIBLE]), colour)


def _coloured(values: Tensor, colour: Colour) -> Tensor:
    if colour != "grey":
        return values
    red, green, blue = (values[:, place] * weight for place, weight in enumerate(LUMA))
    return (red + green + blue)[:, None]


def _brightness(patches: Tensor) -> Tensor:
    numbers = patches.permute(0, 3, 1, 2).contiguous()
    if patches.dtype == torch.float32:
        # The patches may be an array that others use too.
        return numbers / WHITE_REFLECTANCE
    values = numbers.float().div_(255)
    if patches.device.type != "cpu":
        # Asking whether there is such a pixel would make the host wait for the device.
        return values.masked_fill_(numbers.amax(1, keepdim=True) == 0, torch.nan)
    places = holes(patches.numpy())
    if len(places):
        empty = np.zeros((len(values), 1, *values.shape[2:]), bool)
        empty.reshape(-1)[places] = True
        values.masked_fill_(torch.from_numpy(empty), torch.nan)
    return values
