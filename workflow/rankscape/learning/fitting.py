"""Fitting a backbone and a linear head to soft land-category labels (docs/vision.md).

Cross-entropy against the share of annotators that named each category, as both published systems do (Gong, Zheng and
Xie 2024; Ahn et al. 2023).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rankscape.evaluation.classification import category_measures
from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say, track
from rankscape.learning.augmentation import augment
from rankscape.learning.labels import shares_of
from rankscape.learning.selection import Selection
from rankscape.learning.settings import AdaptSettings
from rankscape.models.preparation import Preparation

_GRADIENT_NORM = 1.0
"""Longer gradients are shortened: with few labels one odd batch must not undo what was learned."""


@dataclass(frozen=True)
class Fit:
    """What came out of a fit."""

    head: nn.Linear
    """Features to logits of the categories."""
    epochs: list[dict[str, Any]]
    """Loss and hard-label accuracy of each epoch, over its augmented pictures, and what the lesson adds."""


class Lesson(Protocol):
    """How a network learns from one batch after another."""

    def begin(self, network: nn.Module) -> None:
        """Take note of the network before its first step."""

    def loss(
        self, network: nn.Module, pictures: Tensor, shares: Tensor, chance: torch.Generator, epoch: int
    ) -> tuple[Tensor, Tensor, dict[str, float]]:
        """Return the loss of a batch.

        Args:
            network: Backbone and head, in training mode.
            pictures: Labelled pictures as prepared, on the CPU.
            shares: Their soft labels, on the network's device.
            chance: Source of augmentation.
            epoch: Epochs that are done.

        Returns:
            Loss to step on, logits of the labelled pictures, and means over the batch to report by name; `loss` is
            the cross-entropy against the labels.
        """

    def stepped(self, network: nn.Module) -> None:
        """Take note of a step."""

    def end(self, network: nn.Module) -> None:
        """Give the network the weights that are kept."""


class Supervised:
    """Cross-entropy of augmented pictures against their soft labels, and nothing else."""

    def begin(self, network: nn.Module) -> None:
        """Need nothing."""

    def loss(
        self,
        network: nn.Module,
        pictures: Tensor,
        shares: Tensor,
        chance: torch.Generator,
        epoch: int,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor, dict[str, float]]:
        """Return the cross-entropy of one augmented view."""
        logits = network(augment(pictures, chance).to(shares.device))
        loss = F.cross_entropy(logits, shares)
        return loss, logits, {"loss": loss.item()}

    def stepped(self, network: nn.Module) -> None:
        """Need nothing."""

    def end(self, network: nn.Module) -> None:
        """Keep the weights as they are."""


def fit(
    backbone: nn.Module,
    preparation: Preparation,
    patches: Selection,
    settings: AdaptSettings,
    device: torch.device,
    generator: np.random.Generator,
    lesson: Lesson | None = None,
) -> Fit:
    """Fit backbone and head together; the backbone is changed in place and left in evaluation mode.

    AdamW with one cycle of a cosine schedule, pictures turned and mirrored by chance. Afterwards batch normalisation
    gets the exact statistics of the labelled pictures: its running averages lag behind the weights, the more so the
    fewer steps there are.

    Args:
        backbone: Network on `device`.
        preparation: How patches become its input.
        patches: Labelled patches to fit to, two at least.
        settings: Epochs, batch size, learning rate, weight decay.
        device: CPU or GPU.
        generator: Source of order, augmentation, dropout and the head's initial weights.
        lesson: How it learns; None learns from the labels alone.

    Raises:
        TableError: If there are fewer than two labelled patches.
    """
    if len(patches) < 2:
        raise TableError(
            f"{len(patches)} usable labelled patch(es); two at least are needed: label more, or epochs: 0."
        )
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(generator.integers(2**63)))
        head = nn.Linear(int(backbone.num_features), len(patches.targets.names)).to(device)  # type: ignore[arg-type]
        network, chosen = nn.Sequential(backbone, head), lesson or Supervised()
        chosen.begin(network)
        epochs = _run(network, preparation, patches, settings, device, generator, chosen)
        chosen.end(network)
    settle_batch_norm(backbone, preparation, patches, settings.batch_size, device)
    backbone.eval()
    return Fit(head.eval(), epochs)


def _run(
    network: nn.Module,
    preparation: Preparation,
    patches: Selection,
    settings: AdaptSettings,
    device: torch.device,
    generator: np.random.Generator,
    lesson: Lesson,
) -> list[dict[str, Any]]:
    chance = torch.Generator().manual_seed(int(generator.integers(2**63)))
    steps = settings.epochs * _steps(len(patches), settings.batch_size)
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=max(steps, 2), cycle_momentum=False
    )
    network.train()
    epochs, known = [], shares_of(patches)
    for epoch in track(range(1, settings.epochs + 1), "adapt", unit="epoch"):
        sums: Counter[str] = Counter()
        for chosen in batches(generator.permutation(len(patches)), settings.batch_size):
            shares = torch.from_numpy(known[chosen]).to(device)
            pictures = patches.images(chosen, preparation)
            loss, logits, means = lesson.loss(network, pictures, shares, chance, epoch - 1)
            step(network, loss, optimiser)
            lesson.stepped(network)
            schedule.step()
            sums.update({name: mean * len(chosen) for name, mean in means.items()})
            sums["accuracy"] += right(logits.detach(), known[chosen])
        epochs.append({"epoch": epoch, **{name: total / len(patches) for name, total in sums.items()}})
        said = ", ".join(f"{name} {total / len(patches):.4f}" for name, total in sums.items())
        say(f"epoch {epoch} of {settings.epochs}: {said}")
    return epochs


def step(network: nn.Module, loss: Tensor, *optimisers: torch.optim.Optimizer) -> None:
    """Move the weights against the gradient of a loss; gradients longer than 1 are shortened."""
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_NORM)
    for optimiser in optimisers:
        optimiser.step()


def right(logits: Tensor, shares: np.ndarray) -> int:
    """Count the pictures whose likeliest category has the largest share of the label, alone or tied.

    Args:
        logits: Shape (n, categories).
        shares: Soft labels, shape (n, categories).
    """
    guess = logits.argmax(1).cpu().numpy()
    return int((shares[np.arange(len(shares)), guess] == shares.max(1)).sum())


def batches(order: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Cut an order into batches of equal size, give or take one: batch normalisation suffers from a small last one."""
    yield from np.array_split(order, _steps(len(order), batch_size))


def _steps(count: int, batch_size: int) -> int:
    return -(-count // batch_size)


def settle_batch_norm(
    backbone: nn.Module, preparation: Preparation, patches: Selection, batch_size: int, device: torch.device
) -> None:
    """Give batch normalisation the mean statistics of the pictures as they are, under the final weights."""
    norms = [part for part in backbone.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    backbone.eval()
    for norm in norms:
        norm.reset_running_stats()
        # Without a momentum the layer takes the plain average over all batches.
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for chosen in batches(np.arange(len(patches)), batch_size):
            backbone(patches.images(chosen, preparation).to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def assess(
    backbone: nn.Module,
    head: nn.Linear,
    preparation: Preparation,
    patches: Selection,
    batch_size: int,
    device: torch.device,
    categories: Sequence[str],
    uninhabited: str | None,
) -> dict[str, Any]:
    """Return how well a head tells the land categories of pictures as they are (`vision.measures`)."""
    logits = []
    with torch.inference_mode():
        for chosen in batches(np.arange(len(patches)), batch_size):
            logits.append(head(backbone(patches.images(chosen, preparation).to(device))).cpu())
    log_p = F.log_softmax(torch.cat(logits).double(), 1).numpy()
    return {"patches": len(patches), **category_measures(log_p, shares_of(patches), categories, uninhabited)}
