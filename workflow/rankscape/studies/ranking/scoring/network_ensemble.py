"""The ensemble: one draw of samples, one split by place, one network a seed, and the model that they make together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rankscape.foundation import progress
from rankscape.foundation.errors import RasterError, WeightsError
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.processes import ProcessGroup
from rankscape.learning.selection import Selection
from rankscape.learning.splits import Split, split_by_block
from rankscape.models.backbones import RANDOM
from rankscape.models.preparation import Preparation
from rankscape.models.weights import load_weights
from rankscape.studies.ranking.scoring.auxiliary import auxiliary_part, balance
from rankscape.studies.ranking.scoring.calibration import (
    FEWEST,
    Calibration,
    calibrate,
    coverage_record,
    fit_calibration,
)
from rankscape.studies.ranking.scoring.card import training_record
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.network import Part, ScoreNetwork, combine, start_network
from rankscape.studies.ranking.scoring.objectives import objective_of
from rankscape.studies.ranking.scoring.ridging import ridges_of
from rankscape.studies.ranking.scoring.samples import clusters_of, held_out_metrics, levels_of, limited, targets_of
from rankscape.studies.ranking.scoring.score_targets import Targets
from rankscape.studies.ranking.scoring.settings import TrainSettings
from rankscape.studies.ranking.scoring.training import FitResult, History, ScoreTask, train_network


@dataclass(frozen=True)
class Member:
    """A part and how its networks came about."""

    name: str
    """`networks` or `auxiliary`."""
    part: Part
    """The part."""
    fits: Sequence[History]
    """One for each of its networks."""
    known: dict[str, Any]
    """What else is recorded of it."""

    @property
    def scores(self) -> np.ndarray:
        """Scores of the held-out patches, float64, shape (networks, validation)."""
        return np.stack([fit.scores for fit in self.fits])

    def to_document(self, held_out: Selection) -> dict[str, Any]:
        """Describe it as JSON, with the metrics of its own mean score."""
        return {
            "name": self.name,
            "architecture": self.part.architecture,
            "weight": self.part.weight,
            "validation": held_out_metrics(self.scores.mean(axis=0), held_out),
            **self.known,
        }


def train_ensemble(
    samples: Selection,
    targets: Targets,
    backbone: Path,
    settings: TrainSettings,
    device: torch.device,
    checkpoints: Checkpoints | None = None,
    cache_mb: float = 0.0,
    group: ProcessGroup | None = None,
) -> tuple[ScoreModel, dict[str, Any]] | None:
    """Train one network a seed, and the auxiliary model that the settings ask for.

    The processes of a group train networks together; ridge and auxiliary model are fitted by the first alone.

    Args:
        samples: Labelled patches of all granules.
        targets: Pseudo labels.
        backbone: The adapted backbone, whose architecture, preparation and weights the networks start from.
        settings: How to train.
        device: Where to train.
        checkpoints: Where a training that was killed goes on from; None starts anew and keeps nothing.
        cache_mb: Memory for patches resized to the network's input, in units of 1,000,000 bytes.
        group: The processes that train together, each of which calls this function; None for this one alone.

    Returns:
        The model, its networks on the CPU, and the document `score.json` without its provenance; None on the other
        processes of a group.

    Raises:
        RasterError: If the backbone was adapted to other bands than the patches have.
        SettingsError: If the patches cannot be split by place.
        WeightsError: If the backbone's file is broken, no backbone, or of another architecture.
    """
    architecture, preparation = _description(backbone)
    _check_bands(preparation, samples, backbone)
    drawn = limited(samples, settings.patches_per_cluster, np.random.default_rng([settings.seed, 0]))
    split = split_ranked(drawn, settings, np.random.default_rng([settings.seed, 1]))
    _say_split(split)
    sides = drawn.take(split.training), drawn.take(split.validation)
    task = ScoreTask(*sides, preparation, settings, device, targets.order, cache_mb, group)
    start = str(backbone) if settings.start == "adapted" else RANDOM
    made = _networks(architecture, start, task, checkpoints)
    if made is None:
        return None
    part, fits = made
    model, known = assemble(part, fits, task)
    if settings.refit:
        model = _from_all(model, part, start, replace(task, training=drawn))
    document = training_record(settings, targets, drawn, split, fits)
    return model, {**document, **known, "model": model.to_document()}


def split_ranked(samples: Selection, settings: TrainSettings, generator: np.random.Generator) -> Split:
    """Hold out blocks so that every level, and then every cluster, stays in training.

    Raises:
        SettingsError: If the samples cannot be split so.
    """
    strata = {"levels": levels_of(samples), "clusters": clusters_of(samples)}
    return split_by_block(samples, settings.block_m, settings.validation_fraction, generator, strata, "train")


def _networks(
    architecture: str, start: str, task: ScoreTask, checkpoints: Checkpoints | None
) -> tuple[Part, Sequence[History]] | None:
    """Make one network a seed, and say how each came about; None on all processes of a group but the first."""
    settings, is_first = task.settings, task.group.rank == 0
    seeds = tuple(range(settings.seed, settings.seed + settings.seeds))
    if settings.objective == "ridge":
        return ridges_of(architecture, start, task, seeds) if is_first else None
    trained = [_train_one(architecture, start, task, seed, checkpoints) for seed in seeds]
    networks = tuple(network.cpu() for network, _ in trained)
    return (Part(networks, architecture, task.preparation, seeds), [fit for _, fit in trained]) if is_first else None


def _from_all(model: ScoreModel, own: Part, start: str, task: ScoreTask) -> ScoreModel:
    """Fit the ridges of a model anew, now to the held-out patches too; weights and calibration stay as measured."""
    progress.say(f"fitted anew to all {len(task.training)} patches")
    parts = []
    for part in model.parts:
        if part.networks is own.networks:
            anew, _ = ridges_of(own.architecture, start, task, own.seeds)
        else:
            assert task.settings.auxiliary is not None
            anew, _ = auxiliary_part(task.settings.auxiliary, task, task.settings.seed)
        parts.append(replace(anew, weight=part.weight))
    return replace(model, parts=tuple(parts))


def _train_one(
    architecture: str, start: str, task: ScoreTask, seed: int, checkpoints: Checkpoints | None
) -> tuple[ScoreNetwork, FitResult]:
    network = start_network(architecture, start, task.preparation.channels, seed).to(task.device)
    network.use(task.settings.precision)
    fit = train_network(network, task, seed, checkpoints)
    is_calibrated = objective_of(task.settings, task.order).calibrates
    return network, calibrate(network, task, fit) if is_calibrated else fit


def _description(backbone: Path) -> tuple[str, Preparation]:
    _, document = load_weights(backbone)
    missing = [key for key in ("architecture", "preparation") if key not in document]
    if missing:
        raise WeightsError(f"{backbone} is no backbone (its description lacks {', '.join(missing)}): run adapt again.")
    return str(document["architecture"]), Preparation.from_document(document["preparation"])


def _check_bands(preparation: Preparation, samples: Selection, backbone: Path) -> None:
    bands = samples.stores[0].grid.bands
    if tuple(preparation.bands) != tuple(bands):
        raise RasterError(
            f"{backbone} was adapted to the bands {', '.join(preparation.bands)}, the patches have {', '.join(bands)}: "
            "run adapt again."
        )


def _say_split(split: Split) -> None:
    progress.say(
        f"{len(split.training)} patches in {split.training_groups} {split.places} to train on, {len(split.validation)} "
        f"in {split.validation_groups} to validate; left out of training: {split.overlapping} that overlap a "
        f"held-out patch, {split.identical} identical to one"
    )


def assemble(part: Part, fits: Sequence[History], task: ScoreTask) -> tuple[ScoreModel, dict[str, Any]]:
    """Make the score model of the networks, and of the auxiliary model if the settings ask for one.

    Args:
        part: The networks.
        fits: How each came about.
        task: Patches and settings.

    Returns:
        The model, its networks on the CPU, and for `score.json`: `validation` of the model's score, `parts`, and
        `uncertainty` (how score_std was calibrated; null with fewer than 10 held-out patches).
    """
    held_out, members = task.validation, [Member("networks", part, fits, {})]
    if task.settings.auxiliary is not None:
        members = _with_auxiliary(members[0], task)
    kept = [member for member in members if member.part.weight > 0]
    parts = tuple(member.part for member in kept)
    score, ensemble_std = combine(np.concatenate([member.scores for member in kept]), parts)
    errors = score - targets_of(held_out)
    calibration = fit_calibration(errors, ensemble_std) if len(held_out) >= FEWEST else None
    store = held_out.stores[0]
    model = ScoreModel(parts, str(store.array.dtype), store.grid.patch_px, calibration)
    document = {
        "validation": held_out_metrics(score, held_out),
        "parts": [member.to_document(held_out) for member in members],
        "uncertainty": None if calibration is None else _uncertainty(calibration, errors, ensemble_std, task),
    }
    return model, document


def _with_auxiliary(networks: Member, task: ScoreTask) -> list[Member]:
    settings = task.settings.auxiliary
    assert settings is not None
    part, fits = auxiliary_part(settings, task, task.settings.seed)
    auxiliary = Member("auxiliary", part, fits, {})
    means = [member.scores.mean(axis=0) for member in (networks, auxiliary)]
    share = balance(settings.weight, means[0], means[1], task.validation)
    known = {
        "weight_chosen_by": "held-out patches" if settings.weight == "auto" else "settings",
        "kendall_tau_b_by_weight": share.tried,
        "seeds": [fit.to_document() for fit in fits],
    }
    return [
        replace(networks, part=replace(networks.part, weight=1 - share.weight)),
        replace(auxiliary, part=replace(part, weight=share.weight), known=known),
    ]


def _uncertainty(
    calibration: Calibration, errors: np.ndarray, ensemble_std: np.ndarray, task: ScoreTask
) -> dict[str, Any]:
    places = task.validation.places(task.settings.block_m)
    chance = np.random.default_rng([task.settings.seed, 5])
    coverage = coverage_record(errors, ensemble_std, places, chance)
    progress.say(
        f"score_std = sqrt({calibration.floor:.3f}² + ({calibration.factor:.2f} ensemble_std)²): {coverage['patches']} "
        f"held-out targets lie within 0.99 score_std {coverage['score_std']['within_68']:.0%} of the time, within "
        f"0.99 ensemble_std {coverage['ensemble_std']['within_68']:.0%}"
    )
    return {**calibration.to_document(), "coverage": coverage}
