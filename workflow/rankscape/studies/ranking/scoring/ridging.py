"""Score networks by ridge regression: a backbone as it is, and a head that is fitted to its features in one step.

The head is linear in the features, so such a network is stored and used as a trained one; its link cuts scores at the
range of the targets (`network.py`). Features are standardised for the fit, which goes into the head's numbers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from rankscape.foundation import progress
from rankscape.learning.feature_buffer import ROOM_MB, FeatureBuffer
from rankscape.learning.folds import Resample, resample_places
from rankscape.learning.ridge import PENALTIES, Ridge, Rows, fit_ridge, fit_streamed
from rankscape.learning.selection import Selection
from rankscape.models.backbones import RANDOM, create_backbone
from rankscape.studies.ranking.scoring.network import Part, ScoreNetwork
from rankscape.studies.ranking.scoring.samples import clusters_of, levels_of, targets_of
from rankscape.studies.ranking.scoring.sampling import balance_weights, batches
from rankscape.studies.ranking.scoring.training import ScoreTask


@dataclass(frozen=True)
class RidgeFit:
    """How one head was fitted."""

    seed: int
    """Seed of its draw of places."""
    ridge: Ridge
    """The regression on standardised features."""
    rows: int
    """Rows that it was fitted to."""
    places: int
    """Different places that they come from."""
    scores: np.ndarray
    """Scores of the held-out patches, float64, shape (validation,)."""

    def to_document(self) -> dict[str, Any]:
        """Return seed, penalty and errors as JSON; there is no curve and no best epoch."""
        errors = dict(zip(map("{:.6g}".format, PENALTIES), self.ridge.errors, strict=True))
        known = {"penalty": self.ridge.penalty, "errors": errors, "rows": self.rows, "places": self.places}
        return {"seed": self.seed, "best_epoch": None, "epochs": [], "ridge": known}


def ridges_of(architecture: str, start: str, task: ScoreTask, seeds: Sequence[int]) -> tuple[Part, list[RidgeFit]]:
    """Fit the score networks of `train.objective: ridge`, one a seed.

    Several seeds learn from places drawn with replacement each; one learns from all. They share the adapted backbone;
    random ones are of each seed.

    Args:
        architecture: Name of the backbone.
        start: Path of the adapted backbone, or `random`.
        task: Patches and settings.
        seeds: Seeds.

    Raises:
        SettingsError: If all patches lie in one block.
        WeightsError: If the weights are not those of the architecture.
    """
    groups = [[seed] for seed in seeds] if start == RANDOM else [list(seeds)]
    found = []
    for group in groups:
        backbone = create_backbone(architecture, start, task.preparation.channels, group[0])
        found.append(ridge_part(backbone, architecture, task, group, task.settings.copies, len(seeds) > 1))
    return joined(found)


def joined(found: Sequence[tuple[Part, list[RidgeFit]]]) -> tuple[Part, list[RidgeFit]]:
    """Make one part of parts that differ in their networks and seeds alone."""
    networks = tuple(network for part, _ in found for network in part.networks)
    seeds = tuple(seed for part, _ in found for seed in part.seeds)
    return replace(found[0][0], networks=networks, seeds=seeds), [fit for _, fits in found for fit in fits]


def ridge_part(
    backbone: nn.Module, architecture: str, task: ScoreTask, seeds: Sequence[int], copies: int, resample: bool
) -> tuple[Part, list[RidgeFit]]:
    """Fit one head a seed to the features of one backbone.

    Args:
        backbone: Prepared images to features; it stays as it is.
        architecture: Its name.
        task: Patches and settings; `balance` says how much every patch counts.
        seeds: Seeds of the heads.
        copies: Rows a patch: the patch as it is, and copies of it as training varies them.
        resample: Whether each head learns from places drawn with replacement, so that heads of different seeds
            differ; else from all.

    Returns:
        The part, its networks on the CPU, and how each head was fitted.

    Raises:
        SettingsError: If all patches lie in one block.
        TableError: If a feature is not finite.
    """
    progress.say(f"ridge on {architecture}: {copies * len(task.training)} rows, {len(seeds)} seed(s)")
    with buffered(backbone, task, copies, seeds[0]) as buffer:
        mean, scale = buffer.statistics()
        draws = [_draw(task, seed, resample) for seed in seeds]
        ridges = [fit_drawn(buffer, (mean, scale), targets_of(task.training), draw) for draw in draws]
    networks = tuple(_ready(head_of(backbone, ridge, mean, scale), task) for ridge in ridges)
    part = Part(networks, architecture, task.preparation, tuple(seeds))
    scores = predicted(part, task.validation, task)
    for network in networks:
        network.cpu()
    fits = [
        RidgeFit(seed, ridge, copies * draw.samples, draw.places, found)
        for seed, ridge, draw, found in zip(seeds, ridges, draws, scores, strict=True)
    ]
    return part, fits


def buffered(backbone: nn.Module, task: ScoreTask, copies: int, seed: int, room_mb: float = ROOM_MB) -> FeatureBuffer:
    """Compute the features of the training patches: all as they are, then as training varies them, copy by copy.

    Args:
        backbone: Prepared images to features.
        task: Patches and settings.
        copies: Rows a patch.
        seed: Seed of the variation.
        room_mb: MB of features that may be held in memory; more lie in a temporary file.
    """
    network, light = _ready(ScoreNetwork(backbone, "clip"), task), torch.Generator().manual_seed(seed)
    buffer = FeatureBuffer(int(backbone.num_features), room_mb)  # type: ignore[arg-type]
    chosen = batches(np.arange(len(task.training)), task.settings.batch_size)
    shown = [(copy, rows) for copy in range(copies) for rows in chosen]
    patches = task.resized(task.training).batches((rows for _, rows in shown), task.device)
    with torch.inference_mode():
        for copy, _ in progress.track(shown, "features", unit="batch"):
            images = task.varied(next(patches), light) if copy else task.prepared(next(patches))
            buffer.append(network.features(images).cpu().numpy())
    return buffer


def fit_drawn(buffer: FeatureBuffer, unit: tuple[np.ndarray, np.ndarray], targets: np.ndarray, draw: Resample) -> Ridge:
    """Fit the ridge to the rows of a draw; features lose `unit[0]` and are divided by `unit[1]`.

    With fewer rows than features all rows are held; with more, sums of products.
    """
    copies = len(buffer) // len(targets)
    labels, parts, weights = (np.tile(values, copies) for values in (targets, draw.parts, draw.weights))

    def blocks() -> Iterator[Rows]:
        for place, block in buffer.blocks():
            standard = (block - unit[0]) / unit[1]
            yield Rows(standard, labels[place], parts[place], weights[place])

    # As many threads as PyTorch was given: more of them than free cores make a small matrix many times slower.
    with threadpool_limits(torch.get_num_threads(), "blas"):
        if len(buffer) > buffer.dims:
            return fit_streamed(blocks)
        features = np.concatenate([rows.features for rows in blocks()])
        return fit_ridge(features, labels, parts, weights=weights)


def head_of(backbone: nn.Module, ridge: Ridge, mean: np.ndarray, scale: np.ndarray) -> ScoreNetwork:
    """Make the network whose scores are the ridge's predictions from standardised features."""
    network = ScoreNetwork(backbone, "clip")
    slope = ridge.weights / scale
    bias = ridge.mean - mean @ slope - ridge.centre @ ridge.weights
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(slope)[None])
        network.head.bias.fill_(float(bias))
        network.limits.copy_(torch.tensor([ridge.lowest, ridge.highest]))
    return network


def predicted(part: Part, samples: Selection, task: ScoreTask) -> np.ndarray:
    """Score every patch of a selection with a part's networks on the task's device, float64, shape (networks, n)."""
    chosen = batches(np.arange(len(samples)), task.settings.batch_size)
    return np.concatenate([part.scores(part.images(samples.pixels(rows)), task.device) for rows in chosen], axis=1)


def _ready(network: ScoreNetwork, task: ScoreTask) -> ScoreNetwork:
    network.eval().to(task.device).use(task.settings.precision)
    return network


def _draw(task: ScoreTask, seed: int, resample: bool) -> Resample:
    samples, settings = task.training, task.settings
    levels = levels_of(samples)
    weights = balance_weights(clusters_of(samples), levels, settings.balance) * samples.targets.weights
    places, chance = samples.places(settings.block_m), np.random.default_rng([seed, 4])
    return resample_places(places, levels, weights, chance, replace=resample, block_m=settings.block_m)
