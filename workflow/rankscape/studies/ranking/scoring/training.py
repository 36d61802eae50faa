"""Training one score network: what is learned from labelled samples, and what came of it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from rankscape.learning.augmentation import appearance, augment
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.feeding import ResizedSamples
from rankscape.learning.processes import ProcessGroup
from rankscape.learning.selection import Selection
from rankscape.learning.trainer import BatchLoss, Measured, TrainingTask, TrainState, one_cycle, seeded, train
from rankscape.models.preparation import Preparation
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.scoring.network import ScoreNetwork, freeze_batch_norm
from rankscape.studies.ranking.scoring.objectives import Objective, objective_of
from rankscape.studies.ranking.scoring.samples import balanced_mean, held_out_metrics, levels_of
from rankscape.studies.ranking.scoring.sampling import batches
from rankscape.studies.ranking.scoring.settings import TrainSettings

Batch = tuple[Tensor, Tensor]
"""Augmented images and their labels, on the device."""


@dataclass(frozen=True)
class ScoreTask(TrainingTask):
    """What a score network is trained and validated on."""

    training: Selection
    """Samples trained on."""
    validation: Selection
    """Samples held out."""
    preparation: Preparation
    """How samples become network input."""
    settings: TrainSettings
    """How to train."""
    device: torch.device
    """Where to train."""
    order: PartialOrder | None = None
    """What the clusters are to each other; only objectives that learn from the order alone need it."""
    cache_mb: float = 0.0
    """Memory for resized samples, in units of 1,000,000 bytes; it changes no result."""
    processes: ProcessGroup | None = None
    """The processes that train together; None for this one alone."""

    @property
    def group(self) -> ProcessGroup:
        """The processes that train together."""
        return self.processes or ProcessGroup(self.device)

    @property
    def objective(self) -> Objective:
        """What is minimised."""
        return objective_of(self.settings, self.order)

    def resized(self, samples: Selection) -> ResizedSamples:
        """Return samples at the network's size; those of the task's own selections are kept."""
        known = [kept for own, kept in self._kept if own is samples]
        return known[0] if known else ResizedSamples(samples, self.preparation)

    def prepared(self, patches: Tensor) -> Tensor:
        """Return patches of the network's size as it sees them, float32, shape (n, channels, side, side)."""
        return self.preparation.normalised(self.preparation.values(patches))

    def varied(self, patches: Tensor, light: torch.Generator) -> Tensor:
        """Return the same as another date, and another way round, might have shown it (`learning.augmentation`)."""
        values = appearance(self.preparation.values(patches), light, self.settings.appearance)
        return augment(self.preparation.normalised(values), light)

    def start_epoch(self, state: TrainState) -> None:
        """Ready the network, with frozen parts in evaluation mode."""
        state.network.train()
        if self.settings.batch_norm == "frozen":
            freeze_batch_norm(state.network)
        if self.settings.backbone_rate == 0:
            state.network.get_submodule("backbone").eval()

    def batches(self, state: TrainState) -> Iterator[Batch]:
        """Yield the epoch's batches, augmented; each process reads its share of a batch."""
        labels = self.objective.labels(self.training)
        parts = self.objective.batches(self.training, self.settings, state.chance)
        shares = (part[self.group.share(len(part))] for part in parts)
        patches = self.resized(self.training).batches(shares, self.group.device)
        for part in parts:
            whole = self.group.gather(next(patches), len(part))
            yield self.varied(whole, state.light), torch.from_numpy(labels[part]).to(self.group.device)

    def loss(self, network: nn.Module, batch: Batch, state: TrainState) -> BatchLoss:
        """Return the objective's loss; all batches of an epoch count alike."""
        loss = self.objective.loss(network, *batch, state.light)
        return BatchLoss(loss, {"training_loss": loss})

    def end_epoch(self, state: TrainState, means: dict[str, float]) -> Measured:
        """Score the held-out samples; the loss is the mean distance of the levels' means."""
        scores = predict_samples(state.network, self.validation, self)
        distances = self.objective.distance(scores, self.objective.labels(self.validation))
        distance = balanced_mean(distances, levels_of(self.validation))
        within = float(held_out_metrics(scores, self.validation)["share_within"] or 0.0)
        return Measured({**means, "validation_loss": distance, "share_within": within}, distance, scores)

    @cached_property
    def _kept(self) -> list[tuple[Selection, ResizedSamples]]:
        sides, mine = (self.training, self.validation), self.cache_mb / self.group.size
        total = sum(map(len, sides))
        return [(side, ResizedSamples(side, self.preparation, mine * len(side) / total)) for side in sides]


class History(Protocol):
    """How one network came about."""

    @property
    def scores(self) -> np.ndarray:
        """Its scores of the held-out patches, float64, shape (validation,)."""

    def to_document(self) -> dict[str, Any]:
        """Describe it as JSON: seed, best_epoch and epochs at least."""


@dataclass(frozen=True)
class FitResult:
    """A trained network's history; the network itself holds the weights of the best epoch."""

    seed: int
    """Seed of its weights, batches and augmentation."""
    epochs: tuple[dict[str, Any], ...]
    """Of each epoch its number, training and validation loss, and the share of held-out scores within 0.07 of the
    target."""
    best_epoch: int
    """Epoch with the smallest validation loss."""
    scores: np.ndarray
    """Scores of the held-out samples by the best weights, float64, shape (validation,)."""
    calibration: tuple[float, float] | None = None
    """Slope and shift by which scores were brought to the scale of the targets afterwards; None if they were not."""

    def to_document(self) -> dict[str, Any]:
        """Return seed, curve, best epoch and calibration as JSON."""
        document = {"seed": self.seed, "best_epoch": self.best_epoch, "epochs": list(self.epochs)}
        if self.calibration is not None:
            document["calibration"] = dict(zip(("slope", "shift"), self.calibration, strict=True))
        return document


def train_network(
    network: ScoreNetwork, task: ScoreTask, seed: int, checkpoints: Checkpoints | None = None
) -> FitResult:
    """Train a network in place and leave it with the weights of its best epoch.

    Args:
        network: Network with its first weights, on the task's device.
        task: Samples and settings.
        seed: Seed of batches and augmentation.
        checkpoints: Where to go on from, and to keep what is needed to go on; None keeps nothing.
    """
    state = _start(network, task, seed)
    with seeded(seed, task.device):
        train(
            task, state, epochs=task.settings.epochs, name=f"seed {seed}", patience=task.settings.patience,
            checkpoints=checkpoints, seed=seed, group=task.group,
        )  # fmt: skip
    return FitResult(seed, tuple(state.curve), state.best_epoch, state.best_outputs)


def predict_samples(network: nn.Module, samples: Selection, task: ScoreTask) -> np.ndarray:
    """Score every sample with one network, without augmentation; float64, shape (n,)."""
    network.eval()
    group = task.group
    parts = np.array_split(np.arange(len(samples)), max(1, math.ceil(len(samples) / task.settings.batch_size)))
    shares = [part[group.share(len(part))] for part in parts]
    scores = []
    with torch.inference_mode():
        for part, patches in zip(parts, task.resized(samples).batches(shares, group.device), strict=True):
            scores.append(group.gather(network(task.prepared(patches)), len(part)))
    return torch.cat(scores).double().cpu().numpy()


def _start(network: ScoreNetwork, task: ScoreTask, seed: int) -> TrainState:
    chance = np.random.default_rng([seed, 2])
    light = torch.Generator().manual_seed(int(chance.integers(2**62)))
    optimizer, schedule = _optimizer(network, len(task.training), task.settings)
    return TrainState(network, (optimizer,), schedule, chance, light, task.device)


def _optimizer(
    network: ScoreNetwork, patches: int, settings: TrainSettings
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    groups = _groups(network, settings)
    optimizer = torch.optim.AdamW(groups, settings.learning_rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * len(batches(np.arange(patches), settings.batch_size))
    rates = [group["lr"] for group in groups]
    return optimizer, one_cycle(optimizer, rates, steps + 1, cycle_momentum=True)


def _groups(network: ScoreNetwork, settings: TrainSettings) -> list[dict[str, Any]]:
    """Return the parameters that are trained, with their learning rates."""
    rate = settings.learning_rate
    if settings.backbone_rate == 1:
        return [{"params": list(network.parameters()), "lr": rate}]
    head = {"params": list(network.head.parameters()), "lr": rate}
    network.backbone.requires_grad_(settings.backbone_rate > 0)
    if settings.backbone_rate == 0:
        return [head]
    return [{"params": list(network.backbone.parameters()), "lr": rate * settings.backbone_rate}, head]
