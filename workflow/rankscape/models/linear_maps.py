"""What every pixel adds to a linear prediction from random convolutions (Rolf et al. 2021, super-resolution).

A feature is the mean of relu(I * f - t) over the places where the filter fits, so that a weighted sum of features is
the mean of the weighted sum at every place.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rankscape.foundation.errors import WeightsError
from rankscape.models.convolutions import RandomConvolutions, banks_of

_FILTERS = 64
"""Filters that are answered at once."""


def linear_map(network: nn.Module, images: Tensor, weights: Tensor) -> Tensor:
    """Compute what every pixel adds to a weighted sum of features.

    At the edge, where filters do not fit, pixels take the value of the nearest place where they do, moved by what keeps
    the mean.

    Args:
        network: Random convolutions, of one or several sizes.
        images: Prepared images, shape (n, channels, height, width).
        weights: Weight of every feature, float64, shape (features,).

    Returns:
        float64, shape (n, height, width); the mean of each is its features times the weights.

    Raises:
        WeightsError: If the network is another, or its features are no means.
    """
    banks = banks_of(network)
    if not banks or any(bank.form.rms or bank.form.log for bank in banks):
        raise WeightsError(
            "A map at every pixel needs features that are means over pixels: random convolutions without -rms and -log."
        )
    parts = torch.split(weights.double(), [bank.num_features for bank in banks])
    return torch.stack([_of_bank(bank, images.double(), own) for bank, own in zip(banks, parts, strict=True)]).sum(0)


def _of_bank(bank: RandomConvolutions, images: Tensor, weights: Tensor) -> Tensor:
    constant = torch.zeros((), dtype=torch.float64, device=images.device)
    if bank.form.standard:
        weights = weights / bank.scale.double()
        constant = -(bank.centre.double() @ weights)
    up, down = weights.chunk(2)
    high, low = bank.form.thresholds
    size = bank.form.size_px
    inside = torch.zeros(len(images), *(side - size + 1 for side in images.shape[-2:])).to(images) + constant
    for first in range(0, bank.form.filters, _FILTERS):
        part = slice(first, first + _FILTERS)
        answers = F.conv2d(images, bank.filters[part].double())
        inside += torch.einsum("nfyx,f->nyx", (answers - high).relu(), up[part])
        inside += torch.einsum("nfyx,f->nyx", (-answers - low).relu(), down[part])
    return _framed(inside, size)


def _framed(inside: Tensor, size: int) -> Tensor:
    """Add the pixels at the edge; the mean stays as it is."""
    before = (size - 1) // 2
    after = size - 1 - before
    whole = F.pad(inside[:, None], (before, after, before, after), mode="replicate")[:, 0]
    edge = torch.ones_like(whole[0], dtype=torch.bool)
    edge[before : before + inside.shape[1], before : before + inside.shape[2]] = False
    if edge.any():
        whole[:, edge] += (inside.mean((1, 2)) - whole[:, edge].mean(1))[:, None]
    return whole
