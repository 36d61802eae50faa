"""DeepCluster: a network trained on groups of its own features within land categories (Caron et al. 2018)."""

import copy
from collections.abc import Callable, Sequence
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
from rankscape.learning.augmentation import augment
from rankscape.learning.filters import features_of
from rankscape.learning.fitting import batches, settle_batch_norm, step
from rankscape.learning.model import Adapted
from rankscape.learning.selection import Selection
from rankscape.samples.overlap import distinct_places
from rankscape.samples.patches import Patches
from rankscape.studies.ranking.clusters.clustering import usable_patches
from rankscape.studies.ranking.clusters.granule_features import GranuleFeatures
from rankscape.studies.ranking.clusters.kmeans import groups_of, pseudo_labels, reduced, uniform_order
from rankscape.studies.ranking.settings.clusters import RefineSettings

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

    def look() -> np.ndarray:
        return features_of(backbone.eval(), patches, adapted.preparation, settings.batch_size)

    features = look()
    groups = groups_of(reduced(features, settings.pca_dims), settings.groups)
    if groups < 2:
        say(f"{name}: {len(patches)} patches are too few to learn from; their features stay as they are.")
        return None
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(generator.integers(2**63)))
        train = _trainer(backbone, adapted, patches, settings, device, generator)
        group = _grouper(groups, settings, generator)
        epochs, labels = [], group(features)
        for epoch in range(1, settings.epochs + 1):
            told = train(labels, groups)
            features = look()
            before, labels = labels, group(features)
            epochs.append({"epoch": epoch, **told, **_sizes(labels), "kept": _agreement(before, labels)})
            say(f"{name}, epoch {epoch} of {settings.epochs}: {_line(epochs[-1])}")
    record = {"patches": len(patches), "groups": groups, "epochs": epochs}
    return Refined(backbone.cpu(), features.astype(np.float32), labels, record)


def _grouper(
    groups: int, settings: RefineSettings, generator: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    def group(features: np.ndarray) -> np.ndarray:
        start = int(generator.integers(2**31))
        return pseudo_labels(reduced(features, settings.pca_dims), groups, start)

    return group


def _trainer(
    backbone: nn.Module,
    adapted: Adapted,
    patches: Selection,
    settings: RefineSettings,
    device: torch.device,
    generator: np.random.Generator,
) -> Callable[[np.ndarray, int], dict[str, float]]:
    """Return what trains the backbone for one epoch; its optimiser lives on, that of the classifier does not."""
    chance = torch.Generator().manual_seed(int(generator.integers(2**63)))
    body = torch.optim.AdamW(backbone.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)

    def train(labels: np.ndarray, groups: int) -> dict[str, float]:
        head = nn.Linear(adapted.dims, groups).to(device)
        top = torch.optim.AdamW(head.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        network, order = nn.Sequential(backbone, head).train(), uniform_order(labels, generator)
        sums = np.zeros(2)
        for chosen in batches(order, settings.batch_size):
            pictures = augment(patches.images(chosen, adapted.preparation), chance).to(device)
            wanted = torch.from_numpy(labels[chosen]).to(device)
            sums += _learn(network, pictures, wanted, body, top)
        some = patches.take(np.sort(generator.permutation(len(patches))[:_NORM_SAMPLE]))
        settle_batch_norm(backbone, adapted.preparation, some, settings.batch_size, device)
        loss, accuracy = (sums / len(order)).tolist()
        return {"loss": loss, "accuracy": accuracy}

    return train


def _learn(
    network: nn.Module, pictures: Tensor, wanted: Tensor, *optimisers: torch.optim.Optimizer
) -> tuple[float, int]:
    """One step; return the sum of the losses and the number of pictures whose group is told."""
    logits = network(pictures)
    loss = F.cross_entropy(logits, wanted)
    step(network, loss, *optimisers)
    return loss.item() * len(wanted), int((logits.argmax(1) == wanted).sum())


def _sizes(labels: np.ndarray) -> dict[str, int]:
    sizes = np.bincount(labels)
    return {"smallest": int(sizes.min()), "largest": int(sizes.max())}


def _agreement(before: np.ndarray, after: np.ndarray) -> float:
    return float(adjusted_rand_score(before, after))


def _line(epoch: dict[str, Any]) -> str:
    return f"loss {epoch['loss']:.4f}, accuracy {epoch['accuracy']:.3f}, labels kept {epoch['kept']:.2f}"


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
