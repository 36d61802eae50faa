"""Self-supervised pre-training: a backbone learns from patches without labels, before `adapt` (docs/vision.md)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rankscape.foundation import progress
from rankscape.foundation.errors import RasterError, SettingsError, WeightsError
from rankscape.learning.adapting import prepare
from rankscape.learning.augmentation import appearance, turn
from rankscape.learning.checkpoints import CheckpointFiles, Run, pack, unpack
from rankscape.learning.fitting import batches, settle_batch_norm
from rankscape.learning.model import Adapted
from rankscape.learning.pretext import Pretext
from rankscape.learning.selection import Selection, select_usable
from rankscape.learning.settings import AdaptSettings, PretrainSettings
from rankscape.learning.views import crop
from rankscape.models.backbones import check_input, create_backbone
from rankscape.models.preparation import Preparation
from rankscape.samples.patches import Patches

_STATISTICS_FROM = 1000
"""Patches that normalisation `patches` takes its statistics from."""


def pretrain_backbone(
    settings: PretrainSettings,
    network: AdaptSettings,
    stores: Sequence[Patches],
    device: torch.device,
    checkpoints: CheckpointFiles | None = None,
) -> tuple[Adapted, dict[str, Any]]:
    """Let a backbone teach itself from usable patches.

    The same settings and patches give the same weights, bit for bit on one device with one number of threads, also
    where it was stopped at any moment and goes on from its checkpoint.

    Args:
        settings: How it learns.
        network: Architecture, colour and normalisation; nothing else of it is read.
        stores: Patch stores of the granules to learn from.
        device: CPU or GPU.
        checkpoints: Where to go on from, and to keep what is needed to go on; None keeps nothing.

    Returns:
        The backbone without a head, on the CPU, and what is known of its training, as JSON values.

    Raises:
        RasterError: If fewer than two patches are usable.
        SettingsError: If the loss is no number any more.
        WeightsError: If the weights cannot be had, or nothing in the architecture can be trained.
    """
    draw, order = (np.random.default_rng([settings.seed, part]) for part in range(2))
    patches = _drawn(stores, settings.patches, draw)
    sample = patches.take(draw.permutation(len(patches))[:_STATISTICS_FROM])
    preparation = prepare(network.model_copy(update={"input_px": settings.input_px}), sample, draw)
    backbone = create_backbone(network.architecture, settings.weights, preparation.channels, settings.seed)
    if not any(True for _ in backbone.parameters()):
        raise WeightsError(f"Nothing in {network.architecture} can be trained: set adapt.weights to `random`.")
    check_input(backbone, preparation.channels, settings.input_px, network.architecture)
    curve = _learn(backbone.to(device), patches, preparation, settings, order, device, checkpoints)
    settle_batch_norm(backbone, preparation, patches, settings.batch_size, device)
    backbone.eval().cpu()
    adapted = Adapted(network.architecture, backbone, preparation, None, (), None)
    record = {"method": settings.method, "weights": settings.weights, "patches": len(patches), "epochs": curve}
    return adapted, {**adapted.describe(), "dims": adapted.dims, **record}


def _drawn(stores: Sequence[Patches], most: int, generator: np.random.Generator) -> Selection:
    usable = select_usable(stores)
    if len(usable) < 2:
        raise RasterError(
            "One patch of the tiles is usable; two at least are needed: allow more cloud, or add granules."
        )
    return usable.take(np.sort(generator.permutation(len(usable))[:most]))


def _learn(
    backbone: nn.Module,
    patches: Selection,
    preparation: Preparation,
    settings: PretrainSettings,
    order: np.random.Generator,
    device: torch.device,
    checkpoints: CheckpointFiles | None,
) -> list[dict[str, Any]]:
    """Train the backbone in place; return the curve."""
    curve: list[dict[str, Any]] = []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(order.integers(2**62)))
        run = _start(Pretext(backbone, settings).to(device), len(patches), settings, order, device)
        if checkpoints is not None:
            curve = _resume(run, checkpoints, settings.seed)
        while len(curve) < settings.epochs:
            curve.append({"epoch": len(curve) + 1, **_one_epoch(run, patches, preparation, settings)})
            progress.say(_line(curve[-1], settings.epochs))
            if not math.isfinite(curve[-1]["loss"]):
                raise SettingsError(
                    f"Pre-training has come apart in epoch {len(curve)}: set pretrain.learning_rate below"
                    f" {settings.learning_rate:g}."
                )
            if checkpoints is not None and len(curve) % checkpoints.every == 0:
                tensors, document = pack(run)
                checkpoints.write(settings.seed, tensors, {**document, "curve": curve})
    return curve


def _start(
    pretext: Pretext, patches: int, settings: PretrainSettings, order: np.random.Generator, device: torch.device
) -> Run:
    light = torch.Generator().manual_seed(int(order.integers(2**62)))
    optimizer = torch.optim.AdamW(pretext.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * -(-patches // settings.batch_size)
    # The schedule needs one step more than it takes where there is only one.
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=steps + 1, cycle_momentum=False
    )
    return Run(pretext, optimizer, schedule, order, light, device)


def _resume(run: Run, checkpoints: CheckpointFiles, seed: int) -> list[dict[str, Any]]:
    found = checkpoints.read(seed)
    if found is None:
        return []
    unpack(run, *found)
    curve: list[dict[str, Any]] = found[1]["curve"]
    progress.say(f"seed {seed}: goes on after epoch {len(curve)}, from {checkpoints.path(seed)}")
    return curve


def _one_epoch(run: Run, patches: Selection, preparation: Preparation, settings: PretrainSettings) -> dict[str, float]:
    """Take one pass; return the mean loss, and how far features spread over the sphere."""
    run.network.train()
    sums = np.zeros(2)
    for chosen in batches(run.chance.permutation(len(patches)), settings.batch_size):
        sums += _step(run, _views(run, patches, chosen, preparation, settings))
    loss, spread = (sums / -(-len(patches) // settings.batch_size)).tolist()
    return {"loss": loss, "spread": spread}


def _step(run: Run, views: Tensor) -> tuple[float, float]:
    run.optimizer.zero_grad(set_to_none=True)
    loss, features = run.network(views)
    loss.backward()
    run.optimizer.step()
    run.schedule.step()
    return loss.item(), spread(features.detach())


def spread(features: Tensor) -> float:
    """Return how far features spread: sqrt(d) times the mean deviation of their directions' numbers.

    About 1 where directions are isotropic, 0 where all pictures have one feature vector: the network has collapsed
    (Chen and He, SimSiam, CVPR 2021, section 4.1).

    Args:
        features: Shape (n, d).
    """
    return float(F.normalize(features, dim=1).std(0).mean() * features.shape[1] ** 0.5)


def _views(
    run: Run, patches: Selection, chosen: np.ndarray, preparation: Preparation, settings: PretrainSettings
) -> Tensor:
    """Two views of each patch, shape (2 n, channels, input_px, input_px), the first ones of all before the second."""
    side = settings.input_px
    groups = [
        (torch.from_numpy(places), preparation.values(torch.from_numpy(pixels)))
        for places, pixels in patches.by_store(chosen)
    ]
    views = []
    for _ in range(2):
        cut = torch.empty(len(chosen), groups[0][1].shape[1], side, side)
        for places, values in groups:
            cut[places] = crop(values, settings.smallest_crop, side, run.light)
        looks = appearance(turn(cut.to(run.device), run.light), run.light, settings.strength)
        views.append(preparation.normalised(looks))
    return torch.cat(views)


def _line(epoch: dict[str, Any], epochs: int) -> str:
    return f"epoch {epoch['epoch']} of {epochs}: loss {epoch['loss']:.4f}, spread {epoch['spread']:.3f}"
