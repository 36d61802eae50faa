"""The one training loop: epochs from seeds, resumed bit for bit, stopped early, by one process or by several.

A task says what is learned: which batches an epoch shows, the loss of a batch, and what is measured after an epoch.
Everything else is the loop's.
"""

import copy
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from rankscape.foundation import progress
from rankscape.learning.processes import ProcessGroup


@dataclass
class TrainState:
    """A training between two epochs; one that is given all of it goes on as if it had never stopped."""

    network: nn.Module
    """The network, with the weights of the last epoch."""
    optimizers: tuple[torch.optim.Optimizer, ...]
    """Their moments belong to the state."""
    schedule: torch.optim.lr_scheduler.LRScheduler | None
    """Where the learning rate is; None for a constant one."""
    chance: np.random.Generator
    """Source of the epochs' order."""
    light: torch.Generator
    """Source of augmentation, on the CPU."""
    device: torch.device
    """Where the network is."""
    curve: list[dict[str, Any]] = field(default_factory=list)
    """What was measured after each epoch, by name; `epoch` counts from 1."""
    losses: list[float] = field(default_factory=list)
    """Validation loss of each epoch; empty where nothing is validated."""
    best: float = math.inf
    """Smallest validation loss so far."""
    best_state: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the epoch with that loss, at first those that training starts from; empty without validation."""
    best_outputs: np.ndarray = field(default_factory=lambda: np.empty(0))
    """What the network says of the held-out samples with these weights."""

    @property
    def best_epoch(self) -> int:
        """Number of the epoch with the smallest validation loss, the first of equal ones."""
        return min(range(len(self.losses)), key=lambda place: (self.losses[place], place)) + 1

    def remember(self) -> None:
        """Keep the present weights as the best."""
        self.best_state = copy.deepcopy(self.network.state_dict())

    def note(self, measures: dict[str, Any], loss: float | None = None, outputs: np.ndarray | None = None) -> None:
        """Add an epoch to the curve, and keep the weights if its validation loss is the smallest so far."""
        self.curve.append({"epoch": len(self.curve) + 1, **measures})
        if loss is None:
            return
        self.losses.append(loss)
        if loss < self.best:
            self.best, self.best_outputs = loss, np.empty(0) if outputs is None else outputs
            self.remember()

    def is_over(self, epochs: int, patience: int | None = None) -> bool:
        """Whether all epochs are done, or so many brought no better validation loss that training stops early."""
        done = len(self.curve)
        is_stuck = patience is not None and bool(self.losses) and done - self.best_epoch >= patience
        return done >= epochs or is_stuck


@dataclass(frozen=True)
class BatchLoss:
    """What a task makes of one batch."""

    loss: Tensor
    """What is stepped on."""
    means: dict[str, Tensor]
    """What is reported of the batch, by name: means of single numbers."""
    count: int = 1
    """How much the batch counts in the epoch's means: its samples, or 1 where all batches count alike."""
    totals: dict[str, float] = field(default_factory=dict)
    """What is reported too: sums over the batch, such as how many samples are right."""


@dataclass(frozen=True)
class Measured:
    """What a task measures after an epoch."""

    measures: dict[str, Any]
    """Point of the curve, by name."""
    loss: float | None = None
    """Validation loss, by which the best weights are kept; None validates nothing."""
    outputs: np.ndarray | None = None
    """What the network says of the held-out samples."""


class TrainingTask(Protocol):
    """What is learned."""

    gradient_norm: float | None = None
    """Longer gradients are shortened to this; None leaves them as they are."""

    def start_epoch(self, state: TrainState) -> None:
        """Ready the network for an epoch."""
        state.network.train()

    def batches(self, state: TrainState) -> Iterable[Any]:
        """Read the batches of an epoch, drawn from `state.chance` and varied by `state.light`."""

    def loss(self, network: nn.Module, batch: Any, state: TrainState) -> BatchLoss:
        """Return the loss of a batch; `network` is the state's, or that of all processes."""

    def stepped(self, state: TrainState) -> None:  # noqa: ARG002
        """Take note of a step."""
        return

    def end_epoch(self, state: TrainState, means: dict[str, float]) -> Measured:  # noqa: ARG002
        """Measure the network after an epoch, given the means over its batches."""
        return Measured({**means})


class Checkpointing(Protocol):
    """What keeps a training; see `learning.checkpoints.Checkpoints`."""

    def keep(self, seed: int, state: TrainState, is_over: bool) -> None:
        """Write the state, if its turn has come."""

    def resume(self, seed: int, state: TrainState, group: ProcessGroup) -> None:
        """Put the state where a checkpoint left it."""


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from PyTorch's global generators as from this seed, and leave them as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def train(
    task: TrainingTask,
    state: TrainState,
    *,
    epochs: int,
    name: str,
    patience: int | None = None,
    checkpoints: Checkpointing | None = None,
    seed: int = 0,
    group: ProcessGroup | None = None,
) -> None:
    """Train the state's network in place; with validation it is left with the weights of its best epoch.

    The same task, state and seeds give the same weights, bit for bit on one device with one number of threads, also
    where a training was stopped at any moment and goes on from its checkpoint. Call it within `seeded`: networks with
    dropout draw from the global generators.

    Args:
        task: What is learned.
        state: The network with its first weights, and the sources of chance.
        epochs: Most passes over the samples.
        name: What is trained, for the log.
        patience: Epochs without a better validation loss after which training stops; None validates nothing.
        checkpoints: Where to go on from, and to keep what is needed to go on; None keeps nothing. Tasks that have a
            state of their own take none.
        seed: Number of the checkpoint, and seed of what differs between processes.
        group: The processes that train together; None for this one alone.
    """
    processes = group or ProcessGroup(state.device)
    if patience is not None:
        state.remember()
    if checkpoints is not None:
        checkpoints.resume(seed, state, processes)
    shared = processes.distributed(state.network) if processes.size > 1 else None
    while not state.is_over(epochs, patience):
        if processes.rank:
            # Dropout differs between the processes, and is the same after a kill.
            parts = [seed, len(state.curve) + 1, processes.rank]
            torch.manual_seed(int(np.random.default_rng(parts).integers(2**62)))
        found = task.end_epoch(state, _one_epoch(task, state, shared, name))
        state.note(found.measures, found.loss, found.outputs)
        _report(state, name, epochs)
        if checkpoints is not None and processes.rank == 0:
            checkpoints.keep(seed, state, state.is_over(epochs, patience))
    if state.best_state:
        state.network.load_state_dict(state.best_state)


def _one_epoch(task: TrainingTask, state: TrainState, shared: nn.Module | None, name: str) -> dict[str, float]:
    """Take one pass; return the means over its batches."""
    task.start_epoch(state)
    label = f"{name}, epoch {len(state.curve) + 1}"
    steps = [_step(task, state, shared, batch) for batch in progress.track(task.batches(state), label, unit="batch")]
    # A number taken from the device at every step would make the host wait.
    sums = [{key: mean.item() * one.count for key, mean in one.means.items()} | one.totals for one in steps]
    count = sum(one.count for one in steps)
    return {key: float(np.sum([one[key] for one in sums])) / count for key in sums[0]}


def _step(task: TrainingTask, state: TrainState, shared: nn.Module | None, batch: Any) -> BatchLoss:
    found = task.loss(state.network if shared is None else shared, batch, state)
    for optimizer in state.optimizers:
        optimizer.zero_grad()
    found.loss.backward()  # type: ignore[no-untyped-call]
    if task.gradient_norm is not None:
        nn.utils.clip_grad_norm_(state.network.parameters(), task.gradient_norm)
    for optimizer in state.optimizers:
        optimizer.step()
    if state.schedule is not None:
        state.schedule.step()
    task.stepped(state)
    means = {key: mean.detach() for key, mean in found.means.items()}
    return replace(found, loss=found.loss.detach(), means=means)


def _report(state: TrainState, name: str, epochs: int) -> None:
    point = {key.replace("_", " "): value for key, value in state.curve[-1].items() if key != "epoch"}
    text = ", ".join(f"{key} {value:.4g}" for key, value in point.items())
    progress.say(f"{name}, epoch {len(state.curve)} of {epochs}: {text}")


def one_cycle(
    optimizer: torch.optim.Optimizer, rates: float | list[float], steps: int, *, cycle_momentum: bool = False
) -> torch.optim.lr_scheduler.OneCycleLR:
    """Return a schedule that rises to the rates and falls again like a cosine (Smith and Topin 2019)."""
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=steps, anneal_strategy="cos", cycle_momentum=cycle_momentum
    )
