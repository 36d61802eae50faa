"""What a network learns from labels of one task or several: its batches, its loss, and what is measured.

Images are prepared as they are when patches are embedded; training varies them after that.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from rankscape.evaluation.regression import r2
from rankscape.foundation.errors import SettingsError
from rankscape.learning.augmentation import tilt
from rankscape.learning.feeding import ResizedSamples
from rankscape.learning.fitting import even_batches
from rankscape.learning.processes import ProcessGroup
from rankscape.learning.selection import Selection
from rankscape.learning.trainer import BatchLoss, Measured, TrainingTask, TrainState
from rankscape.models.multitask import MultiTask, task_errors
from rankscape.models.preparation import Preparation
from rankscape.studies.embeddings.network_settings import NetworkSettings

Batch = tuple[Tensor, Tensor]
"""Varied images, and standardised labels, NaN where they are missing or belong to another sample; on the device."""
_EVALUATED = 128
"""Patches that are predicted at once."""


@dataclass(frozen=True)
class LabelTask(TrainingTask):
    """Labels of one task or several, standardised, of which any may be missing."""

    training: Selection
    """Patches learned from; targets are standardised labels."""
    validation: Selection
    """Patches of other places, by which training stops."""
    preparation: Preparation
    """How patches become network input, here and when they are embedded."""
    settings: NetworkSettings
    """How to learn."""
    group: ProcessGroup
    """The processes that learn together."""
    cache_mb: float = 0.0
    """Memory for resized patches, in units of 1,000,000 bytes; it changes no result."""

    @property
    def sizes(self) -> list[int]:
        """Number of tasks of each head."""
        return [len(tasks) for tasks in self.settings.groups]

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return sum(len(even_batches(rows, self.settings.batch_size)) for rows in self._samples)

    def batches(self, state: TrainState) -> Iterator[Batch]:
        """Show every patch once a sample of places; batches of several samples alternate."""
        parts = self._mixed([state.chance.permutation(rows) for rows in self._samples])
        labels, device = self.training.targets.values.astype(np.float32), self.group.device
        resized = self._resized.batches((rows[self.group.share(len(rows))] for rows, _ in parts), device)
        for rows, columns in parts:
            patches = self.group.gather(next(resized), len(rows))
            images = self.preparation.normalised(self.preparation.values(patches))
            wanted = np.full((len(rows), labels.shape[1]), np.nan, np.float32)
            wanted[:, columns] = labels[rows][:, columns]
            yield tilt(images, state.light, self.settings.smallest_crop), torch.from_numpy(wanted).to(device)

    def loss(self, network: nn.Module, batch: Batch, state: TrainState) -> BatchLoss:
        """Weigh the errors of the tasks that the batch has labels of, and add the penalty on their last layers."""
        own, (images, labels) = _own(state), batch
        outputs, log_variances = network(images).chunk(2, 1)
        errors, present = task_errors(outputs, labels)
        loss = own.balance.weigh(errors, present, own.balance.draw(state.light), log_variances.mean(0))
        mean = errors.sum() / present.sum().clamp_min(1)
        return BatchLoss(loss + self.settings.l1 * own.penalty(present), {"training_loss": mean}, len(images))

    def end_epoch(self, state: TrainState, means: dict[str, float]) -> Measured:
        """Predict the validation places; the loss is the mean over tasks of the mean squared error.

        Raises:
            SettingsError: If the network has come apart.
        """
        loss = self.validation_loss(_own(state))
        if not (math.isfinite(loss) and math.isfinite(means["training_loss"])):
            raise come_apart(len(state.curve) + 1, self.settings)
        return Measured({**means, "validation_loss": loss}, loss)

    def validation_loss(self, network: MultiTask) -> float:
        """Return the mean squared error at validation places, the mean over tasks that have labels there."""
        missed = self.predict(network, self.validation) - self.validation.targets.values
        return float(np.nanmean(missed[:, np.isfinite(missed).any(0)] ** 2, axis=0).mean())

    def predict(self, network: MultiTask, patches: Selection) -> np.ndarray:
        """Predict patches as they are, standardised, float64, shape (n, tasks)."""
        network.eval()
        group, found = self.group, []
        parts = np.array_split(np.arange(len(patches)), -(-len(patches) // _EVALUATED))
        resized = ResizedSamples(patches, self.preparation)
        shares = (rows[group.share(len(rows))] for rows in parts)
        with torch.inference_mode():
            for rows, images in zip(parts, resized.batches(shares, group.device), strict=True):
                prepared = self.preparation.normalised(self.preparation.values(images))
                found.append(group.gather(network.predict(prepared), len(rows)))
        return torch.cat(found).double().cpu().numpy()

    def validation_r2(self, network: MultiTask) -> list[float | None]:
        """Return the coefficient of determination of each task at validation places; None where it is not defined."""
        found, labels = self.predict(network, self.validation), self.validation.targets.values
        known = [np.isfinite(column) for column in labels.T]
        scores = [r2(labels[k, task], found[k, task]) if k.any() else np.nan for task, k in enumerate(known)]
        return [float(score) if math.isfinite(score) else None for score in scores]

    @cached_property
    def _columns(self) -> list[np.ndarray]:
        return np.split(np.arange(sum(self.sizes)), np.cumsum(self.sizes)[:-1])

    @cached_property
    def _samples(self) -> list[np.ndarray]:
        """Rows of each sample of places: those with a label of its tasks."""
        known = np.isfinite(self.training.targets.values)
        return [np.flatnonzero(known[:, columns].any(1)) for columns in self._columns]

    @cached_property
    def _resized(self) -> ResizedSamples:
        return ResizedSamples(self.training, self.preparation, self.cache_mb / self.group.size)

    def _mixed(self, orders: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Batches of all samples, spread evenly over the epoch: of two of one size they take turns."""
        cut = [even_batches(order, self.settings.batch_size) for order in orders]
        places = [
            ((number + 0.5) / len(own), sample, rows)
            for sample, own in enumerate(cut)
            for number, rows in enumerate(own)
        ]
        return [(rows, self._columns[sample]) for _, sample, rows in sorted(places, key=lambda place: place[:2])]


def come_apart(epoch: int, settings: NetworkSettings) -> SettingsError:
    """Return what to say where losses have grown without bound."""
    return SettingsError(
        f"The network has come apart in epoch {epoch}: set learning_rate below {settings.learning_rate:g}, or l1 below"
        f" {settings.l1:g}."
    )


def _own(state: TrainState) -> MultiTask:
    assert isinstance(state.network, MultiTask)
    return state.network
