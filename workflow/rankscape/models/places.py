"""What a backbone sees at each place of a picture, before it averages over the places."""

from typing import Any

import torch
from torch import Tensor, nn

from rankscape.foundation.errors import WeightsError


def feature_map(backbone: nn.Module, images: Tensor) -> Tensor:
    """Compute the last map of features of pictures.

    Args:
        backbone: A convolutional network of timm without classifier, or random convolutions.
        images: Prepared pictures, float32, shape (n, channels, height, width).

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
    """Return the features of whole pictures from their maps: what the backbone itself returns, shape (n, dims)."""
    of_timm: Any = backbone
    features: Tensor = of_timm.forward_head(maps)
    return features


def at_each_place(backbone: nn.Module, maps: Tensor) -> Tensor:
    """Return the features of each place, as if the whole picture looked like it.

    Where the backbone only averages over places, the mean of these is what it returns for the picture. Where it
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
