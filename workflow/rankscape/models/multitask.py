"""Several numbers of one image at once: a trunk that all tasks share, one linear head, and losses that balance tasks.

Chen, Konakalla and Noor (2022) learn seven labels of one place together; weights by uncertainty are those of
Kendall, Gal and Cipolla (CVPR 2018).
"""

from typing import Literal

import torch
from torch import Tensor, nn

Weighting = Literal["equal", "random", "uncertainty"]


class MultiTask(nn.Module):
    """A trunk and a head; the features are what the head, or its first layer, reads."""

    def __init__(self, trunk: nn.Module, tasks: int, *, hidden: int | None = None, dropout: float = 0.0) -> None:
        """Put a head on a trunk.

        Args:
            trunk: Images to vectors; `num_features` is their length.
            tasks: Numbers to predict.
            hidden: Width of a layer between; None for a head of one linear layer.
            dropout: Share of the hidden layer's answers that training sets to 0.
        """
        super().__init__()
        dims = int(trunk.num_features)  # type: ignore[arg-type]
        self.trunk, self.num_features = trunk, dims
        self.last = nn.Linear(hidden or dims, tasks)
        between = [nn.Linear(dims, hidden), nn.ReLU(), nn.Dropout(dropout)] if hidden else []
        self.head = nn.Sequential(*between, self.last)

    def forward(self, images: Tensor) -> Tensor:
        """Predict, float32, shape (n, tasks)."""
        return self.head(self.trunk(images))  # type: ignore[no-any-return]


class TaskLoss(nn.Module):
    """One loss of several tasks of which any may be missing for any image.

    Attributes:
        log_variances: v of each task, shape (tasks,); learned where tasks are weighted by uncertainty. Weight decay
            must leave it alone. Where training has settled, v = log of the task's loss.
    """

    def __init__(self, tasks: int, weighting: Weighting = "equal") -> None:
        """Make one.

        Args:
            tasks: Number of tasks.
            weighting: `equal`: the mean over tasks. `random`: weights are drawn anew each time, as softmax of normal
                numbers. `uncertainty`: sum of exp(-v) L + v, without the factors of one half of the paper.
        """
        super().__init__()
        self.weighting = weighting
        self.log_variances = nn.Parameter(torch.zeros(tasks), requires_grad=weighting == "uncertainty")

    def forward(self, outputs: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Weigh the tasks of a batch.

        Args:
            outputs: Predictions, shape (n, tasks).
            labels: Standardised labels, NaN where one is missing, shape (n, tasks).
            generator: Source of random weights.
        """
        drawn = torch.randn(outputs.shape[1], generator=generator) if self.weighting == "random" else None
        return self.weigh(*task_errors(outputs, labels), drawn)

    def weigh(self, errors: Tensor, present: Tensor, drawn: Tensor | None = None) -> Tensor:
        """Weigh errors of tasks; tasks without a label in the batch count for nothing.

        Args:
            errors: Mean squared error of each task, 0 where it has no label, shape (tasks,).
            present: Whether the batch has labels of each task, bool, shape (tasks,).
            drawn: Normal numbers, shape (tasks,), where weights are random.
        """
        if not present.any():
            return errors.sum()  # 0, and still a part of the graph
        if self.weighting == "uncertainty":
            return (torch.exp(-self.log_variances) * errors + self.log_variances)[present].sum()
        if drawn is not None:
            return (drawn.to(errors)[present].softmax(0) * errors[present]).sum()
        return errors[present].mean()


def task_errors(outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared error of each task over the images that have its label, and which tasks have any.

    A task that no image of the batch has a label of has the error 0.
    """
    known = labels.isfinite()
    squares = torch.where(known, outputs - labels.nan_to_num(), 0).square().sum(0)
    counts = known.sum(0)
    return squares / counts.clamp_min(1), counts > 0


def l1_of(layer: nn.Linear) -> Tensor:
    """Sum of the absolute weights of a linear layer, the bias left out; times lambda it is added to the loss."""
    return layer.weight.abs().sum()
