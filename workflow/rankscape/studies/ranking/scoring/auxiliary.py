"""The auxiliary model: random convolutional features with ridge regression, a second part of the score model.

With few images such features are a hard baseline (Rolf et al., Nature Communications 2021), and their errors are
others than those of a trained network: the mean of both is often better than either. What each part reaches alone on
the held-out patches is recorded beside their sum, so that the better one can be seen to win.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from rankscape.foundation import progress
from rankscape.foundation.errors import WeightsError
from rankscape.learning.filters import draw_filters
from rankscape.learning.selection import Selection
from rankscape.models.backbones import RANDOM, check_input, create_backbone
from rankscape.models.convolutions import RandomConvolutions
from rankscape.models.preparation import Preparation, fit_preparation
from rankscape.studies.ranking.scoring.network import Part
from rankscape.studies.ranking.scoring.ridging import RidgeFit, joined, ridge_part
from rankscape.studies.ranking.scoring.samples import held_out_metrics
from rankscape.studies.ranking.scoring.settings import AuxiliarySettings
from rankscape.studies.ranking.scoring.training import ScoreTask

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the auxiliary model that `auto` tries."""
_CHUNK = 64


def auxiliary_part(settings: AuxiliarySettings, task: ScoreTask, first_seed: int) -> tuple[Part, list[RidgeFit]]:
    """Fit the auxiliary model to the training patches; each seed has filters of its own.

    Args:
        settings: Architecture, preparation, seeds and copies.
        task: Patches and settings of the training; the auxiliary model sees the same colours.
        first_seed: First seed.

    Returns:
        The part, its networks on the CPU, and how each was fitted.

    Raises:
        RasterError: If the training patches are flat.
        SettingsError: If they lie in one block.
        WeightsError: If the architecture's name cannot be read, or does not take the input.
    """
    preparation = _preparation(settings, task)
    # The memory for resized patches is filled with those of the networks.
    own = replace(task, preparation=preparation, cache_mb=0.0)
    seeds = range(first_seed, first_seed + settings.seeds)
    found = [
        ridge_part(
            _backbone(settings, own, seed), settings.architecture, own, [seed], settings.copies, settings.seeds > 1
        )
        for seed in seeds
    ]
    return joined(found)


@dataclass(frozen=True)
class Balance:
    """How much the auxiliary model counts, and why."""

    weight: float
    """Share of the auxiliary model in the score."""
    tried: dict[str, float | None]
    """Kendall tau-b between score and level on the held-out patches at each share; None where it is undefined."""


def balance(weight: float | str, own: np.ndarray, auxiliary: np.ndarray, held_out: Selection) -> Balance:
    """Choose the auxiliary model's share in the score.

    Args:
        weight: The share, or `auto`: that of `WEIGHTS` with the largest Kendall tau-b; of equal ones the nearest to one
            half.
        own: Mean score of the networks for the held-out patches, shape (n,).
        auxiliary: Mean score of the auxiliary model's networks, shape (n,).
        held_out: The patches.
    """
    taus = {share: _tau((1 - share) * own + share * auxiliary, held_out) for share in WEIGHTS}
    if isinstance(weight, str):
        weight = max(WEIGHTS, key=lambda share: (-1.0 if taus[share] is None else taus[share], -abs(share - 0.5)))
        progress.say(
            f"auxiliary: weight {weight:g} of {', '.join(map('{:g}'.format, WEIGHTS))} follows the levels best"
        )
    return Balance(weight, {f"{share:g}": tau for share, tau in taus.items()})


def _tau(scores: np.ndarray, held_out: Selection) -> float | None:
    return held_out_metrics(scores, held_out)["kendall_tau_b"]


def _preparation(settings: AuxiliarySettings, task: ScoreTask) -> Preparation:
    starts: Sequence[np.ndarray] = np.array_split(np.arange(len(task.training)), -(-len(task.training) // _CHUNK))
    return fit_preparation(
        (task.training.pixels(rows) for rows in starts),
        task.preparation.bands,
        input_px=settings.input_px,
        colour=task.preparation.colour,
        normalisation=settings.normalisation,
    )


def _backbone(settings: AuxiliarySettings, task: ScoreTask, seed: int) -> nn.Module:
    channels = task.preparation.channels
    backbone = create_backbone(settings.architecture, RANDOM, channels, seed)
    if not isinstance(backbone, RandomConvolutions):
        raise WeightsError(f"train.auxiliary.architecture = {settings.architecture!r} is no random convolutions.")
    draw_filters(backbone, task.training, task.preparation, np.random.default_rng([seed, 11]), task.device)
    check_input(backbone, channels, settings.input_px, settings.architecture)
    return backbone
