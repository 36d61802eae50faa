"""Mean Teacher: learning from patches without a label too (docs/vision.md).

Tarvainen & Valpola (2017): a teacher, the moving average of the network that learns, looks at other views of the same
pictures, and the network is drawn to its answers. Ahn et al. (Nature Communications 2023) find uninhabited land so.
"""

import copy
import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rankscape.learning.augmentation import augment
from rankscape.learning.selection import Selection
from rankscape.learning.settings import AdaptSettings
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


class MeanTeacher:
    """A lesson (`vision.fitting.Lesson`): labels where there are some, and consistency with the teacher everywhere."""

    def __init__(
        self,
        settings: AdaptSettings,
        unlabelled: Selection,
        preparation: Preparation,
        generator: np.random.Generator,
    ) -> None:
        self.unlabelled = unlabelled
        self.teacher: nn.Module | None = None
        self._settings, self._preparation = settings, preparation
        self._order = _endless(len(unlabelled), generator)
        self._steps = 0

    def begin(self, network: nn.Module) -> None:
        """Start with a teacher that is the network itself."""
        self.teacher = copy.deepcopy(network).requires_grad_(False).train()
        self._steps = 0

    def loss(
        self, network: nn.Module, pictures: Tensor, shares: Tensor, chance: torch.Generator, epoch: int
    ) -> tuple[Tensor, Tensor, dict[str, float]]:
        """Return cross-entropy plus weighted consistency of a batch of labelled and as many unlabelled pictures.

        Consistency is the mean squared difference of the probabilities that network and teacher give to two views of a
        picture, over pictures and categories. Both see both kinds of pictures in one batch, so that batch
        normalisation is the same for them.
        """
        assert self.teacher is not None
        count = len(pictures)
        shown = torch.cat([pictures, self._more(count)])
        ours, theirs = (augment(shown, chance).to(shares.device) for _ in range(2))
        logits = network(ours)
        with torch.no_grad():
            wanted = self.teacher(theirs).softmax(1)
        entropy, consistency = F.cross_entropy(logits[:count], shares), F.mse_loss(logits.softmax(1), wanted)
        weight = consistency_weight(epoch, self._settings.consistency_weight, self._settings.ramp_epochs)
        means = {"loss": entropy.item(), "consistency": consistency.item()}
        return entropy + weight * consistency, logits[:count], means

    def stepped(self, network: nn.Module) -> None:
        """Move the teacher's weights towards the network's."""
        assert self.teacher is not None
        self._steps += 1
        kept = teacher_decay(self._steps, self._settings.teacher_decay)
        with torch.no_grad():
            for own, new in zip(self.teacher.parameters(), network.parameters(), strict=True):
                own.lerp_(new, 1 - kept)

    def end(self, network: nn.Module) -> None:
        """Give the network the teacher's weights: the teacher is what is kept."""
        assert self.teacher is not None
        network.load_state_dict(self.teacher.state_dict())

    def _more(self, count: int) -> Tensor:
        """Return the next unlabelled pictures, each shown once before any is shown again."""
        chosen = np.array([next(self._order) for _ in range(min(count, len(self.unlabelled)))], np.int64)
        return self.unlabelled.images(chosen, self._preparation)


def _endless(count: int, generator: np.random.Generator) -> Iterator[int]:
    while True:
        yield from generator.permutation(count).tolist()
