"""Training one score network: seeded epochs, early stopping, the best weights kept."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rankscape.foundation import progress
from rankscape.foundation.settings.scoring import TrainSettings
from rankscape.ranking.orders import PartialOrder
from rankscape.scoring.checkpoints import Checkpoints
from rankscape.scoring.course import Course, Epoch
from rankscape.scoring.metrics import balanced_mean, validation_metrics
from rankscape.scoring.network import ScoreNetwork, freeze_batch_norm
from rankscape.scoring.objectives import Objective, objective_of
from rankscape.scoring.pool import Pool
from rankscape.scoring.sampling import batches
from rankscape.vision.augmentation import augment
from rankscape.vision.preparation import Preparation


@dataclass(frozen=True)
class Lesson:
    """What a network is trained and validated on."""

    training: Pool
    """Patches trained on."""
    validation: Pool
    """Patches held out."""
    preparation: Preparation
    """How patches become network input."""
    settings: TrainSettings
    """How to train."""
    device: torch.device
    """Where to train."""
    order: PartialOrder | None = None
    """What the clusters are to each other; only objectives that learn from the order alone need it."""


@dataclass(frozen=True)
class Fit:
    """A trained network's history; the network itself holds the weights of the best epoch."""

    seed: int
    """Seed of its weights, batches and augmentation."""
    epochs: tuple[Epoch, ...]
    """The curve."""
    best_epoch: int
    """Epoch with the smallest validation loss."""
    scores: np.ndarray
    """Scores of the held-out patches by the best weights, float64, shape (validation,)."""
    calibration: tuple[float, float] | None = None
    """Slope and shift by which scores were brought to the scale of the targets afterwards; None if they were not."""

    def to_document(self) -> dict[str, Any]:
        """Return seed, curve, best epoch and calibration as JSON."""
        document = {
            "seed": self.seed,
            "best_epoch": self.best_epoch,
            "epochs": [asdict(epoch) for epoch in self.epochs],
        }
        if self.calibration is not None:
            document["calibration"] = dict(zip(("slope", "shift"), self.calibration, strict=True))
        return document


def train_network(network: ScoreNetwork, lesson: Lesson, seed: int, checkpoints: Checkpoints | None = None) -> Fit:
    """Train a network in place and leave it with the weights of its best epoch.

    The same network, lesson and seed give the same weights, bit for bit on one device with one number of threads,
    also where a training was stopped at any moment and goes on from its checkpoint.

    Args:
        network: Network with its first weights, on the lesson's device.
        lesson: Patches and settings.
        seed: Seed of batches and augmentation.
        checkpoints: Where to go on from, and to keep what is needed to go on; None keeps nothing.
    """
    settings, objective = lesson.settings, objective_of(lesson.settings, lesson.order)
    course = _course(network, lesson, seed)
    # Backbones with dropout draw from the global generator.
    with torch.random.fork_rng(devices=[lesson.device] if lesson.device.type == "cuda" else []):
        torch.manual_seed(seed)
        if checkpoints is not None:
            checkpoints.resume(seed, course)
        while not course.is_over(settings.epochs, settings.patience):
            _advance(course, network, lesson, objective, seed)
            if checkpoints is not None:
                checkpoints.keep(seed, course, course.is_over(settings.epochs, settings.patience))
    network.load_state_dict(course.best_state)
    return Fit(seed, tuple(course.curve), course.best_epoch, course.best_scores)


def _course(network: ScoreNetwork, lesson: Lesson, seed: int) -> Course:
    chance = np.random.default_rng([seed, 2])
    light = torch.Generator().manual_seed(int(chance.integers(2**62)))
    optimizer, schedule = _optimizer(network, len(lesson.training), lesson.settings)
    return Course(network, optimizer, schedule, chance, light, lesson.device)


def _advance(course: Course, network: ScoreNetwork, lesson: Lesson, objective: Objective, seed: int) -> None:
    """Train and validate one epoch more."""
    number, chance = len(course.curve) + 1, (course.chance, course.light)
    name = f"seed {seed}, {number}"
    loss = _one_epoch(network, lesson, objective, course.optimizer, course.schedule, chance, name)
    scores = predict_pool(network, lesson.validation, lesson)
    course.note(_epoch(number, loss, scores, lesson.validation, objective), scores)
    _report(course.curve[-1], seed, lesson.settings.epochs)


def predict_pool(network: ScoreNetwork, pool: Pool, lesson: Lesson) -> np.ndarray:
    """Score every patch of a pool with one network, without augmentation; float64, shape (n,)."""
    network.eval()
    scores = []
    with torch.inference_mode():
        for chosen in np.array_split(np.arange(len(pool)), max(1, math.ceil(len(pool) / lesson.settings.batch_size))):
            images = lesson.preparation.tensor(pool.pixels(chosen)).to(lesson.device)
            scores.append(network(images).double().cpu().numpy())
    return np.concatenate(scores)


def _one_epoch(
    network: ScoreNetwork,
    lesson: Lesson,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    chance: tuple[np.random.Generator, torch.Generator],
    name: str,
) -> float:
    network.train()
    if lesson.settings.batch_norm == "frozen":
        freeze_batch_norm(network)
    losses = []
    for images, labels in _shown(lesson, objective, chance[0], name):
        loss = objective.loss(network, augment(images, chance[1]), labels, chance[1])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def _shown(
    lesson: Lesson, objective: Objective, chance: np.random.Generator, name: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the epoch's batches, read from the mapped arrays one at a time."""
    pool, labels = lesson.training, objective.labels(lesson.training)
    for chosen in progress.track(objective.batches(pool, lesson.settings, chance), name, unit="batch"):
        images = lesson.preparation.tensor(pool.pixels(chosen))
        yield images.to(lesson.device), torch.from_numpy(labels[chosen]).to(lesson.device)


def _optimizer(
    network: ScoreNetwork, patches: int, settings: TrainSettings
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * len(batches(np.arange(patches), settings.batch_size))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=steps + 1, anneal_strategy="cos"
    )
    return optimizer, schedule


def _epoch(number: int, loss: float, scores: np.ndarray, validation: Pool, objective: Objective) -> Epoch:
    distance = balanced_mean(objective.distance(scores, objective.labels(validation)), validation.level)
    share = validation_metrics(scores, validation.target, validation.level)["share_within"]
    return Epoch(number, loss, distance, float(share or 0.0))


def _report(epoch: Epoch, seed: int, epochs: int) -> None:
    progress.say(
        f"seed {seed}, epoch {epoch.epoch}/{epochs}: training loss {epoch.training_loss:.4f}, validation loss "
        f"{epoch.validation_loss:.4f}, {epoch.share_within:.1%} of held-out scores within 0.07 of their target"
    )
