"""What the score network is asked to minimise; an objective is found by the name that `train.objective` gives it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from rankscape.foundation.errors import OrderError
from rankscape.learning.selection import Selection
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.scoring.ordering import Listwise, Rank
from rankscape.studies.ranking.scoring.samples import clusters_of, levels_of, targets_of
from rankscape.studies.ranking.scoring.sampling import batches, epoch_order
from rankscape.studies.ranking.settings.scoring import TrainSettings


class Objective(Protocol):
    """Which batches to show, a loss to train with, and a distance to stop by."""

    calibrates: ClassVar[bool]
    """Whether scores are brought to the scale of the targets after training (`calibration.py`)."""

    def batches(self, pool: Selection, settings: TrainSettings, chance: np.random.Generator) -> list[np.ndarray]:
        """Draw the batches of one epoch: positions in the pool, as many batches as `sampling.batches` makes of it."""

    def labels(self, pool: Selection) -> np.ndarray:
        """Return what loss and distance are told of every patch, shape (n,)."""

    def loss(self, network: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator, /) -> Tensor:
        """Return the loss of one batch.

        Args:
            network: Images (n, channels, height, width) to scores (n,).
            images: Prepared and augmented images, float32, shape (n, channels, height, width).
            labels: Label of each image, shape (n,).
            generator: Source of chance, on the CPU.
        """

    def distance(self, scores: np.ndarray, labels: np.ndarray, /) -> np.ndarray:
        """Return how far each score is from where it should be, shape (n,); early stopping watches its mean."""


@dataclass(frozen=True)
class Regression:
    """L1 between score and target, with linearity over mixed images (the Sichuan report, 2024).

    L = L_reg + lambda L_linear. L_reg is the mean of |s(x) - t|. L_linear is the mean of
    |s(mix) - (c s(A) + (1 - c) s(B))|, where `mix` shows the upper share c of image A and the rest of B, c ~ U(0, 1):
    a picture half of which is town should score half way between the town and the rest.
    """

    linearity_weight: float
    """Weight lambda of the linearity."""
    linearity_share: float
    """Mixed images a batch as a share of its images; 0.5 puts every image into one mixture."""
    calibrates: ClassVar[bool] = False

    def batches(self, pool: Selection, settings: TrainSettings, chance: np.random.Generator) -> list[np.ndarray]:
        """Draw one epoch, balanced as the settings say."""
        return batches(epoch_order(clusters_of(pool), levels_of(pool), settings.balance, chance), settings.batch_size)

    def labels(self, pool: Selection) -> np.ndarray:
        """Return the targets, float32 in [0, 1], shape (n,)."""
        return targets_of(pool)

    def loss(self, network: nn.Module, images: Tensor, targets: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of one batch; images and mixtures go through the network together."""
        count = len(images)
        mixtures = max(1, round(self.linearity_share * count)) if self.linearity_weight > 0 else 0
        if mixtures == 0:
            return _mean_distance(network(images), targets)
        opposites = images.roll(-(count // 2), 0)[:mixtures]
        mixed, share = mix(images[:mixtures], opposites, torch.rand(mixtures, generator=generator))
        scores = network(torch.cat([images, mixed]))
        theirs = scores[:count].roll(-(count // 2))[:mixtures]
        between = share * scores[:mixtures] + (1 - share) * theirs
        linear = _mean_distance(scores[count:], between)
        return _mean_distance(scores[:count], targets) + self.linearity_weight * linear

    def distance(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return |score - target|."""
        return np.asarray(np.abs(scores - targets))


def _mean_distance(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).abs().mean()


def mix(first: Tensor, second: Tensor, cut: Tensor) -> tuple[Tensor, Tensor]:
    """Put the upper part of each first image over the rest of the second.

    The cut falls between two rows of pixels, so the share that is returned, and not the one that was drawn, is what
    the mixed image shows.

    Args:
        first: Images, shape (n, channels, height, width).
        second: Images of the same shape.
        cut: Share of the first image, float32 in [0, 1], shape (n,).

    Returns:
        Mixed images of the same shape, and the share of the first image in each, float32, shape (n,).
    """
    height = first.shape[2]
    rows = torch.round(cut * height).to(first.device)
    above = torch.arange(height, device=first.device)[None, :] < rows[:, None]
    return torch.where(above[:, None, :, None], first, second), rows / height


OBJECTIVES: dict[str, Callable[[TrainSettings, PartialOrder | None], Objective]] = {
    "regression": lambda settings, _: Regression(settings.linearity_weight, settings.linearity_share),
    "rank": lambda settings, order: Rank(_given(order, settings), settings.rank_steepness),
    "listwise": lambda settings, order: Listwise(_given(order, settings), settings.rank_steepness),
}
"""Objectives by name."""


def objective_of(settings: TrainSettings, order: PartialOrder | None = None) -> Objective:
    """Return the objective that the settings name.

    Args:
        settings: How to train.
        order: What the clusters are to each other; `regression` does not need it.

    Raises:
        OrderError: If the objective needs the order and none is given.
    """
    return OBJECTIVES[settings.objective](settings, order)


def _given(order: PartialOrder | None, settings: TrainSettings) -> PartialOrder:
    if order is None:
        raise OrderError(
            f"train.objective = {settings.objective} learns from the relations of the clusters: give them."
        )
    return order
