"""Fitting a backbone and a linear head to soft category labels (docs/methods/learning.md).

Cross-entropy against the share of annotators that named each category, as both published systems do (Gong, Zheng and
Xie 2024; Ahn et al. 2023).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rankscape.evaluation.classification import soft_label_metrics
from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say
from rankscape.learning.augmentation import augment
from rankscape.learning.filters import features_of
from rankscape.learning.labels import shares_of
from rankscape.learning.selection import Selection
from rankscape.learning.settings import AdaptSettings
from rankscape.learning.trainer import BatchLoss, TrainingTask, TrainState, one_cycle, seeded, train
from rankscape.models.preparation import Preparation

GRADIENT_NORM = 1.0
"""Longer gradients are shortened: with few labels one odd batch must not undo what was learned."""
_STEPS = 20
"""Steps of L-BFGS an epoch."""
_SMALLEST_SCALE = 1e-8

Batch = tuple[Tensor, np.ndarray]
"""Prepared images on the CPU, and their soft labels."""


@dataclass(frozen=True)
class CategoryFit:
    """What came out of a fit."""

    head: nn.Linear
    """Features to logits of the categories."""
    epochs: list[dict[str, Any]]
    """Loss and hard-label accuracy of each epoch, over its augmented images, and what the task adds."""


class CategoryTask(TrainingTask):
    """Cross-entropy of augmented images against their soft labels, and nothing else."""

    gradient_norm = GRADIENT_NORM

    def __init__(self, samples: Selection, preparation: Preparation, batch_size: int) -> None:
        """Learn from samples whose targets are the shares of categories."""
        self.samples, self.preparation, self.batch_size = samples, preparation, batch_size

    def begin(self, network: nn.Module) -> None:
        """Take note of the network before its first step."""

    def end(self, network: nn.Module) -> None:
        """Give the network the weights that are kept."""

    def batches(self, state: TrainState) -> Iterator[Batch]:
        """Show every sample once."""
        shares = shares_of(self.samples)
        for chosen in even_batches(state.chance.permutation(len(self.samples)), self.batch_size):
            yield self.samples.images(chosen, self.preparation), shares[chosen]

    def loss(self, network: nn.Module, batch: Batch, state: TrainState) -> BatchLoss:
        """Return the cross-entropy of one augmented view."""
        images, shares = batch
        logits = network(augment(images, state.light).to(state.device))
        loss = F.cross_entropy(logits, torch.from_numpy(shares).to(state.device))
        return BatchLoss(loss, {"loss": loss}, len(images), {"accuracy": right(logits.detach(), shares)})


def fit(
    backbone: nn.Module,
    task: CategoryTask,
    settings: AdaptSettings,
    device: torch.device,
    generator: np.random.Generator,
) -> CategoryFit:
    """Fit backbone and head together; the backbone is changed in place and left in evaluation mode.

    AdamW with one cycle of a cosine schedule, images turned and mirrored by chance. Afterwards batch normalisation
    gets the exact statistics of the labelled images: its running averages lag behind the weights, the more so the
    fewer steps there are.

    Args:
        backbone: Network on `device`.
        task: Labelled samples, two at least, and how they are learned from.
        settings: Epochs, batch size, learning rate, weight decay.
        device: CPU or GPU.
        generator: Source of order, augmentation, dropout and the head's initial weights.

    Raises:
        TableError: If there are fewer than two labelled samples.
    """
    _check_count(task.samples)
    with seeded(int(generator.integers(2**63)), device):
        categories = len(task.samples.targets.names)
        head = nn.Linear(int(backbone.num_features), categories).to(device)  # type: ignore[arg-type]
        network = nn.Sequential(backbone, head)
        task.begin(network)
        state = _start(network, len(task.samples), settings, device, generator)
        train(task, state, epochs=settings.epochs, name="adapt")
        task.end(network)
    settle_batch_norm(backbone, task.preparation, task.samples, settings.batch_size, device)
    backbone.eval()
    return CategoryFit(head.eval(), state.curve)


def _start(
    network: nn.Module, samples: int, settings: AdaptSettings, device: torch.device, generator: np.random.Generator
) -> TrainState:
    light = torch.Generator().manual_seed(int(generator.integers(2**63)))
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    steps = max(settings.epochs * -(-samples // settings.batch_size), 2)
    return TrainState(
        network, (optimizer,), one_cycle(optimizer, settings.learning_rate, steps), generator, light, device
    )


def _check_count(samples: Selection) -> None:
    if len(samples) < 2:
        raise TableError(
            f"{len(samples)} usable labelled patch(es); two at least are needed: label more, or epochs: 0."
        )


def fit_head(backbone: nn.Module, preparation: Preparation, samples: Selection, settings: AdaptSettings) -> CategoryFit:
    """Fit a linear head alone, by the same cross-entropy as whole networks are.

    Features are computed once, from images as they are, and standardised; the penalty weight_decay / 2 * |W|² is on
    the standardised weights, which makes the minimum unique; L-BFGS finds it. The returned head takes raw features.

    Args:
        backbone: Network on its device; it is left as it is.
        preparation: How samples become its input.
        samples: Labelled samples, two at least.
        settings: Epochs of 20 steps, weight decay, and how many samples are read at once.

    Returns:
        Head on the backbone's device, and the loss and accuracy after each epoch.

    Raises:
        TableError: If there are fewer than two labelled samples.
    """
    _check_count(samples)
    features = features_of(backbone, samples, preparation, settings.batch_size)
    centre, scale = features.mean(0), features.std(0)
    scale[scale < _SMALLEST_SCALE] = 1.0
    weight, bias, epochs = _minimise((features - centre) / scale, shares_of(samples), settings)
    device = next(backbone.buffers()).device
    return CategoryFit(_head(weight / scale, bias - (weight / scale) @ centre).to(device), epochs)


def _minimise(
    features: np.ndarray, shares: np.ndarray, settings: AdaptSettings
) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
    seen, wanted = torch.from_numpy(features), torch.from_numpy(shares).double()
    weight = torch.zeros(wanted.shape[1], seen.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(wanted.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(seen @ weight.T + bias, wanted) + settings.weight_decay / 2 * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    epochs = []
    for epoch in range(1, settings.epochs + 1):
        optimizer.step(loss)  # type: ignore[no-untyped-call]
        logits = (seen @ weight.T + bias).detach()
        found, accuracy = F.cross_entropy(logits, wanted).item(), right(logits, shares) / len(shares)
        epochs.append({"epoch": epoch, "loss": found, "accuracy": accuracy})
    say(f"head after {settings.epochs} epochs: loss {found:.4f}, accuracy {accuracy:.3f}")
    return weight.detach().numpy(), bias.detach().numpy(), epochs


def _head(weight: np.ndarray, bias: np.ndarray) -> nn.Linear:
    head: nn.Linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])  # type: ignore[no-untyped-call]
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
    return head.eval()


def right(logits: Tensor, shares: np.ndarray) -> int:
    """Count the images whose likeliest category has the largest share of the label, alone or tied.

    Args:
        logits: Shape (n, categories).
        shares: Soft labels, shape (n, categories).
    """
    guess = logits.argmax(1).cpu().numpy()
    return int((shares[np.arange(len(shares)), guess] == shares.max(1)).sum())


def even_batches(order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Cut an order into batches of equal size, give or take one: batch normalisation suffers from a small last one."""
    return np.array_split(order, -(-len(order) // batch_size))


def settle_batch_norm(
    backbone: nn.Module, preparation: Preparation, samples: Selection, batch_size: int, device: torch.device
) -> None:
    """Give batch normalisation the mean statistics of the images as they are, under the final weights."""
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
        for chosen in even_batches(np.arange(len(samples)), batch_size):
            backbone(samples.images(chosen, preparation).to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def assess(
    backbone: nn.Module,
    head: nn.Linear,
    preparation: Preparation,
    samples: Selection,
    batch_size: int,
    device: torch.device,
    categories: Sequence[str],
    uninhabited: str | None,
) -> dict[str, Any]:
    """Return how well a head tells the categories of images as they are (`evaluation.classification`)."""
    logits = []
    with torch.inference_mode():
        for chosen in even_batches(np.arange(len(samples)), batch_size):
            logits.append(head(backbone(samples.images(chosen, preparation).to(device))).cpu())
    log_p = F.log_softmax(torch.cat(logits).double(), 1).numpy()
    complements = {} if uninhabited is None else {"inhabited": uninhabited}
    return {"patches": len(samples), **soft_label_metrics(log_p, shares_of(samples), categories, complements)}
