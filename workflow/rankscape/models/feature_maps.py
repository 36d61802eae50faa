"""Maps of features: what a backbone sees at each place of an image, and features of all its resolutions.

What tells a village from a field is a few pixels wide. The last maps of a network trained on photographs show whole
objects, 32 px and more across; the maps before show edges, roofs and textures (Zeiler and Fergus, ECCV 2014). So the
mean and the deviation over the image of the maps of every resolution are features, as in style representations
(Gatys, Ecker and Bethge, CVPR 2016, who take second moments).
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rankscape.foundation.errors import WeightsError

SUFFIX = "+levels"
"""After the name of a timm architecture: features are those of all its resolutions."""
_SMALLEST_VARIANCE = 1e-10
"""Variances count as at least this: the slope of the root at 0 is infinite."""
_TRIED_PX = 64


def base_of(architecture: str) -> str:
    """Return the timm architecture that a name stands for, without the suffix."""
    return architecture.removesuffix(SUFFIX)


def has_levels(architecture: str) -> bool:
    """Say whether a name asks for features of all resolutions."""
    return architecture.endswith(SUFFIX)


def headless(network: Any, architecture: str) -> Any:
    """Take from a network of timm the layers after its last maps, whose place `Levels` takes.

    Raises:
        WeightsError: If the network does not show its maps.
    """
    try:
        network.prune_intermediate_layers(1, prune_head=True)
    except (AttributeError, AssertionError, TypeError):
        raise WeightsError(
            f"{architecture}: {base_of(architecture)} does not show its maps by resolution: leave {SUFFIX} out, or take"
            " another convolutional network as adapt.architecture."
        ) from None
    return network


class Levels(nn.Module):
    """Images to means and deviations of a network's maps at every resolution.

    Attributes:
        network: A convolutional network of timm without its last layers.
        num_features: Length of a feature vector: two for every map.
    """

    output_fmt = "NCHW"

    def __init__(self, network: Any, channels: int, architecture: str) -> None:
        """Wrap a network.

        Args:
            network: What `headless` returns.
            channels: Channels of the images.
            architecture: Its name, for messages.

        Raises:
            WeightsError: If its maps are not laid out by place.
        """
        super().__init__()
        # While training, the trial would change what batch normalisation remembers.
        self.network = network.eval()
        with torch.inference_mode():
            maps = self._maps(torch.zeros(1, channels, _TRIED_PX, _TRIED_PX))
        if any(one.ndim != 4 for one in maps) or getattr(network, "output_fmt", "NCHW") != "NCHW":
            raise WeightsError(f"{architecture}: the maps of {base_of(architecture)} are not laid out by place.")
        self.num_features = 2 * sum(one.shape[1] for one in maps)

    def forward(self, images: Tensor) -> Tensor:
        """Compute features.

        Args:
            images: Prepared images, shape (n, channels, height, width).

        Returns:
            float32, shape (n, num_features): the means over the image of all maps, from the finest to the coarsest,
            then their standard deviations, in the same order.
        """
        return self.forward_head(self._moments(images, (1, 1)))

    def forward_features(self, images: Tensor) -> Tensor:
        """Compute means of all maps and of their squares in each place of the coarsest maps.

        Returns:
            float32, shape (n, num_features, rows, columns).
        """
        return self._moments(images, None)

    def forward_head(self, moments: Tensor) -> Tensor:
        """Turn means of maps and of their squares by place into features of the whole image.

        Args:
            moments: Shape (n, num_features, rows, columns), places of equal size.

        Returns:
            Shape (n, num_features).
        """
        mean, square = moments.mean((2, 3)).chunk(2, dim=1)
        return torch.cat([mean, (square - mean**2).clamp_min(_SMALLEST_VARIANCE).sqrt()], 1)

    def _moments(self, images: Tensor, places: tuple[int, int] | None) -> Tensor:
        maps = self._maps(images)
        rows, columns = places or (int(maps[-1].shape[2]), int(maps[-1].shape[3]))
        # Squares of reduced precision would leave no digit of a small variance.
        with torch.autocast(images.device.type, enabled=False):
            wide = [one.float() for one in maps]
            means = [F.adaptive_avg_pool2d(one, (rows, columns)) for one in wide]
            squares = [F.adaptive_avg_pool2d(one**2, (rows, columns)) for one in wide]
            return torch.cat([*means, *squares], 1)

    def _maps(self, images: Tensor) -> list[Tensor]:
        found: list[Tensor] = self.network.forward_intermediates(images, intermediates_only=True)
        return found


def feature_map(backbone: nn.Module, images: Tensor) -> Tensor:
    """Compute the last map of features of images.

    Args:
        backbone: A convolutional network of timm without classifier, or random convolutions.
        images: Prepared images, float32, shape (n, channels, height, width).

    Returns:
        float32, shape (n, maps, rows, columns); usual networks have a place every 32 px.

    Raises:
        WeightsError: If the backbone keeps no map of features by place: transformers mix all places, and some networks
            lay out their maps in another order.
    """
    of_timm: Any = backbone
    if getattr(backbone, "output_fmt", "NCHW") == "NCHW" and hasattr(backbone, "forward_features"):
        maps: Tensor = of_timm.forward_features(images)
        if maps.ndim == 4:
            return maps
    raise WeightsError(
        f"The backbone {type(backbone).__name__} keeps no map of features by place, so that nobody can say what it sees"
        " where: take a convolutional one, such as resnet18, as adapt.architecture."
    )


def pooled(backbone: nn.Module, maps: Tensor) -> Tensor:
    """Return the features of whole images from their maps: what the backbone itself returns, shape (n, dims)."""
    of_timm: Any = backbone
    features: Tensor = of_timm.forward_head(maps)
    return features


def at_each_place(backbone: nn.Module, maps: Tensor) -> Tensor:
    """Return the features of each place, as if the whole image looked like it.

    Where the backbone only averages over places, the mean of these is what it returns for the image. Where it
    normalises, or takes logarithms, after that, it does so to each place by itself.

    Args:
        backbone: The backbone.
        maps: Its maps, shape (n, maps, rows, columns).

    Returns:
        Shape (n, rows, columns, dims).
    """
    count, channels, rows, columns = maps.shape
    single = maps.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1)
    return torch.cat([pooled(backbone, some) for some in torch.split(single, 4096)]).reshape(count, rows, columns, -1)
