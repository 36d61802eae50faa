"""Giving random convolutions their filters: patches at chance places of usable images, as the network sees them."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch

from rankscape.foundation.errors import RasterError
from rankscape.foundation.progress import say, track
from rankscape.learning.selection import Selection, select_usable
from rankscape.models.convolutions import RandomConvolutions, banks_of, whitened_filters
from rankscape.models.preparation import Preparation
from rankscape.samples.patches import Patches

_CHUNK = 16
"""Images read at once."""
_SAMPLE = 1000
"""Images that the mean and deviation of features come from."""
_SMALLEST_SCALE = 1e-8
"""Features that change less from image to image are left as large as they are."""


def fit_filters(
    network: torch.nn.Module,
    stores: Sequence[Patches],
    preparation: Preparation,
    generator: np.random.Generator,
    device: torch.device,
    whitening_patches: int | None = None,
) -> None:
    """Set filters of every size from all usable patches, labelled or not, as `draw_filters` does.

    Other networks, and filters that are set, are left as they are.

    Raises:
        RasterError: If no patch is usable, or the images are flat.
    """
    for bank in banks_of(network):
        if not bank.fitted:
            draw_filters(bank, select_usable(stores), preparation, generator, device, whitening_patches)


def draw_filters(
    network: RandomConvolutions,
    images: Selection,
    preparation: Preparation,
    generator: np.random.Generator,
    device: torch.device,
    whitening_patches: int | None = None,
) -> None:
    """Set the filters from images, in place, and with form `-standard` the features' means and deviations.

    Filters are computed on the CPU, so that every device gets the same.

    Args:
        network: Random convolutions, left on the CPU.
        images: Patches that may be drawn; their labels are not read.
        preparation: How patches become images.
        generator: Source of chance.
        device: Where features are computed.
        whitening_patches: Squares that the whitening is computed from, of which the first become filters; at least as
            many as filters, which None takes (the authors take 100,000).

    Raises:
        RasterError: If the images are flat.
    """
    form = network.form
    drawn = sample_patches(images, preparation, form.size_px, max(form.filters, whitening_patches or 0), generator)
    network.filters.copy_(torch.from_numpy(whitened_filters(drawn)[: form.filters]))
    if not network.fitted:
        raise RasterError(
            f"The {form.filters} patches of {form.size_px} px drawn as filters are flat: check the tiles, or ask for"
            " more or larger filters."
        )
    say(f"{form.filters} filters of {form.size_px} px from {len(images)} patches.")
    if form.standard:
        _standardise(network.to(device), images, preparation, generator)
        network.cpu()


def sample_patches(
    patches: Selection, preparation: Preparation, size_px: int, count: int, generator: np.random.Generator
) -> np.ndarray:
    """Cut squares out of prepared images, each from a image and place drawn uniformly.

    Returns:
        float32, shape (count, channels, size_px, size_px).
    """
    owner = generator.integers(len(patches), size=count)
    top, left = generator.integers(preparation.input_px - size_px + 1, size=(2, count))
    squares = np.empty((count, preparation.channels, size_px, size_px), np.float32)
    order = np.argsort(owner, kind="stable")
    for some in track(_chunks(order), "filters", unit="batch"):
        pixels = patches.images(owner[some], preparation).numpy()
        for square, image in zip(some.tolist(), pixels, strict=True):
            row, col = top[square], left[square]
            squares[square] = image[:, row : row + size_px, col : col + size_px]
    return squares


def _standardise(
    network: RandomConvolutions, patches: Selection, preparation: Preparation, generator: np.random.Generator
) -> None:
    drawn = np.sort(generator.permutation(len(patches))[:_SAMPLE])
    features = features_of(network, patches.take(drawn), preparation)
    scale = features.std(0)
    network.centre.copy_(torch.from_numpy(features.mean(0)))
    network.scale.copy_(torch.from_numpy(np.where(scale < _SMALLEST_SCALE, 1.0, scale)))


def features_of(
    network: torch.nn.Module, patches: Selection, preparation: Preparation, batch_size: int = _CHUNK
) -> np.ndarray:
    """Compute the features of patches, float64, shape (n, dims), a batch at a time on the network's device."""
    device = next(chain(network.parameters(), network.buffers())).device
    with torch.inference_mode():
        seen = [
            network(patches.images(some, preparation).to(device)).cpu()
            for some in track(_chunks(np.arange(len(patches)), batch_size), "features", unit="batch")
        ]
    return torch.cat(seen).double().numpy()


def _chunks(order: np.ndarray, size: int = _CHUNK) -> list[np.ndarray]:
    return [order[start : start + size] for start in range(0, len(order), size)]
