"""Networks that turn patches into embeddings, made by name."""

import numpy as np
import torch

from rankscape.foundation.errors import InputError
from rankscape.learning.adapted import Adapted, tasks_of
from rankscape.learning.adapting import chunks_of
from rankscape.learning.filters import fit_filters
from rankscape.learning.selection import select_usable
from rankscape.learning.settings import EmbedderSettings
from rankscape.models.backbones import check_input, create_backbone, find_weights, published_statistics
from rankscape.models.convolutions import banks_of
from rankscape.models.galileo import GalileoPatches
from rankscape.models.preparation import fit_preparation
from rankscape.samples.patches import Patches

_SAMPLE = 1000
"""Patches that statistics of channels come from."""


def make_embedder(settings: EmbedderSettings, stores: list[Patches], device: torch.device) -> Adapted:
    """Make the network that settings ask for, on the CPU.

    Args:
        settings: Architecture, weights and preparation.
        stores: Patches to learn from: those of which random filters and statistics of channels are taken.
        device: Where features are computed, should they be standardised.

    Raises:
        RasterError: If no patch is usable, or filters would be flat.
        WeightsError: If the weights cannot be had, or the architecture does not take the input.
    """
    grid, chance = stores[0].grid, [np.random.default_rng([settings.seed, part]) for part in range(2)]
    usable = select_usable(stores)
    sample = usable.take(np.sort(chance[0].permutation(len(usable))[:_SAMPLE]))
    preparation = fit_preparation(
        chunks_of(sample), grid.bands, input_px=settings.input_px or grid.patch_px, colour=settings.colour,
        normalisation=settings.normalisation, published=published_statistics(settings.architecture),
    )  # fmt: skip
    channels, seen = preparation.channels, grid.bands[: preparation.channels]
    network = create_backbone(settings.architecture, settings.weights, channels, settings.seed, bands=seen)
    if isinstance(network, GalileoPatches):
        _check_galileo(settings)
        network.month.fill_(settings.month - 1)
    _check_size(settings, preparation.input_px, network)
    fit_filters(network, stores, preparation, chance[1], device, settings.whitening_patches)
    check_input(network, channels, preparation.input_px, settings.architecture)
    source = find_weights(settings.architecture, settings.weights)
    tasks = () if source is None else tasks_of(source)
    return Adapted(settings.architecture, network.cpu(), preparation, None, (), None, tasks)


def _check_galileo(settings: EmbedderSettings) -> None:
    if settings.colour == "grey" or settings.normalisation != "none":
        raise InputError(
            f"{settings.architecture} takes bands as they are: set colour to `all` or `rgb`, not"
            f" {settings.colour!r}, and normalisation to `none`, not {settings.normalisation!r}."
        )


def _check_size(settings: EmbedderSettings, input_px: int, network: torch.nn.Module) -> None:
    largest = max([bank.form.size_px for bank in banks_of(network)], default=0)
    if isinstance(network, GalileoPatches):
        largest = network.token_px
    if input_px < largest:
        raise InputError(
            f"{settings.architecture} needs images of {largest} px at least, the patches have {input_px}: raise"
            " input_px, or tile.patch_px."
        )
