"""Fitting a land-category head to features that stay as they are (docs/vision.md)."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say
from rankscape.learning.filters import features_of
from rankscape.learning.fitting import Fit, right
from rankscape.learning.labels import shares_of
from rankscape.learning.selection import Selection
from rankscape.learning.settings import AdaptSettings
from rankscape.models.preparation import Preparation

_STEPS = 20
"""Steps of L-BFGS an epoch."""
_SMALLEST_SCALE = 1e-8


def fit_head(backbone: nn.Module, preparation: Preparation, patches: Selection, settings: AdaptSettings) -> Fit:
    """Fit a linear head alone, by the same cross-entropy as whole networks are.

    Features are computed once, from pictures as they are, and standardised; the penalty weight_decay / 2 * |W|² is on
    the standardised weights, which makes the minimum unique; L-BFGS finds it. The returned head takes raw features.

    Args:
        backbone: Network on its device; it is left as it is.
        preparation: How patches become its input.
        patches: Labelled patches, two at least.
        settings: Epochs of 20 steps, weight decay, and how many patches are read at once.

    Returns:
        Head on the backbone's device, and the loss and accuracy after each epoch.

    Raises:
        TableError: If there are fewer than two labelled patches.
    """
    if len(patches) < 2:
        raise TableError(
            f"{len(patches)} usable labelled patch(es); two at least are needed: label more, or epochs: 0."
        )
    features = features_of(backbone, patches, preparation, settings.batch_size)
    centre, scale = features.mean(0), features.std(0)
    scale[scale < _SMALLEST_SCALE] = 1.0
    weight, bias, epochs = _minimise((features - centre) / scale, shares_of(patches), settings)
    device = next(backbone.buffers()).device
    return Fit(_head(weight / scale, bias - (weight / scale) @ centre).to(device), epochs)


def _minimise(
    features: np.ndarray, shares: np.ndarray, settings: AdaptSettings
) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
    seen, wanted = torch.from_numpy(features), torch.from_numpy(shares).double()
    weight = torch.zeros(wanted.shape[1], seen.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(wanted.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(seen @ weight.T + bias, wanted) + settings.weight_decay / 2 * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    epochs = []
    for epoch in range(1, settings.epochs + 1):
        optimiser.step(loss)  # type: ignore[no-untyped-call]
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
