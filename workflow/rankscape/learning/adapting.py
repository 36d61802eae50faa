"""From settings, patches and labels to a backbone that knows the land: the whole of the stage `adapt`."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from rankscape.foundation.progress import say
from rankscape.learning.adapted import Adapted
from rankscape.learning.filters import fit_filters
from rankscape.learning.fitting import CategoryFit, CategoryTask, assess, fit, fit_head
from rankscape.learning.selection import Selection, sample_unlabelled
from rankscape.learning.settings import AdaptSettings
from rankscape.learning.splits import Split, split_by_few_blocks
from rankscape.learning.teaching import MeanTeacherTask
from rankscape.models.backbones import check_input, create_backbone, published_statistics
from rankscape.models.convolutions import banks_of
from rankscape.models.preparation import Preparation, fit_preparation

_SAMPLE = 1000
_CHUNK = 64


def adapt_backbone(
    settings: AdaptSettings,
    patches: Selection,
    categories: Sequence[str],
    uninhabited: str | None,
    device: torch.device,
    start: str,
) -> tuple[Adapted, dict[str, Any]]:
    """Make the backbone that settings ask for, and fit it to the labels where there are some.

    Args:
        settings: Architecture, weights, preparation, and how to fit.
        patches: Labelled patches; none leave the backbone as it came, without a head, as do 0 epochs.
        categories: Land categories in the order of the labels.
        uninhabited: The category without people.
        device: CPU or GPU.
        start: What the backbone starts from, as `create_backbone` takes it: the settings' weights, or the file that
            stands for `self_supervised`.

    Returns:
        The backbone with all that belongs to it, on the CPU, and what is known of the fit, as JSON values.

    Raises:
        RasterError: If filters are to be taken from patches of which none is usable, or flat ones.
        WeightsError: If the weights cannot be had, or the architecture does not take the input.
        TableError: If only one patch is labelled.
    """
    order, held, fitting = (np.random.default_rng([settings.seed, part]) for part in range(3))
    preparation = prepare(settings, patches, order)
    backbone = create_backbone(settings.architecture, start, preparation.channels, settings.seed)
    if banks_of(backbone):
        fit_filters(backbone, patches.stores, preparation, np.random.default_rng([settings.seed, 7]), device)
    check_input(backbone, preparation.channels, settings.input_px, settings.architecture)
    head, record = None, {"labels": len(patches), "epochs": []}
    if len(patches) and settings.epochs:
        split = split_by_few_blocks(patches, settings.block_m, settings.held_out_fraction, held)
        shown = patches.take(split.training)
        task = task_of(settings, shown, preparation, patches)
        result = fit_by(backbone.to(device), task, settings, device, fitting)
        head = result.head
        sides = {
            name: assess(backbone, head, preparation, part, settings.batch_size, device, categories, uninhabited)
            for name, part in (("fitted", shown), ("held_out", patches.take(split.validation)))
            if len(part)
        }
        unlabelled = len(task.unlabelled) if isinstance(task, MeanTeacherTask) else 0
        about = {"method": settings.method, "unlabelled": unlabelled, **_about(split, settings)}
        record |= {"epochs": result.epochs, **sides, **about}
        head.cpu()
    adapted = Adapted(settings.architecture, backbone.cpu(), preparation, head, tuple(categories), uninhabited)
    return adapted, {**adapted.describe(), "weights": settings.weights, "dims": adapted.dims, **record}


def fit_by(
    backbone: torch.nn.Module,
    task: CategoryTask,
    settings: AdaptSettings,
    device: torch.device,
    generator: np.random.Generator,
) -> CategoryFit:
    """Fit backbone and head together, or the head alone, as settings say or where nothing else can be trained."""
    if settings.fitted == "all" and any(True for _ in backbone.parameters()):
        return fit(backbone, task, settings, device, generator)
    return fit_head(backbone, task.preparation, task.samples, settings)


def task_of(settings: AdaptSettings, shown: Selection, preparation: Preparation, labelled: Selection) -> CategoryTask:
    """Return how the backbone learns from the labelled patches shown to it.

    Args:
        settings: Method, and what belongs to it.
        shown: Labelled patches to fit to.
        preparation: How patches become the network's input.
        labelled: All labelled patches; what Mean Teacher learns from beside the labels is none of these.
    """
    if settings.method == "supervised":
        return CategoryTask(shown, preparation, settings.batch_size)
    draw, order = (np.random.default_rng([settings.seed, part]) for part in (8, 9))
    unlabelled = sample_unlabelled(labelled, settings.unlabelled_patches, draw)
    say(f"Mean Teacher learns from {len(unlabelled)} usable patches without a label too.")
    return MeanTeacherTask(shown, preparation, settings, unlabelled, order)


def _about(split: Split, settings: AdaptSettings) -> dict[str, Any]:
    about = {
        "held_out_blocks": split.validation_groups,
        "block_m": settings.block_m,
        "nothing_held_out_because": split.reason,
    }
    if split.reason is not None:
        say(f"Nothing is held out: {split.reason}.")
    return {**about, "nothing_held_out_because": split.reason}


def prepare(settings: AdaptSettings, patches: Selection, generator: np.random.Generator) -> Preparation:
    """Make the preparation that settings ask for, with the statistics of these patches where they ask for those.

    Args:
        settings: Architecture, size, colour and normalisation.
        patches: Labelled patches; where there are none, usable ones are drawn.
        generator: Source of chance.
    """
    bands = patches.stores[0].grid.bands
    shown = patches if len(patches) else sample_unlabelled(patches, _SAMPLE, generator)
    return fit_preparation(
        chunks_of(shown),
        bands,
        input_px=settings.input_px,
        colour=settings.colour,
        normalisation=settings.normalisation,
        published=published_statistics(settings.architecture),
    )


def chunks_of(patches: Selection) -> Iterator[np.ndarray]:
    """Read patches some at a time, arrays of shape (n, patch_px, patch_px, bands)."""
    for start in range(0, len(patches), _CHUNK):
        for _, pixels in patches.by_store(np.arange(start, min(start + _CHUNK, len(patches)))):
            yield pixels
