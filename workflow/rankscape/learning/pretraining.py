"""Self-supervised pre-training: a backbone learns from patches without labels before `adapt` (docs/methods).

The loss and its projection head are those of VICReg, from the library lightly; importing it asks no server.
"""

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rankscape.foundation.errors import RasterError, SettingsError, WeightsError
from rankscape.learning.adapted import Adapted
from rankscape.learning.adapting import prepare
from rankscape.learning.augmentation import appearance, turn
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.fitting import even_batches, settle_batch_norm
from rankscape.learning.selection import Selection, select_usable
from rankscape.learning.settings import AdaptSettings, PretrainSettings
from rankscape.learning.trainer import BatchLoss, Measured, TrainingTask, TrainState, one_cycle, seeded, train
from rankscape.models.backbones import check_input, create_backbone, mend_torchvision
from rankscape.models.preparation import Preparation
from rankscape.samples.patches import Patches

# Releases before 1.6 ask a server for a newer one when they are imported.
os.environ.setdefault("LIGHTLY_DID_VERSION_CHECK", "True")
mend_torchvision()

from lightly.loss.vicreg_loss import VICRegLoss  # noqa: E402
from lightly.models.modules.heads import VICRegProjectionHead  # noqa: E402

_STATISTICS_FROM = 1000
"""Patches that normalisation `patches` takes its statistics from."""
_ASPECT = math.log(4 / 3)
"""Largest logarithm of width over height (Szegedy et al., Going deeper with convolutions, CVPR 2015)."""


def pretrain_backbone(
    settings: PretrainSettings,
    network: AdaptSettings,
    stores: Sequence[Patches],
    device: torch.device,
    checkpoints: Checkpoints | None = None,
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
    draw, chance = (np.random.default_rng([settings.seed, part]) for part in range(2))
    patches = _drawn(stores, settings.patches, draw)
    sample = patches.take(draw.permutation(len(patches))[:_STATISTICS_FROM])
    preparation = prepare(network.model_copy(update={"input_px": settings.input_px}), sample, draw)
    backbone = create_backbone(network.architecture, settings.weights, preparation.channels, settings.seed)
    if not any(True for _ in backbone.parameters()):
        raise WeightsError(f"Nothing in {network.architecture} can be trained: set adapt.weights to `random`.")
    check_input(backbone, preparation.channels, settings.input_px, network.architecture)
    curve = _learn(backbone.to(device), patches, preparation, settings, chance, device, checkpoints)
    settle_batch_norm(backbone, preparation, patches, settings.batch_size, device)
    backbone.eval().cpu()
    adapted = Adapted(network.architecture, backbone, preparation, None, (), None)
    record = {"weights": settings.weights, "patches": len(patches), "epochs": curve}
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
    chance: np.random.Generator,
    device: torch.device,
    checkpoints: Checkpoints | None,
) -> list[dict[str, Any]]:
    """Train the backbone in place; return the curve."""
    with seeded(int(chance.integers(2**62)), device):
        state = _start(ViewComparison(backbone, settings).to(device), len(patches), settings, chance, device)
        task = ViewTask(patches, preparation, settings)
        train(task, state, epochs=settings.epochs, name="pretrain", checkpoints=checkpoints, seed=settings.seed)
    return state.curve


def _start(
    network: nn.Module, patches: int, settings: PretrainSettings, chance: np.random.Generator, device: torch.device
) -> TrainState:
    light = torch.Generator().manual_seed(int(chance.integers(2**62)))
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * -(-patches // settings.batch_size)
    # The schedule needs one step more than it takes where there is only one.
    schedule = one_cycle(optimizer, settings.learning_rate, steps + 1)
    return TrainState(network, (optimizer,), schedule, chance, light, device)


class ViewComparison(nn.Module):
    """A backbone, a projection head, and VICReg's loss of two views of the same patches.

    It draws the views' projections together, keeps the deviation of each of their numbers above 1 and their
    covariances small (Bardes, Ponce and LeCun, ICLR 2022, with its weights 25, 25, 1).
    """

    def __init__(self, backbone: nn.Module, settings: PretrainSettings) -> None:
        super().__init__()
        self.backbone = backbone
        self._is_fast = settings.precision == "bfloat16"
        if self._is_fast:
            # The kernels of mixed precision prefer images and weights laid out by channels last.
            backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        dims, width = int(backbone.num_features), settings.projection_dims  # type: ignore[arg-type]
        self.head, self.loss = VICRegProjectionHead(dims, width, width), VICRegLoss()

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Compare two views of each patch.

        Args:
            views: Prepared images, float32, shape (2 n, channels, side, side): the first views of all patches, then
                the second ones in the same order.

        Returns:
            The loss, and the backbone's features, float32, shape (2 n, dims). Head and loss compute in float32.
        """
        with torch.autocast(views.device.type, torch.bfloat16, enabled=self._is_fast):
            seen: Tensor = self.backbone(views)
        features = seen.float()
        loss: Tensor = self.loss(*self.head(features).chunk(2))
        return loss, features


class ViewTask(TrainingTask):
    """Two views of a patch, cropped, turned and as on two dates, are one place."""

    def __init__(self, samples: Selection, preparation: Preparation, settings: PretrainSettings) -> None:
        """Learn from samples without labels."""
        self._samples, self._preparation, self._settings = samples, preparation, settings

    def batches(self, state: TrainState) -> Iterator[Tensor]:
        """Show every sample once, in two views."""
        for chosen in even_batches(state.chance.permutation(len(self._samples)), self._settings.batch_size):
            yield self._views(chosen, state)

    def loss(self, network: nn.Module, batch: Tensor, state: TrainState) -> BatchLoss:  # noqa: ARG002
        """Return VICReg's loss, and how far features spread over the sphere."""
        loss, features = network(batch)
        return BatchLoss(loss, {"loss": loss, "spread": spread(features.detach())})

    def end_epoch(self, state: TrainState, means: dict[str, float]) -> Measured:
        """Refuse to go on from a loss that is no number.

        Raises:
            SettingsError: If it is none.
        """
        if not math.isfinite(means["loss"]):
            raise SettingsError(
                f"Pre-training has come apart in epoch {len(state.curve) + 1}: set pretrain.learning_rate below"
                f" {self._settings.learning_rate:g}."
            )
        return Measured({**means})

    def _views(self, chosen: np.ndarray, state: TrainState) -> Tensor:
        """Two views of each patch, shape (2 n, channels, input_px, input_px), the first ones before the second."""
        settings, preparation = self._settings, self._preparation
        groups = [
            (torch.from_numpy(places), preparation.values(torch.from_numpy(pixels)))
            for places, pixels in self._samples.by_store(chosen)
        ]
        views = []
        for _ in range(2):
            cut = torch.empty(len(chosen), groups[0][1].shape[1], settings.input_px, settings.input_px)
            for places, values in groups:
                cut[places] = crop(values, settings.smallest_crop, settings.input_px, state.light)
            seen = appearance(turn(cut.to(state.device), state.light), state.light, settings.strength)
            views.append(preparation.normalised(seen))
        return torch.cat(views)


def spread(features: Tensor) -> Tensor:
    """Return how far features spread: sqrt(d) times the mean deviation of their directions' numbers.

    About 1 where directions are isotropic, 0 where all images have one feature vector: the network has collapsed
    (Chen and He, SimSiam, CVPR 2021, section 4.1).

    Args:
        features: Shape (n, d).
    """
    spread: Tensor = F.normalize(features, dim=1).std(0).mean() * features.shape[1] ** 0.5
    return spread


def crop(batch: Tensor, smallest: float, side_px: int, generator: torch.Generator) -> Tensor:
    """Cut a rectangle by chance out of each image, and resize it to a square.

    Its share of the image's area is uniform between `smallest` and 1, its aspect log-uniform from 3/4 to 4/3, its
    place uniform (Szegedy et al., CVPR 2015), resized with a triangle filter as wide as the reduction asks for.

    Args:
        batch: Images, shape (n, channels, height, width); pixels without data (NaN) spread as far as the filter.
        smallest: Smallest share of the area, above 0.
        side_px: Side of the squares.
        generator: Source of chance; the same state gives the same crops, on every device.

    Returns:
        Shape (n, channels, side_px, side_px).
    """
    height, width = batch.shape[-2:]
    drawn = torch.rand((len(batch), 4), generator=generator, device=generator.device).tolist()
    squares = []
    for image, (area, aspect, down, across) in zip(batch, drawn, strict=True):
        share, ratio = smallest + (1 - smallest) * area, math.exp(_ASPECT * (2 * aspect - 1))
        tall = max(1, round(height * min(1.0, math.sqrt(share / ratio))))
        wide = max(1, round(width * min(1.0, math.sqrt(share * ratio))))
        top, left = round(down * (height - tall)), round(across * (width - wide))
        part = image[None, :, top : top + tall, left : left + wide]
        squares.append(F.interpolate(part, (side_px, side_px), mode="bilinear", align_corners=False, antialias=True))
    return torch.cat(squares)
