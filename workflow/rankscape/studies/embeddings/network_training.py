"""From patches, labels and one split to a network that learned them: the whole of the stage `train`."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from rankscape.foundation.errors import SettingsError, TableError, WeightsError
from rankscape.foundation.progress import say
from rankscape.learning.adapted import Adapted
from rankscape.learning.adapting import chunks_of
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.fitting import settle_batch_norm
from rankscape.learning.processes import ProcessGroup
from rankscape.learning.selection import Selection, select
from rankscape.learning.targets import TargetTable
from rankscape.learning.trainer import TrainState, seeded, train
from rankscape.models.backbones import check_input, create_backbone, published_statistics
from rankscape.models.multitask import MultiTask
from rankscape.models.preparation import Preparation, fit_preparation
from rankscape.samples.patches import Patches
from rankscape.studies.embeddings.artifacts import PARTS
from rankscape.studies.embeddings.label_learning import LabelTask, come_apart
from rankscape.studies.embeddings.network_settings import NetworkSearchSettings, NetworkSettings

_SAMPLE = 1000
"""Patches that statistics of channels come from."""
_SETTLED = 128
"""Patches a batch from which batch normalisation takes its final statistics."""
_MOMENTUM = 0.9
_COME_APART = 10.0
"""Mean squared error of standardised labels, 1 for the mean itself, above which nothing was learned."""
_FALL = 0.1
"""Factor of the learning rate at a milestone."""


@dataclass(frozen=True)
class LearnedLabels:
    """Labelled patches, their parts, and how labels were standardised."""

    patches: Selection
    """All labelled patches; targets are standardised labels."""
    part: np.ndarray
    """Part of each patch, text, shape (n,)."""
    mean: np.ndarray
    """Mean label of the training part, shape (tasks,)."""
    std: np.ndarray
    """Deviation there, shape (tasks,)."""

    def of(self, part: str) -> Selection:
        """Return the patches of a part."""
        return self.patches.take(self.part == part)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the labels of each part, by task."""
        known = np.isfinite(self.patches.targets.values)
        names = self.patches.targets.names
        return {
            name: {part: int(known[self.part == part, column].sum()) for part in PARTS}
            for column, name in enumerate(names)
        }


@dataclass(frozen=True)
class TrainedNetwork:
    """What training made."""

    embedding: Adapted
    """The trunk, as an embedding."""
    predictions: pd.DataFrame
    """What the network itself predicts; columns of `NETWORK_PREDICTIONS`."""
    record: dict[str, Any]
    """What is known of it, as JSON values."""


def gather_labels(
    stores: Sequence[Patches],
    labels: Mapping[str, pd.DataFrame],
    split: pd.DataFrame,
    settings: NetworkSettings,
    name: str,
) -> LearnedLabels:
    """Bring labels of all tasks to their patches, and standardise them on the training part.

    Args:
        stores: Patch stores of the granules.
        labels: Tables of `LABELS` by task.
        split: Table of `SPLIT`.
        settings: The network's settings, with its tasks.
        name: The network, for messages.

    Raises:
        TableError: If a labelled patch has no part, or a task has too few labels to train or validate.
        SettingsError: If there are fewer training patches than a batch.
    """
    tasks = [task for group in settings.groups for task in group]
    missing = [task for task in tasks if task not in labels]
    if missing:
        raise TableError(f"embeddings.networks.{name}: --labels lacks {missing}: give the labels of all its tasks.")
    values = pd.DataFrame({task: labels[task].set_index("patch_id")["label"] for task in tasks})
    lost = sorted(set(values.index) - set(split["patch_id"]))
    if lost:
        raise TableError(
            f"The split lacks {len(lost)} labelled patches, such as {lost[0]}: run `embeddings split` again."
        )
    rows = split[split["patch_id"].isin(values.index)]
    raw = values.loc[rows["patch_id"]].to_numpy(float)
    part = rows["part"].to_numpy(str)
    _check_counts(raw, part, tasks, settings, name)
    mean, std = np.nanmean(raw[part == "train"], 0), np.nanstd(raw[part == "train"], 0)
    targets = TargetTable(tuple(tasks), (raw - mean) / std, np.ones(len(raw)))
    patches = select(stores, rows["patch_id"].tolist(), "The split").with_targets(targets)
    return LearnedLabels(patches, part, mean, std)


def _check_counts(raw: np.ndarray, part: np.ndarray, tasks: list[str], settings: NetworkSettings, name: str) -> None:
    section, training = f"embeddings.networks.{name}", raw[part == "train"]
    for column, task in enumerate(tasks):
        own = training[np.isfinite(training[:, column]), column]
        if not len(own) or own.min() == own.max():
            what = f"all {len(own)} are {own[0]:g}" if len(own) else "there are none"
            raise TableError(f"{section}: {task} has nothing to learn: {what} in the training part.")
    for group in settings.groups:
        columns = [tasks.index(task) for task in group]
        rows = int(np.isfinite(training[:, columns]).any(1).sum())
        if rows < settings.batch_size:
            raise SettingsError(
                f"{section}: {rows} training patches have a label of {', '.join(group)}, fewer than a batch of"
                f" {settings.batch_size}: lower batch_size, or label more."
            )
    if not np.isfinite(raw[part == "validation"]).any():
        raise TableError(f"{section}: no validation place has a label: lower embeddings.split.block_m, or label more.")


def train_network(
    name: str,
    settings: NetworkSettings,
    labels: LearnedLabels,
    group: ProcessGroup,
    checkpoints: Checkpoints | None = None,
    cache_mb: float = 0.0,
) -> TrainedNetwork:
    """Train a network, after a short search where settings ask for one.

    The same settings, patches and labels give the same weights, bit for bit on one device with one number of threads,
    also where it was stopped at any moment and goes on from its checkpoints.

    Args:
        name: The network.
        settings: Trunk, head and training.
        labels: What it learns.
        group: The processes that train together.
        checkpoints: Where to go on from; None keeps nothing.
        cache_mb: Memory for resized patches.

    Raises:
        WeightsError: If the weights cannot be had, or nothing in the trunk can be trained.
        SettingsError: If training comes apart.
    """
    training, validation = labels.of("train"), labels.of("validation")
    preparation = _prepare(settings, training)
    trials = []
    for number, one in enumerate(_candidates(settings), start=1):
        task = LabelTask(training, validation, preparation, one, group, cache_mb)
        state = _fit(f"{name}, trial {number}", task, number, checkpoints)
        trials.append((state.best, number, one))
    chosen = min(trials, key=lambda trial: trial[:2])[2] if trials else settings
    chosen = chosen.model_copy(update={"epochs": settings.epochs})
    task = LabelTask(training, validation, preparation, chosen, group, cache_mb)
    state = _fit(name, task, 0, checkpoints)
    network = state.network
    assert isinstance(network, MultiTask)
    # In an order of chance: neighbours are alike, and a batch of them varies less than the land does.
    mixed = training.take(np.random.default_rng([settings.seed, 4]).permutation(len(training)))
    settle_batch_norm(network.trunk, preparation, mixed, _SETTLED, group.device)
    if task.validation_loss(network) > _COME_APART:
        raise come_apart(state.best_epoch, chosen)
    predictions = _predictions(task, network, labels)
    record = _record(name, task, state, labels)
    record["trials"] = [_values(one, loss) for loss, _, one in trials]
    trunk = network.trunk.eval().cpu()
    tasks = labels.patches.targets.names
    return TrainedNetwork(Adapted(settings.trunk, trunk, preparation, None, (), None, tasks), predictions, record)


def _prepare(settings: NetworkSettings, training: Selection) -> Preparation:
    sample = np.random.default_rng([settings.seed, 1]).permutation(len(training))[:_SAMPLE]
    grid = training.stores[0].grid
    return fit_preparation(
        chunks_of(training.take(np.sort(sample))), grid.bands, input_px=settings.input_px or grid.patch_px,
        colour=settings.colour, normalisation=settings.normalisation, published=published_statistics(settings.trunk),
    )  # fmt: skip


def _candidates(settings: NetworkSettings) -> list[NetworkSettings]:
    """Return what the search tries: the settings as they are, then others in an order of chance; none without one."""
    search = settings.search
    if search is None:
        return []
    own = {"l1": settings.l1, "milestones": settings.milestones, "hidden": settings.hidden, "dropout": settings.dropout}
    tried = _drawn(search, own, np.random.default_rng([settings.seed, 2]))
    return [settings.model_copy(update={**one, "epochs": search.epochs}) for one in tried]


def _drawn(search: NetworkSearchSettings, own: dict[str, Any], chance: np.random.Generator) -> list[dict[str, Any]]:
    lists: dict[str, tuple[Any, ...]] = {
        "l1": search.l1, "milestones": tuple((one,) for one in search.milestone), "hidden": search.hidden,
        "dropout": search.dropout,
    }  # fmt: skip
    grid = [
        dict(zip(lists, values, strict=True))
        for values in itertools.product(*(given or (own[key],) for key, given in lists.items()))
    ]
    # Dropout is that of the hidden layer: without one, combinations that differ in it are the same network.
    unlike = {str({**one, "dropout": one["dropout"] if one["hidden"] else None}): one for one in [*grid[::-1], own]}
    others = [one for one in unlike.values() if one is not own]
    return [own, *(others[place] for place in chance.permutation(len(others)))][: search.trials]


def _fit(name: str, task: LabelTask, number: int, checkpoints: Checkpoints | None) -> TrainState:
    """Train one network from its first weights; `number` is that of its checkpoint."""
    settings, device = task.settings, task.group.device
    chance = np.random.default_rng([settings.seed, 3])
    with seeded(int(chance.integers(2**62)), device):
        network = MultiTask(
            _trunk(task), task.sizes, hidden=settings.hidden, dropout=settings.dropout, weighting=settings.weighting
        ).to(device)
        light = torch.Generator().manual_seed(int(chance.integers(2**62)))
        optimizer = _optimizer(network, settings)
        steps, milestones = task.steps, settings.milestones
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: _FALL ** sum(step // steps >= milestone for milestone in milestones)
        )
        state = TrainState(network, (optimizer,), schedule, chance, light, device)
        train(
            task, state, epochs=settings.epochs, name=name, patience=settings.patience, checkpoints=checkpoints,
            seed=number, group=task.group,
        )  # fmt: skip
    return state


def _trunk(task: LabelTask) -> torch.nn.Module:
    settings, preparation = task.settings, task.preparation
    channels, seen = preparation.channels, preparation.bands[: preparation.channels]
    trunk = create_backbone(settings.trunk, settings.weights, channels, settings.seed, bands=seen)
    if not any(True for _ in trunk.parameters()):
        raise WeightsError(f"Nothing in {settings.trunk} can be trained: set trunk to a model of timm.")
    check_input(trunk, channels, preparation.input_px, settings.trunk)
    return trunk


def _optimizer(network: MultiTask, settings: NetworkSettings) -> torch.optim.SGD:
    balance = [one for one in network.balance.parameters() if one.requires_grad]
    known = {id(one) for one in network.balance.parameters()}
    groups = [{"params": [one for one in network.parameters() if id(one) not in known]}]
    if balance:
        groups.append({"params": balance, "weight_decay": 0.0})  # type: ignore[dict-item]
    return torch.optim.SGD(groups, settings.learning_rate, momentum=_MOMENTUM, weight_decay=settings.weight_decay)


def _predictions(task: LabelTask, network: MultiTask, labels: LearnedLabels) -> pd.DataFrame:
    found = task.predict(network, labels.patches) * labels.std + labels.mean
    ids = labels.patches.ids()
    parts = [
        pd.DataFrame({"patch_id": ids, "task": name, "part": labels.part, "prediction": found[:, column]})
        for column, name in enumerate(labels.patches.targets.names)
    ]
    return pd.concat(parts, ignore_index=True)


def _record(name: str, task: LabelTask, state: TrainState, labels: LearnedLabels) -> dict[str, Any]:
    network, settings = state.network, task.settings
    assert isinstance(network, MultiTask)
    scores, counts = task.validation_r2(network), labels.counts()
    learned, balanced = network.balance.log_variances.tolist(), settings.weighting == "uncertainty"
    for one, r2 in zip(counts, scores, strict=True):
        say(f"{name}: R² of {one} at validation places {np.nan if r2 is None else r2:.3f}")
    tasks = {
        one: {
            "labels": counts[one], "mean": float(labels.mean[column]), "std": float(labels.std[column]),
            "validation_r2": scores[column],
            **({"log_variance": learned[column]} if balanced else {}),
        }
        for column, one in enumerate(counts)
    }  # fmt: skip
    return {
        "network": name, "architecture": settings.trunk, "dims": network.num_features, "tasks": tasks,
        "patches": {part: int((labels.part == part).sum()) for part in PARTS},
        "chosen": _values(settings, state.best), "best_epoch": state.best_epoch, "epochs": state.curve,
    }  # fmt: skip


def _values(settings: NetworkSettings, loss: float) -> dict[str, Any]:
    return {
        "l1": settings.l1, "milestones": list(settings.milestones), "hidden": settings.hidden,
        "dropout": settings.dropout, "validation_loss": loss,
    }  # fmt: skip
