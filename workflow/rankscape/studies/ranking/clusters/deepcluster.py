"""DeepCluster: a network trained on groups of its own features within land categories (Caron et al. 2018)."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.metrics import adjusted_rand_score
from torch import Tensor, nn

from rankscape.foundation.errors import TableError, WeightsError
from rankscape.foundation.progress import say
from rankscape.learning.adapted import Adapted
from rankscape.learning.augmentation import augment
from rankscape.learning.filters import features_of
from rankscape.learning.fitting import GRADIENT_NORM, even_batches, settle_batch_norm
from rankscape.learning.selection import Selection
from rankscape.learning.trainer import BatchLoss, Measured, TrainingTask, TrainState, seeded, train
from rankscape.models.preparation import Preparation
from rankscape.samples.overlap import distinct_places
from rankscape.samples.patches import Patches
from rankscape.studies.ranking.clusters.clustering import usable_patches
from rankscape.studies.ranking.clusters.granule_features import GranuleFeatures
from rankscape.studies.ranking.clusters.kmeans import groups_of, pseudo_labels, reduced, uniform_order
from rankscape.studies.ranking.clusters.settings import RefineSettings

_NORM_SAMPLE = 2000
"""Patches that batch normalisation takes its statistics from after an epoch."""


@dataclass(frozen=True)
class Refined:
    """What DeepCluster made of the patches of one category, or of several."""

    backbone: nn.Module
    """The trained network, on the CPU, in evaluation mode."""
    features: np.ndarray
    """float32, shape (patches, dims), computed without augmentation."""
    labels: np.ndarray
    """Pseudo labels of these features, int64, shape (patches,)."""
    record: dict[str, Any]
    """Groups, and of each epoch the loss, accuracy, smallest and largest group, and the adjusted Rand index (Hubert &
    Arabie 1985) between its pseudo labels and those of the epoch before."""


def check_trainable(adapted: Adapted, origin: str) -> None:
    """Refuse a backbone of which nothing can be trained.

    Raises:
        WeightsError: If it has no parameters.
    """
    if not any(True for _ in adapted.backbone.parameters()):
        raise WeightsError(
            f"{origin} holds {adapted.architecture}, of which nothing can be trained: set cluster.method to kmeans, or "
            "adapt.architecture to a model of timm."
        )


def refine_category(
    adapted: Adapted,
    patches: Selection,
    name: str,
    settings: RefineSettings,
    device: torch.device,
    *,
    seed: Sequence[int],
) -> Refined | None:
    """Train a copy of the backbone on the patches of one category.

    Every epoch computes features of the pictures as they are, groups them, and trains backbone and a fresh classifier
    on augmented pictures, each group shown equally often.

    Args:
        adapted: Backbone to start from, and how pictures are prepared; it is left as it is.
        patches: The patches of the category; their shares are not read.
        name: Category or categories, for the log.
        settings: Groups, epochs and how to train.
        device: CPU or GPU.
        seed: Seed of order, augmentation, classifiers and k-means.

    Returns:
        The trained network with its features; None where the patches are too few for two groups.
    """
    backbone = copy.deepcopy(adapted.backbone).to(device)
    generator = np.random.default_rng(list(seed))
    features = features_of(backbone.eval(), patches, adapted.preparation, settings.batch_size)
    groups = groups_of(reduced(features, settings.pca_dims), settings.groups)
    if groups < 2:
        say(f"{name}: {len(patches)} patches are too few to learn from; their features stay as they are.")
        return None
    with seeded(int(generator.integers(2**63)), device):
        light = torch.Generator().manual_seed(int(generator.integers(2**63)))
        body = torch.optim.AdamW(backbone.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        state = TrainState(backbone, (body,), None, generator, light, device)
        task = GroupTask(backbone, patches, adapted.preparation, settings, groups)
        task.group(features, state)
        train(task, state, epochs=settings.epochs, name=name)
    record = {"patches": len(patches), "groups": groups, "epochs": state.curve}
    return Refined(backbone.cpu(), task.features.astype(np.float32), task.labels, record)


class GroupTask(TrainingTask):
    """Tell the groups that the network's own features make; they are made anew after every epoch.

    The backbone's optimiser lives on; every epoch has a fresh classifier with an optimiser of its own.
    """

    gradient_norm = GRADIENT_NORM

    def __init__(
        self, backbone: nn.Module, samples: Selection, preparation: Preparation, settings: RefineSettings, groups: int
    ) -> None:
        """Learn from samples without labels."""
        self.features, self.labels = np.empty((0, 0)), np.empty(0, np.int64)
        self._backbone, self._samples, self._preparation = backbone, samples, preparation
        self._settings, self._groups = settings, groups

    def group(self, features: np.ndarray, state: TrainState) -> None:
        """Group features, and let the groups be what the network learns to tell."""
        start = int(state.chance.integers(2**31))
        self.features = features
        self.labels = pseudo_labels(reduced(features, self._settings.pca_dims), self._groups, start)

    def start_epoch(self, state: TrainState) -> None:
        """Put a fresh classifier on the backbone."""
        settings = self._settings
        head = nn.Linear(self.features.shape[1], self._groups).to(state.device)
        top = torch.optim.AdamW(head.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        state.network = nn.Sequential(self._backbone, head).train()
        state.optimizers = (state.optimizers[0], top)

    def batches(self, state: TrainState) -> Iterator[tuple[Tensor, Tensor]]:
        """Show each group equally often."""
        for chosen in even_batches(uniform_order(self.labels, state.chance), self._settings.batch_size):
            images = augment(self._samples.images(chosen, self._preparation), state.light).to(state.device)
            yield images, torch.from_numpy(self.labels[chosen]).to(state.device)

    def loss(self, network: nn.Module, batch: tuple[Tensor, Tensor], state: TrainState) -> BatchLoss:  # noqa: ARG002
        """Return the cross-entropy, and how many images' groups are told."""
        images, wanted = batch
        logits = network(images)
        loss = F.cross_entropy(logits, wanted)
        told = int((logits.argmax(1) == wanted).sum())
        return BatchLoss(loss, {"loss": loss}, len(wanted), {"accuracy": told})

    def end_epoch(self, state: TrainState, means: dict[str, float]) -> Measured:
        """Group the features of the images as they are, and compare the groups with those before."""
        some = self._samples.take(np.sort(state.chance.permutation(len(self._samples))[:_NORM_SAMPLE]))
        batch_size = self._settings.batch_size
        settle_batch_norm(self._backbone, self._preparation, some, batch_size, state.device)
        before = self.labels
        self.group(features_of(self._backbone.eval(), self._samples, self._preparation, batch_size), state)
        sizes = np.bincount(self.labels)
        kept = float(adjusted_rand_score(before, self.labels))
        return Measured({**means, "smallest": int(sizes.min()), "largest": int(sizes.max()), "kept": kept})


def refine_features(
    adapted: Adapted,
    stores: Sequence[Patches],
    granules: Sequence[GranuleFeatures],
    categories: pd.DataFrame,
    names: Sequence[str],
    settings: RefineSettings,
    device: torch.device,
) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Train a network in every category, or in all together, and compute the features of its patches with it.

    A place is trained on once; where granules overlap, all patches of it get features. Uninhabited land is one cluster
    whatever its looks, and keeps its features, as do categories of fewer than four patches.

    Args:
        adapted: Backbone that every training starts from.
        stores: Patches of the granules, sorted by granule.
        granules: Features of the same granules by that backbone, in the same order.
        categories: Columns patch_id and category; every usable patch.
        names: Land categories in the order of the settings.
        settings: How to train.
        device: CPU or GPU.

    Returns:
        For each granule float32 of shape (patches, dims), NaN in rows of patches that are not usable; and for each
        network what is known of its training, by the names of its categories joined by `+`.

    Raises:
        TableError: If categories or features belong to other patches or another backbone.
    """
    refined = [np.array(one.features, np.float32) for one in granules]
    if refined[0].shape[1] != adapted.dims:
        raise TableError(
            f"The features have {refined[0].shape[1]} dimensions, the backbone gives {adapted.dims}: run embed again."
        )
    every, once = _all_patches(stores, granules, categories)
    record: dict[str, Any] = {}
    for place, members in enumerate(_members(names, adapted.uninhabited, settings)):
        own, name = categories["category"].isin(members).to_numpy(), "+".join(members)
        if not own.any():
            continue
        found = _trained(adapted, every.take(own & once), name, place, settings, device)
        if found is None:
            continue
        kept, record[name] = found
        shown = every.take(own)
        seen = kept.features
        if len(shown) > len(seen):
            seen = features_of(kept.backbone.to(device), shown, adapted.preparation, settings.batch_size)
        for number, values in enumerate(refined):
            values[shown.position[shown.store == number]] = seen[shown.store == number]
    return refined, record


def _members(names: Sequence[str], uninhabited: str | None, settings: RefineSettings) -> list[list[str]]:
    """Return the categories that each network sees."""
    inhabited = [name for name in names if name != uninhabited]
    return [[name] for name in inhabited] if settings.networks == "category" else [inhabited]


def _all_patches(
    stores: Sequence[Patches], granules: Sequence[GranuleFeatures], categories: pd.DataFrame
) -> tuple[Selection, np.ndarray]:
    """Return every usable patch in the order of the categories, and which of them are trained on."""
    usable = usable_patches(granules, categories)
    masks = distinct_places([one.index for one in granules], every_date=True)
    store = np.repeat(np.arange(len(usable)), [int(good.sum()) for good in usable])
    position = np.concatenate([np.flatnonzero(good) for good in usable])
    once = np.concatenate([mask[good] for mask, good in zip(masks, usable, strict=True)])
    return Selection.bare(stores, store, position), once


def _trained(
    adapted: Adapted,
    patches: Selection,
    name: str,
    place: int,
    settings: RefineSettings,
    device: torch.device,
) -> tuple[Refined, dict[str, Any]] | None:
    """Train on the same patches as often as the settings say; the first network is kept."""
    runs = [
        refine_category(adapted, patches, name, settings, device, seed=(settings.seed + run, place))
        for run in range(settings.runs)
    ]
    first = runs[0]
    if first is None:
        return None
    agreement = [float(adjusted_rand_score(first.labels, other.labels)) for other in runs[1:] if other is not None]
    stability = float(np.mean(agreement)) if agreement else None
    if stability is not None:
        say(f"{name}: stability {stability:.2f} (adjusted Rand index of {settings.runs} whole trainings).")
    return first, {**first.record, "stability": stability, "stability_by_seed": agreement}
