"""Scores of the places of an image: the head applied before the backbone averages over places."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from rankscape.models.feature_maps import at_each_place, feature_map, pooled
from rankscape.models.preparation import Preparation
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.network import STEEPNESS, ScoreNetwork

_HALVINGS = 40


@dataclass(frozen=True)
class Sight:
    """Networks of a score model that see images alike: through one backbone."""

    networks: tuple[ScoreNetwork, ...]
    """The networks, which differ in their heads alone."""
    preparation: Preparation
    """How images become their input."""

    def maps(self, images: Tensor) -> Tensor:
        """Compute the maps of features that all of the networks judge; see `places.feature_map`."""
        return feature_map(self.networks[0].backbone, images)


@dataclass(frozen=True)
class Link:
    """How the value of a linear head becomes a score."""

    apply: Callable[[Tensor], Tensor]
    """Values to scores in [0, 1], never falling."""
    middle: float
    """Value of the score one half."""
    slope: float
    """Score a unit of value at the middle, where it is largest."""


_MIDDLES = {"sigmoid": (0.0, STEEPNESS / 4), "clip": (0.5, 1.0)}
"""Value of the score one half and slope there: of 1 / (1 + exp(-5 x)), and of the value itself, cut at its limits."""


def sights(model: ScoreModel) -> list[Sight]:
    """Return the networks of a model, in its order, those of one backbone together."""
    return [Sight(run, part.preparation) for part in model.parts for run in part.sharing]


def link_of(network: ScoreNetwork) -> Link:
    """Return how a network's value becomes a score."""
    return Link(network.bounded, *_MIDDLES[network.link])


def places_a_side(sight: Sight) -> int:
    """Return how many places a side networks tell apart in their input.

    Raises:
        WeightsError: If their backbone keeps no map of features by place.
    """
    preparation = sight.preparation
    side = preparation.input_px
    with torch.inference_mode():
        empty = torch.zeros(1, preparation.channels, side, side, device=sight.networks[0].head.weight.device)
        return int(sight.maps(empty).shape[-1])


def head_value(network: ScoreNetwork, maps: Tensor) -> Tensor:
    """Return the value of whole images from their feature maps, before the link; shape (n,)."""
    value: Tensor = network.head(pooled(network.backbone, maps)).squeeze(-1)
    return value


def local_scores(network: ScoreNetwork, maps: Tensor, cells: int | None = None) -> tuple[Tensor, Tensor]:
    """Score images and every place of theirs, from their maps of features, so that both agree.

    A place's value is that of the head for the features of the place alone. Values are linear in the features of a
    network that only averages over places; scores are not, so that the mean of the places' scores is not the image's
    score. `agreeing` moves all places of an image by the same value, so that it is.

    Args:
        network: The network.
        maps: Maps of the network's backbone, shape (n, maps, rows, columns).
        cells: Places wanted a side, to which values are interpolated where the network has others; None leaves them.

    Returns:
        Scores of the images, float64, shape (n,), and of their places, float64, shape (n, rows, columns); a usual
        network has a place every 32 px of its input.
    """
    with torch.inference_mode():
        whole = head_value(network, maps).double()
        values = network.head(at_each_place(network.backbone, maps)).squeeze(-1).double()
        if cells is not None and values.shape[1:] != (cells, cells):
            values = F.interpolate(values[:, None], (cells, cells), mode="bilinear", align_corners=False)[:, 0]
        link = link_of(network)
        return link.apply(whole), link.apply(agreeing(values, whole, link))


def agreeing(values: Tensor, whole: Tensor, link: Link) -> Tensor:
    """Move the values of each image's places by one number, so that the mean of their scores is the image's score.

    The number is found by halving an interval: with the largest value moved to the image's own, no place scores more
    than the image, and with the smallest, none less.

    Args:
        values: Values of places, float64, shape (n, rows, columns).
        whole: Value of each image, float64, shape (n,).
        link: How values become scores.

    Returns:
        The moved values, of the same shape.
    """
    aim = link.apply(whole)
    low, high = whole - values.amax((1, 2)), whole - values.amin((1, 2))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = link.apply(values + middle[:, None, None]).mean((1, 2)) < aim
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return values + ((low + high) / 2)[:, None, None]
