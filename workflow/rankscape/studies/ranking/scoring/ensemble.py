"""Training the ensemble: one draw of patches, one split by place, one network a seed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rankscape.foundation import progress
from rankscape.foundation.errors import RasterError, WeightsError
from rankscape.learning.selection import Selection
from rankscape.learning.splits import Split, split_by_block
from rankscape.learning.teams import Team
from rankscape.models.backbones import RANDOM
from rankscape.models.preparation import Preparation
from rankscape.models.weights import load_weights
from rankscape.studies.ranking.scoring.auxiliary import auxiliary_part
from rankscape.studies.ranking.scoring.calibration import calibrate
from rankscape.studies.ranking.scoring.checkpoints import Checkpoints
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.network import ScoreNetwork, start_network
from rankscape.studies.ranking.scoring.objectives import objective_of
from rankscape.studies.ranking.scoring.parts import Part
from rankscape.studies.ranking.scoring.record import training_record
from rankscape.studies.ranking.scoring.ridging import ridges_of
from rankscape.studies.ranking.scoring.samples import clusters_of, levels_of, limited
from rankscape.studies.ranking.scoring.targets import Targets
from rankscape.studies.ranking.scoring.team import History, assemble
from rankscape.studies.ranking.scoring.training import Fit, Lesson, train_network
from rankscape.studies.ranking.settings.scoring import TrainSettings


def train_ensemble(
    pool: Selection,
    targets: Targets,
    backbone: Path,
    settings: TrainSettings,
    device: torch.device,
    checkpoints: Checkpoints | None = None,
    cache_mb: float = 0.0,
    team: Team | None = None,
) -> tuple[ScoreModel, dict[str, Any]] | None:
    """Train one network a seed, and the auxiliary model that the settings ask for.

    The processes of a team train networks together; ridge and auxiliary model are fitted by the first alone.

    Args:
        pool: Labelled patches of all granules.
        targets: Pseudo labels.
        backbone: The adapted backbone, whose architecture, preparation and weights the networks start from.
        settings: How to train.
        device: Where to train.
        checkpoints: Where a training that was killed goes on from; None starts anew and keeps nothing.
        cache_mb: Memory for patches resized to the network's input, in units of 1,000,000 bytes.
        team: The processes that train together, each of which calls this function; None for this one alone.

    Returns:
        The model, its networks on the CPU, and the document `score.json` without its provenance; None on the other
        processes of a team.

    Raises:
        RasterError: If the backbone was adapted to other bands than the patches have.
        SettingsError: If the patches cannot be split by place.
        WeightsError: If the backbone's file is broken, no backbone, or of another architecture.
    """
    architecture, preparation = _description(backbone)
    _check_bands(preparation, pool, backbone)
    drawn = limited(pool, settings.patches_per_cluster, np.random.default_rng([settings.seed, 0]))
    split = split_ranked(drawn, settings, np.random.default_rng([settings.seed, 1]))
    _say_split(split)
    sides = drawn.take(split.training), drawn.take(split.validation)
    lesson = Lesson(*sides, preparation, settings, device, targets.order, cache_mb, team)
    start = str(backbone) if settings.start == "adapted" else RANDOM
    made = _networks(architecture, start, lesson, checkpoints)
    if made is None:
        return None
    part, fits = made
    model, known = assemble(part, fits, lesson)
    if settings.refit:
        model = _from_all(model, part, start, replace(lesson, training=drawn))
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
    architecture: str, start: str, lesson: Lesson, checkpoints: Checkpoints | None
) -> tuple[Part, Sequence[History]] | None:
    """Make one network a seed, and say how each came about; None on all processes of a team but the first."""
    settings, is_first = lesson.settings, lesson.team.rank == 0
    seeds = tuple(range(settings.seed, settings.seed + settings.seeds))
    if settings.objective == "ridge":
        return ridges_of(architecture, start, lesson, seeds) if is_first else None
    trained = [_train_one(architecture, start, lesson, seed, checkpoints) for seed in seeds]
    networks = tuple(network.cpu() for network, _ in trained)
    return (Part(networks, architecture, lesson.preparation, seeds), [fit for _, fit in trained]) if is_first else None


def _from_all(model: ScoreModel, own: Part, start: str, lesson: Lesson) -> ScoreModel:
    """Fit the ridges of a model anew, now to the held-out patches too; weights and calibration stay as measured."""
    progress.say(f"fitted anew to all {len(lesson.training)} patches")
    parts = []
    for part in model.parts:
        if part.networks is own.networks:
            anew, _ = ridges_of(own.architecture, start, lesson, own.seeds)
        else:
            assert lesson.settings.auxiliary is not None
            anew, _ = auxiliary_part(lesson.settings.auxiliary, lesson, lesson.settings.seed)
        parts.append(replace(anew, weight=part.weight))
    return replace(model, parts=tuple(parts))


def _train_one(
    architecture: str, start: str, lesson: Lesson, seed: int, checkpoints: Checkpoints | None
) -> tuple[ScoreNetwork, Fit]:
    network = start_network(architecture, start, lesson.preparation.channels, seed).to(lesson.device)
    network.use(lesson.settings.precision)
    fit = train_network(network, lesson, seed, checkpoints)
    is_calibrated = objective_of(lesson.settings, lesson.order).calibrates
    return network, calibrate(network, lesson, fit) if is_calibrated else fit


def _description(backbone: Path) -> tuple[str, Preparation]:
    _, document = load_weights(backbone)
    missing = [key for key in ("architecture", "preparation") if key not in document]
    if missing:
        raise WeightsError(f"{backbone} is no backbone (its description lacks {', '.join(missing)}): run adapt again.")
    return str(document["architecture"]), Preparation.from_document(document["preparation"])


def _check_bands(preparation: Preparation, pool: Selection, backbone: Path) -> None:
    bands = pool.stores[0].grid.bands
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
