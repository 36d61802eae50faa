"""Mean Teacher: learning from patches without a label too (docs/methods/learning.md).

Tarvainen & Valpola (2017): a teacher, the moving average of the network that learns, sees other views of the same
images, and the network is drawn to its answers. Ahn et al. (Nature Communications 2023) find uninhabited areas so.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from rankscape.learning.augmentation import augment
from rankscape.learning.fitting import Batch, CategoryTask, right
from rankscape.learning.selection import Selection
from rankscape.learning.settings import AdaptSettings
from rankscape.learning.trainer import BatchLoss, TrainState
from rankscape.models.preparation import Preparation


def consistency_weight(epoch: int, weight: float, ramp_epochs: int) -> float:
    """Return the weight of the consistency loss, w exp(-5 (1 - min(e, r)/r)²) (Tarvainen & Valpola 2017, §3.1).

    Args:
        epoch: Epochs e that are done.
        weight: Weight w once it has risen.
        ramp_epochs: Epochs r of its rise; 0 gives w from the start.
    """
    missing = 1 - min(epoch, ramp_epochs) / ramp_epochs if ramp_epochs else 0.0
    return weight * math.exp(-5 * missing**2)


def teacher_decay(step: int, largest: float) -> float:
    """Return the share of itself that the teacher keeps, min(1 - 1/(s + 1), largest).

    In the first steps it is the plain average of the network's weights, which forgets the initial ones.

    Args:
        step: Steps s done, this one included.
        largest: Share that it rises to.
    """
    return min(1 - 1 / (step + 1), largest)


class MeanTeacherTask(CategoryTask):
    """Labels where there are some, and consistency with the teacher everywhere."""

    def __init__(
        self,
        samples: Selection,
        preparation: Preparation,
        settings: AdaptSettings,
        unlabelled: Selection,
        generator: np.random.Generator,
    ) -> None:
        """Learn from labelled samples and unlabelled ones, whose order the generator decides."""
        super().__init__(samples, preparation, settings.batch_size)
        self.unlabelled, self._settings = unlabelled, settings
        self._order = _endless(len(unlabelled), generator)

    def begin(self, network: nn.Module) -> None:
        """Start with a teacher that is the network itself."""
        self.teacher = AveragedModel(network, multi_avg_fn=self._average).requires_grad_(False).train()
        # The network's first weights count as one average, so that the first step moves the teacher half way.
        self.teacher.n_averaged.fill_(1)

    def loss(self, network: nn.Module, batch: Batch, state: TrainState) -> BatchLoss:
        """Return cross-entropy plus weighted consistency of a batch of labelled and as many unlabelled images.

        Consistency is the mean squared difference of the probabilities that network and teacher give to two views of
        an image, over images and categories. Both see both kinds of images in one batch, so that batch normalisation
        is the same for them.
        """
        images, shares = batch
        count = len(images)
        shown = torch.cat([images, self._more(count)])
        ours, theirs = (augment(shown, state.light).to(state.device) for _ in range(2))
        logits = network(ours)
        with torch.no_grad():
            wanted = self.teacher(theirs).softmax(1)
        entropy = F.cross_entropy(logits[:count], torch.from_numpy(shares).to(state.device))
        consistency = F.mse_loss(logits.softmax(1), wanted)
        weight = consistency_weight(len(state.curve), self._settings.consistency_weight, self._settings.ramp_epochs)
        told = right(logits[:count].detach(), shares)
        means = {"loss": entropy, "consistency": consistency}
        return BatchLoss(entropy + weight * consistency, means, count, {"accuracy": told})

    def stepped(self, state: TrainState) -> None:
        """Move the teacher's weights towards the network's."""
        self.teacher.update_parameters(state.network)

    def end(self, network: nn.Module) -> None:
        """Give the network the teacher's weights: the teacher is what is kept."""
        network.load_state_dict(self.teacher.module.state_dict())

    def _average(
        self,
        averaged: tuple[Tensor, ...] | list[Tensor],
        current: tuple[Tensor, ...] | list[Tensor],
        steps: Tensor | int,
    ) -> None:
        kept = teacher_decay(int(steps), self._settings.teacher_decay)
        for own, new in zip(averaged, current, strict=True):
            own.lerp_(new, 1 - kept)

    def _more(self, count: int) -> Tensor:
        """Return the next unlabelled images, each shown once before any is shown again."""
        chosen = np.array([next(self._order) for _ in range(min(count, len(self.unlabelled)))], np.int64)
        return self.unlabelled.images(chosen, self.preparation)


def _endless(count: int, generator: np.random.Generator) -> Iterator[int]:
    while True:
        yield from generator.permutation(count).tolist()
