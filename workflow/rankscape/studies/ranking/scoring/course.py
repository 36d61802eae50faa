"""A training under way: everything that changes from epoch to epoch."""

import copy
import math
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from rankscape.learning.checkpoints import Run


@dataclass(frozen=True)
class Epoch:
    """One point of the training curve."""

    epoch: int
    """Number, from 1."""
    training_loss: float
    """Mean loss over the epoch's batches, mixtures included."""
    validation_loss: float
    """Mean distance of the held-out scores from their targets, every level counting alike."""
    share_within: float
    """Share of held-out scores within 0.07 of the target."""


@dataclass
class Course(Run):
    """The state of one training between two epochs; a training that is given all of it goes on as if never stopped."""

    curve: list[Epoch] = field(default_factory=list)
    """Epochs so far."""
    best: float = math.inf
    """Smallest validation loss so far."""
    best_state: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the epoch with that loss; at first those that training starts from."""
    best_scores: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Scores of the held-out patches by these weights, float64, shape (validation,)."""

    def __post_init__(self) -> None:
        self.best_state = copy.deepcopy(self.network.state_dict())

    @property
    def best_epoch(self) -> int:
        """Number of the epoch with the smallest validation loss, the first of equal ones."""
        return min(self.curve, key=lambda epoch: (epoch.validation_loss, epoch.epoch)).epoch

    def note(self, epoch: Epoch, scores: np.ndarray) -> None:
        """Add an epoch to the curve, and keep the network's weights if it is the best so far."""
        self.curve.append(epoch)
        if epoch.validation_loss < self.best:
            self.best, self.best_scores = epoch.validation_loss, scores
            self.best_state = copy.deepcopy(self.network.state_dict())

    def is_over(self, epochs: int, patience: int) -> bool:
        """Whether all epochs are done, or so many brought no better validation loss that training stops early."""
        done = len(self.curve)
        return done >= epochs or (done > 0 and done - self.best_epoch >= patience)
