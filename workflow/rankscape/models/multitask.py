"""Several numbers of one image at once: a trunk that all tasks share, linear heads, and losses that balance tasks.

Chen, Konakalla and Noor (2022) learn seven labels of one place together; weights by uncertainty are those of
Kendall, Gal and Cipolla (CVPR 2018).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Weighting = Literal["equal", "random", "uncertainty"]


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
        return self.weigh(*task_errors(outputs, labels), self.draw(generator))

    def draw(self, generator: torch.Generator | None) -> Tensor | None:
        """Draw normal numbers, shape (tasks,), where weights are random; else None."""
        return torch.randn(len(self.log_variances), generator=generator) if self.weighting == "random" else None

    def weigh(
        self, errors: Tensor, present: Tensor, drawn: Tensor | None = None, log_variances: Tensor | None = None
    ) -> Tensor:
        """Weigh errors of tasks; tasks without a label in the batch count for nothing.

        Args:
            errors: Mean squared error of each task, 0 where it has no label, shape (tasks,).
            present: Whether the batch has labels of each task, bool, shape (tasks,).
            drawn: Normal numbers, shape (tasks,), where weights are random.
            log_variances: v as it came through the network, which several processes share; None: this module's own.
        """
        if not present.any():
            return errors.sum()  # 0, and still a part of the graph
        if self.weighting == "uncertainty":
            v = self.log_variances if log_variances is None else log_variances
            return (torch.exp(-v) * errors + v)[present].sum()
        if drawn is not None:
            return (drawn.to(errors)[present].softmax(0) * errors[present]).sum()
        return errors[present].mean()


class MultiTask(nn.Module):
    """A trunk and a head for each group of tasks; the features are what the heads read."""

    def __init__(
        self,
        trunk: nn.Module,
        groups: Sequence[int],
        *,
        hidden: int | None = None,
        dropout: float = 0.0,
        weighting: Weighting = "equal",
    ) -> None:
        """Put heads on a trunk.

        Args:
            trunk: Images to vectors; `num_features` is their length.
            groups: Numbers to predict by each head, such as those of one sample of places.
            hidden: Width of a layer between; None for heads of one linear layer.
            dropout: Share of the hidden layer's answers that training sets to 0.
            weighting: How tasks are balanced.
        """
        super().__init__()
        self.trunk, self.num_features, self.groups = trunk, int(trunk.num_features), tuple(groups)  # type: ignore[arg-type]
        self.heads = nn.ModuleList(_head(self.num_features, tasks, hidden, dropout) for tasks in groups)
        self.balance = TaskLoss(sum(groups), weighting)

    def forward(self, images: Tensor) -> Tensor:
        """Predict, and pass on what balances the tasks; float32, shape (n, 2 tasks).

        The second half repeats the log variances a row each: processes that train together then share their gradient.
        """
        predicted = self.predict(images)
        return torch.cat([predicted, self.balance.log_variances.expand(len(predicted), -1)], 1)

    def predict(self, images: Tensor) -> Tensor:
        """Predict all tasks, one group after the other; float32, shape (n, tasks)."""
        seen = self.trunk(images)
        return torch.cat([head(seen) for head in self.heads], 1)

    def penalty(self, present: Tensor) -> Tensor:
        """Sum of the absolute weights of the last layers of heads that have labels in a batch, biases left out."""
        has = [bool(part.any()) for part in torch.split(present, list(self.groups))]
        lasts = [head[-1] for head, used in zip(self.heads, has, strict=True) if used]  # type: ignore[index]
        return torch.stack([l1_of(last) for last in lasts]).sum() if lasts else present.new_zeros((), dtype=torch.float)


def _head(dims: int, tasks: int, hidden: int | None, dropout: float) -> nn.Sequential:
    between = [nn.Linear(dims, hidden), nn.ReLU(), nn.Dropout(dropout)] if hidden else []
    return nn.Sequential(*between, nn.Linear(hidden or dims, tasks))


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
