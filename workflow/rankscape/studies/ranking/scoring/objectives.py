"""What the score network is asked to minimise; an objective is found by the name that `train.objective` gives it.

Those that know the order alone learn which image belongs above which, and not by how much. They compare scores s in
(0, 1) of the network's bounded, smooth output. The published code of Ahn et al. (Nature Communications 2023) clamps an
unbounded output to [0, 1] before the loss; images beyond the ends then have no gradient.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from rankscape.foundation.errors import OrderError
from rankscape.learning.selection import Selection
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.scoring.samples import clusters_of, levels_of, targets_of
from rankscape.studies.ranking.scoring.sampling import batches, chain_batches, epoch_order
from rankscape.studies.ranking.scoring.settings import TrainSettings


@dataclass(frozen=True)
class Ordering:
    """What `Rank` and `Listwise` share; an image's label is the place of its cluster in `order.clusters`."""

    order: PartialOrder
    """What the clusters are to each other."""
    steepness: float
    """Factor k of the sigmoid that compares two scores."""
    calibrates: ClassVar[bool] = True

    def labels(self, samples: Selection) -> np.ndarray:
        """Return the place of every patch's cluster in the order, int64, shape (n,)."""
        return np.searchsorted(self.order.clusters, clusters_of(samples))

    def distance(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return how far every patch stands on the wrong side of the others; see `misplaced`."""
        return misplaced(scores, labels, self.order.higher, self.steepness)

    def above(self, labels: Tensor) -> Tensor:
        """Say which image belongs above which; bool, shape (n, n), the row's above the column's."""
        higher = torch.tensor(self.order.higher, device=labels.device)
        return higher[labels[:, None], labels[None, :]]


class Rank(Ordering):
    """Mean squared error between smooth ranks and the places in a chain of the order (Ahn et al. 2023)."""

    def batches(self, samples: Selection, settings: TrainSettings, chance: np.random.Generator) -> list[np.ndarray]:
        """Draw one epoch; every batch shows all levels of one chain equally often."""
        return chain_batches(clusters_of(samples), self.order, settings.batch_size, chance)

    def loss(self, network: nn.Module, images: Tensor, labels: Tensor, _: torch.Generator) -> Tensor:
        """Return the loss of one batch."""
        ranks, places = smooth_ranks(network(images).float(), self.above(labels), self.steepness)
        return ((ranks - places) ** 2).mean()


class Listwise(Ordering):
    """Negative log likelihood of all ordered pairs of a batch under Bradley & Terry's model.

    L = mean over images i, j with i above j of -log sigmoid(k (s_i - s_j)): RankNet (Burges et al., ICML 2005). The
    likelihood of whole lists (Plackett-Luce) needs a total order: that of a partial order sums over all its linear
    extensions, whose number grows like a factorial. Pairs need none of that: the ordered pairs are the order, and tied
    and incomparable pairs have no term. So any batch will do, and no chains are drawn.
    """

    def batches(self, samples: Selection, settings: TrainSettings, chance: np.random.Generator) -> list[np.ndarray]:
        """Draw one epoch as `regression` does."""
        return batches(
            epoch_order(clusters_of(samples), levels_of(samples), settings.balance, chance), settings.batch_size
        )

    def loss(self, network: nn.Module, images: Tensor, labels: Tensor, _: torch.Generator) -> Tensor:
        """Return the loss of one batch; 0 if it holds no ordered pair."""
        scores, above = network(images).float(), self.above(labels)
        doubts = nn.functional.softplus(self.steepness * (scores[None, :] - scores[:, None]))
        return (doubts * above).sum() / above.sum().clamp(min=1)


def smooth_ranks(scores: Tensor, above: Tensor, steepness: float) -> tuple[Tensor, Tensor]:
    """Return the rank of every image by its score, smooth, and the rank that the order gives it.

    The surrogate of Ahn et al. is r_j = sum over i != j of sigmoid(k (s_j - s_i)): about the number of images that
    score less. Here

        r_j = 1 / (L - 1) * sum over the other levels m of the mean over images i of m of sigmoid(k (s_j - s_i)),

    the share of the L - 1 other levels that image j stands above, with the target p_j = (levels below j) / (L - 1).
    Pairs of one level are left out; the paper's sum has a term for each, so that B tied images with one target push
    each other towards one and the same score. Within a level and a cluster images should be free to differ. Ties share
    the average rank (Kendall 1945): a tied pair counts one half to each, whatever the scores are. That adds (B - 1)/2
    to rank and target alike and cancels, so no rank depends on other scores of its own level. The mean over a level, in
    place of the sum, makes r_j independent of B, and the division by L - 1 lets long and short chains weigh alike.

    Args:
        scores: Scores in (0, 1), shape (n,).
        above: Which image belongs above which, bool, shape (n, n); images neither above nor below each other are one
            level, so the images must be of one chain.
        steepness: k; 30 in the paper.

    Returns:
        Smooth ranks and target ranks in [0, 1], shape (n,) each; 1 is the most developed.
    """
    across = above | above.T
    weight = 1 / (~across).sum(dim=0).to(scores.dtype)
    others = (weight.sum() - 1).clamp(min=1)
    wins = torch.sigmoid(steepness * (scores[:, None] - scores[None, :]))
    return (wins * across * weight).sum(dim=1) / others, (above * weight).sum(dim=1) / others


def misplaced(scores: np.ndarray, labels: np.ndarray, higher: np.ndarray, steepness: float) -> np.ndarray:
    """Return of every patch how far it stands on the wrong side of the others.

    Only pairs that the order puts one above the other count, each by sigmoid(k (lower's score - higher's)): about 1 if
    it is reversed, 0 if it is right, one half for equal scores. Clusters count alike, however many patches they have.
    For steep k this is the share of wrong pairs; over levels of one patch each, (1 - tau)/2 of Kendall's tau. The share
    itself would call barely different scores perfect and stop training after an epoch or two.

    Args:
        scores: Score of every patch, shape (n,).
        labels: Place of every patch's cluster in `higher`, shape (n,).
        higher: bool, shape (clusters, clusters): the row's cluster belongs above the column's.
        steepness: k.

    Returns:
        Shares in [0, 1], float64, shape (n,); 0 for a patch whose cluster is ordered with no other that is there.
    """
    present = np.unique(labels)
    wrong, met = np.zeros(len(scores)), np.zeros(len(scores))
    for own, other in itertools.permutations(present.tolist(), 2):
        if higher[own, other] or higher[other, own]:
            mine, theirs = labels == own, labels == other
            ahead = steepness * (scores[mine][:, None] - scores[theirs][None, :])
            wrong[mine] += expit(-ahead if higher[own, other] else ahead).mean(axis=1)
            met[mine] += 1
    return wrong / np.maximum(met, 1)


class Objective(Protocol):
    """Which batches to show, a loss to train with, and a distance to stop by."""

    calibrates: ClassVar[bool]
    """Whether scores are brought to the scale of the targets after training (`calibration.py`)."""

    def batches(self, samples: Selection, settings: TrainSettings, chance: np.random.Generator) -> list[np.ndarray]:
        """Draw the batches of one epoch: positions in the selection, as many batches as `sampling.batches` makes."""

    def labels(self, samples: Selection) -> np.ndarray:
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
    an image half of which is town should score half way between the town and the rest.
    """

    linearity_weight: float
    """Weight lambda of the linearity."""
    linearity_share: float
    """Mixed images a batch as a share of its images; 0.5 puts every image into one mixture."""
    calibrates: ClassVar[bool] = False

    def batches(self, samples: Selection, settings: TrainSettings, chance: np.random.Generator) -> list[np.ndarray]:
        """Draw one epoch, balanced as the settings say."""
        return batches(
            epoch_order(clusters_of(samples), levels_of(samples), settings.balance, chance), settings.batch_size
        )

    def labels(self, samples: Selection) -> np.ndarray:
        """Return the targets, float32 in [0, 1], shape (n,)."""
        return targets_of(samples)

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
