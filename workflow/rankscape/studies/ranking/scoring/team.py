"""From trained parts to the whole score model: their weights, score_std, and what all reach on held-out patches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from rankscape.foundation import progress
from rankscape.learning.selection import Selection
from rankscape.studies.ranking.scoring.auxiliary import auxiliary_part, balance
from rankscape.studies.ranking.scoring.calibration import FEWEST, Calibration, coverage_record, fit_calibration
from rankscape.studies.ranking.scoring.metrics import held_out_metrics
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.parts import Part, combine
from rankscape.studies.ranking.scoring.samples import targets_of
from rankscape.studies.ranking.scoring.training import Lesson


class History(Protocol):
    """How one network came about."""

    @property
    def scores(self) -> np.ndarray:
        """Its scores of the held-out patches, float64, shape (validation,)."""

    def to_document(self) -> dict[str, Any]:
        """Describe it as JSON: seed, best_epoch and epochs at least."""


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


def assemble(part: Part, fits: Sequence[History], lesson: Lesson) -> tuple[ScoreModel, dict[str, Any]]:
    """Make the score model of the networks, and of the auxiliary model if the settings ask for one.

    Args:
        part: The networks.
        fits: How each came about.
        lesson: Patches and settings.

    Returns:
        The model, its networks on the CPU, and for `score.json`: `validation` of the model's score, `parts`, and
        `uncertainty` (how score_std was calibrated; null with fewer than 10 held-out patches).
    """
    held_out, team = lesson.validation, [Member("networks", part, fits, {})]
    if lesson.settings.auxiliary is not None:
        team = _with_auxiliary(team[0], lesson)
    kept = [member for member in team if member.part.weight > 0]
    parts = tuple(member.part for member in kept)
    score, ensemble_std = combine(np.concatenate([member.scores for member in kept]), parts)
    errors = score - targets_of(held_out)
    calibration = fit_calibration(errors, ensemble_std) if len(held_out) >= FEWEST else None
    store = held_out.stores[0]
    model = ScoreModel(parts, str(store.array.dtype), store.grid.patch_px, calibration)
    document = {
        "validation": held_out_metrics(score, held_out),
        "parts": [member.to_document(held_out) for member in team],
        "uncertainty": None if calibration is None else _uncertainty(calibration, errors, ensemble_std, lesson),
    }
    return model, document


def _with_auxiliary(networks: Member, lesson: Lesson) -> list[Member]:
    settings = lesson.settings.auxiliary
    assert settings is not None
    part, fits = auxiliary_part(settings, lesson, lesson.settings.seed)
    auxiliary = Member("auxiliary", part, fits, {})
    means = [member.scores.mean(axis=0) for member in (networks, auxiliary)]
    share = balance(settings.weight, means[0], means[1], lesson.validation)
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
    calibration: Calibration, errors: np.ndarray, ensemble_std: np.ndarray, lesson: Lesson
) -> dict[str, Any]:
    places = lesson.validation.places(lesson.settings.block_m)
    chance = np.random.default_rng([lesson.settings.seed, 5])
    coverage = coverage_record(errors, ensemble_std, places, chance)
    progress.say(
        f"score_std = sqrt({calibration.floor:.3f}² + ({calibration.factor:.2f} ensemble_std)²): {coverage['patches']} "
        f"held-out targets lie within 0.99 score_std {coverage['score_std']['within_68']:.0%} of the time, within "
        f"0.99 ensemble_std {coverage['ensemble_std']['within_68']:.0%}"
    )
    return {**calibration.to_document(), "coverage": coverage}
