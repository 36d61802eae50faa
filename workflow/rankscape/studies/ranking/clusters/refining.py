"""Features of every patch from the network that DeepCluster trained in the patch's land category."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import adjusted_rand_score

from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say
from rankscape.learning.filters import features_of
from rankscape.learning.labelled import LabelledPatches
from rankscape.learning.model import Adapted
from rankscape.samples.overlap import distinct_places
from rankscape.samples.patches import Patches
from rankscape.studies.ranking.clusters.clustering import usable_patches
from rankscape.studies.ranking.clusters.deepcluster import Refined, refine_category
from rankscape.studies.ranking.clusters.features import GranuleFeatures
from rankscape.studies.ranking.settings.clusters import RefineSettings


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
) -> tuple[LabelledPatches, np.ndarray]:
    """Return every usable patch in the order of the categories, and which of them are trained on."""
    usable = usable_patches(granules, categories)
    masks = distinct_places([one.index for one in granules], every_date=True)
    store = np.repeat(np.arange(len(usable)), [int(good.sum()) for good in usable])
    position = np.concatenate([np.flatnonzero(good) for good in usable])
    once = np.concatenate([mask[good] for mask, good in zip(masks, usable, strict=True)])
    return LabelledPatches(tuple(stores), store, position, np.empty((len(store), 0), np.float32)), once


def _trained(
    adapted: Adapted,
    patches: LabelledPatches,
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
