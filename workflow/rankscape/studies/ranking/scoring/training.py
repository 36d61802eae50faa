"""Training one score network: seeded epochs, early stopping, the best weights kept."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rankscape.foundation import progress
from rankscape.learning.augmentation import appearance, augment
from rankscape.learning.selection import Selection
from rankscape.learning.teams import Team
from rankscape.models.preparation import Preparation
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.scoring.checkpoints import Checkpoints
from rankscape.studies.ranking.scoring.course import Course, Epoch
from rankscape.studies.ranking.scoring.feeding import Pictures
from rankscape.studies.ranking.scoring.metrics import balanced_mean, held_out_metrics
from rankscape.studies.ranking.scoring.network import ScoreNetwork, freeze_batch_norm
from rankscape.studies.ranking.scoring.objectives import Objective, objective_of
from rankscape.studies.ranking.scoring.samples import levels_of
from rankscape.studies.ranking.scoring.sampling import batches
from rankscape.studies.ranking.settings.scoring import TrainSettings


@dataclass(frozen=True)
class Lesson:
    """What a network is trained and validated on."""

    training: Selection
    """Patches trained on."""
    validation: Selection
    """Patches held out."""
    preparation: Preparation
    """How patches become network input."""
    settings: TrainSettings
    """How to train."""
    device: torch.device
    """Where to train."""
    order: PartialOrder | None = None
    """What the clusters are to each other; only objectives that learn from the order alone need it."""
    cache_mb: float = 0.0
    """Memory for resized patches, in units of 1,000,000 bytes; it changes no result."""
    together: Team | None = None
    """The processes that train together; None for this one alone."""

    @property
    def team(self) -> Team:
        """The processes that train together."""
        return self.together or Team(self.device)

    def pictures(self, pool: Selection) -> Pictures:
        """Return the patches of a pool at the network's size; those of the lesson's own pools are kept."""
        known = [pictures for own, pictures in self._kept if own is pool]
        return known[0] if known else Pictures(pool, self.preparation)

    def prepared(self, patches: Tensor) -> Tensor:
        """Return patches of the network's size as it sees them, float32, shape (n, channels, side, side)."""
        return self.preparation.normalised(self.preparation.values(patches))

    def varied(self, patches: Tensor, chance: torch.Generator) -> Tensor:
        """Return the same as another date, and another way round, might have shown it (`vision.augmentation`)."""
        values = appearance(self.preparation.values(patches), chance, self.settings.appearance)
        return augment(self.preparation.normalised(values), chance)

    @cached_property
    def _kept(self) -> list[tuple[Selection, Pictures]]:
        pools, mine = (self.training, self.validation), self.cache_mb / self.team.size
        patches = sum(map(len, pools))
        return [(pool, Pictures(pool, self.preparation, mine * len(pool) / patches)) for pool in pools]


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
    settings, team = lesson.settings, lesson.team
    course = _course(network, lesson, seed)
    # Backbones with dropout draw from the global generator.
    with torch.random.fork_rng(devices=[lesson.device] if lesson.device.type == "cuda" else []):
        torch.manual_seed(seed)
        if checkpoints is not None:
            checkpoints.resume(seed, course, team)
        taught = team.taught(network)
        while not course.is_over(settings.epochs, settings.patience):
            _advance(course, taught, lesson, seed)
            if checkpoints is not None and team.rank == 0:
                checkpoints.keep(seed, course, course.is_over(settings.epochs, settings.patience))
    network.load_state_dict(course.best_state)
    return Fit(seed, tuple(course.curve), course.best_epoch, course.best_scores)


def _course(network: ScoreNetwork, lesson: Lesson, seed: int) -> Course:
    chance = np.random.default_rng([seed, 2])
    light = torch.Generator().manual_seed(int(chance.integers(2**62)))
    optimizer, schedule = _optimizer(network, len(lesson.training), lesson.settings)
    return Course(network, optimizer, schedule, chance, light, lesson.device)


def _advance(course: Course, taught: nn.Module, lesson: Lesson, seed: int) -> None:
    """Train and validate one epoch more."""
    number, objective = len(course.curve) + 1, objective_of(lesson.settings, lesson.order)
    if lesson.team.rank:
        # Dropout differs between the processes, and is the same after a kill.
        torch.manual_seed(int(np.random.default_rng([seed, number, lesson.team.rank]).integers(2**62)))
    loss = _one_epoch(course, taught, lesson, objective, f"seed {seed}, {number}")
    scores = predict_pool(course.network, lesson.validation, lesson)
    course.note(_epoch(number, loss, scores, lesson.validation, objective), scores)
    _report(course.curve[-1], seed, lesson.settings.epochs)


def predict_pool(network: nn.Module, pool: Selection, lesson: Lesson) -> np.ndarray:
    """Score every patch of a pool with one network, without augmentation; float64, shape (n,)."""
    network.eval()
    team = lesson.team
    parts = np.array_split(np.arange(len(pool)), max(1, math.ceil(len(pool) / lesson.settings.batch_size)))
    shares = [part[team.share(len(part))] for part in parts]
    scores = []
    with torch.inference_mode():
        for part, patches in zip(parts, lesson.pictures(pool).batches(shares, team.device), strict=True):
            scores.append(team.gather(network(lesson.prepared(patches)), len(part)))
    return torch.cat(scores).double().cpu().numpy()


def _one_epoch(course: Course, taught: nn.Module, lesson: Lesson, objective: Objective, name: str) -> float:
    course.network.train()
    if lesson.settings.batch_norm == "frozen":
        freeze_batch_norm(course.network)
    if lesson.settings.backbone_rate == 0:
        course.network.get_submodule("backbone").eval()
    losses = []
    for images, labels in _shown(lesson, objective, course, name):
        loss = objective.loss(taught, images, labels, course.light)
        course.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        course.optimizer.step()
        course.schedule.step()
        # A number would make the host wait for the device.
        losses.append(loss.detach())
    return float(np.mean(torch.stack(losses).tolist()))


def _shown(lesson: Lesson, objective: Objective, course: Course, name: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the epoch's batches, augmented; each process reads its share of a batch."""
    pool, team = lesson.training, lesson.team
    labels, parts = objective.labels(pool), objective.batches(pool, lesson.settings, course.chance)
    shares = (part[team.share(len(part))] for part in parts)
    patches = lesson.pictures(pool).batches(shares, team.device)
    for part in progress.track(parts, name, unit="batch"):
        whole = team.gather(next(patches), len(part))
        yield lesson.varied(whole, course.light), torch.from_numpy(labels[part]).to(team.device)


def _optimizer(
    network: ScoreNetwork, patches: int, settings: TrainSettings
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    groups = _groups(network, settings)
    optimizer = torch.optim.AdamW(groups, settings.learning_rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * len(batches(np.arange(patches), settings.batch_size))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in groups], total_steps=steps + 1, anneal_strategy="cos"
    )
    return optimizer, schedule


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


def _epoch(number: int, loss: float, scores: np.ndarray, validation: Selection, objective: Objective) -> Epoch:
    distance = balanced_mean(objective.distance(scores, objective.labels(validation)), levels_of(validation))
    share = held_out_metrics(scores, validation)["share_within"]
    return Epoch(number, loss, distance, float(share or 0.0))


def _report(epoch: Epoch, seed: int, epochs: int) -> None:
    progress.say(
        f"seed {seed}, epoch {epoch.epoch}/{epochs}: training loss {epoch.training_loss:.4f}, validation loss "
        f"{epoch.validation_loss:.4f}, {epoch.share_within:.1%} of held-out scores within 0.07 of their target"
    )
