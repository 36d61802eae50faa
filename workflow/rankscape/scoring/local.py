"""Scores of the places of a picture: the head applied before the backbone averages over places (docs/explaining.md)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from rankscape.scoring.model import ScoreModel
from rankscape.scoring.network import STEEPNESS, ScoreNetwork
from rankscape.vision.places import at_each_place, feature_map, pooled
from rankscape.vision.preparation import Preparation

_HALVINGS = 40


@dataclass(frozen=True)
class Member:
    """One network of a score model."""

    network: ScoreNetwork
    """The network."""
    preparation: Preparation
    """How pictures become its input."""
    weight: float
    """Its share in the score; the shares of all members add up to 1."""


@dataclass(frozen=True)
class Link:
    """How the value of a linear head becomes a score."""

    apply: Callable[[Tensor], Tensor]
    """Values to scores in [0, 1], never falling."""
    middle: float
    """Value of the score one half."""
    slope: float
    """Score a unit of value at the middle, where it is largest."""


SIGMOID = Link(lambda value: torch.sigmoid(STEEPNESS * value), 0.0, STEEPNESS / 4)
"""1 / (1 + exp(-5 x)), of trained networks."""
CLIP = Link(lambda value: value.clamp(0, 1), 0.5, 1.0)
"""The value itself, cut off at 0 and 1, of ridge regression."""
_LINKS = {"sigmoid": SIGMOID, "clip": CLIP}


def members(model: ScoreModel) -> tuple[Member, ...]:
    """Return the networks of a model, each with its preparation and its share in the score."""
    share = 1 / len(model.networks)
    return tuple(Member(network, model.preparation, share) for network in model.networks)


def link_of(network: ScoreNetwork) -> Link:
    """Return how a network's value becomes a score."""
    return _LINKS[getattr(network, "link", "sigmoid")]


def places_a_side(member: Member) -> int:
    """Return how many places a side a network tells apart in its input.

    Raises:
        WeightsError: If its backbone keeps no map of features by place.
    """
    preparation = member.preparation
    side = preparation.input_px
    with torch.inference_mode():
        empty = torch.zeros(1, preparation.channels, side, side, device=member.network.head.weight.device)
        return int(feature_map(member.network.backbone, empty).shape[-1])


def head_value(network: ScoreNetwork, maps: Tensor) -> Tensor:
    """Return the value of whole pictures from their feature maps, before the link; shape (n,)."""
    value: Tensor = network.head(pooled(network.backbone, maps)).squeeze(-1)
    return value


def local_scores(network: ScoreNetwork, images: Tensor, cells: int | None = None) -> tuple[Tensor, Tensor]:
    """Score pictures and every place of theirs, so that both agree.

    A place's value is that of the head for the features of the place alone. Values are linear in the features of a
    network that only averages over places; scores are not, so that the mean of the places' scores is not the picture's
    score. `agreeing` moves all places of a picture by the same value, so that it is.

    Args:
        network: The network.
        images: Prepared pictures, float32, shape (n, channels, height, width), on the device of the network.
        cells: Places wanted a side, to which values are interpolated where the network has others; None leaves them.

    Returns:
        Scores of the pictures, float64, shape (n,), and of their places, float64, shape (n, rows, columns); a usual
        network has a place every 32 px of its input.

    Raises:
        WeightsError: If the backbone keeps no map of features by place.
    """
    with torch.inference_mode():
        maps = feature_map(network.backbone, images)
        whole = head_value(network, maps).double()
        values = network.head(at_each_place(network.backbone, maps)).squeeze(-1).double()
        if cells is not None and values.shape[1:] != (cells, cells):
            values = F.interpolate(values[:, None], (cells, cells), mode="bilinear", align_corners=False)[:, 0]
        link = link_of(network)
        return link.apply(whole), link.apply(agreeing(values, whole, link))


def agreeing(values: Tensor, whole: Tensor, link: Link) -> Tensor:
    """Move the values of each picture's places by one number, so that the mean of their scores is the picture's score.

    The number is found by halving an interval: with the largest value moved to the picture's own, no place scores more
    than the picture, and with the smallest, none less.

    Args:
        values: Values of places, float64, shape (n, rows, columns).
        whole: Value of each picture, float64, shape (n,).
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


def weighted(scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean over networks, and their weighted standard deviation as `model.spread` has it.

    Args:
        scores: Scores of each network, shape (networks, ...).
        weights: Share of each network, shape (networks,), adding up to 1.

    Returns:
        score and score_std, float64, without the first axis. The deviation of n networks of equal share has n - 1
        degrees of freedom; it is 0 for a single network.
    """
    mean = np.tensordot(weights, scores, 1)
    variance = np.tensordot(weights, (scores - mean) ** 2, 1)
    return mean, np.sqrt(variance * len(scores) / max(len(scores) - 1, 1))
