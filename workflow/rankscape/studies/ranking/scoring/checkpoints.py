"""Checkpoints of score networks: the curve and the best weights beside what every training needs to go on."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import Tensor

from rankscape.foundation import progress
from rankscape.learning.checkpoints import CheckpointFiles, pack, unpack
from rankscape.learning.teams import Team
from rankscape.models.weights import under
from rankscape.studies.ranking.scoring.course import Course, Epoch


@dataclass(frozen=True)
class Checkpoints(CheckpointFiles):
    """The checkpoints of one training of score networks, a file a seed."""

    def keep(self, seed: int, course: Course, is_over: bool) -> None:
        """Write the state of a training, if its turn has come or it is over.

        Raises:
            DiskError: If the disk is full.
        """
        if is_over or len(course.curve) % self.every == 0:
            self.write(seed, *_packed(course, is_over))

    def resume(self, seed: int, course: Course, team: Team) -> None:
        """Put a training where its checkpoint left it; without one it stays at its start.

        Call it where the training draws from the global random generators, which are set too. Of several processes the
        first reads the checkpoint for all.
        """
        found = team.agreed(self.read(seed) if team.rank == 0 else None)
        if found is None:
            return
        tensors, document = found
        _unpack(course, tensors, document)
        done = f"after epoch {len(course.curve)}, from {self.path(seed)}"
        progress.say(
            f"seed {seed}: was trained already, {done}" if document["over"] else f"seed {seed}: goes on {done}"
        )


def _packed(course: Course, is_over: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Take a training apart; numbers that JSON lacks (infinite, NaN) go with the tensors."""
    tensors = {f"best.{name}": tensor for name, tensor in course.best_state.items()}
    tensors["curve"] = torch.tensor([astuple(epoch)[1:] for epoch in course.curve], dtype=torch.float64).reshape(-1, 3)
    tensors["best_loss"] = torch.tensor([course.best], dtype=torch.float64)
    tensors["best_scores"] = torch.from_numpy(course.best_scores)
    if is_over:
        return tensors, {"over": True}
    state, document = pack(course)
    return tensors | state, {"over": False, **document}


def _unpack(course: Course, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
    """Put together again what `_packed` took apart."""
    course.curve = [Epoch(number, *values) for number, values in enumerate(tensors["curve"].tolist(), 1)]
    course.best = float(tensors["best_loss"])
    course.best_scores = tensors["best_scores"].numpy()
    course.best_state = under(tensors, "best.")
    if not document["over"]:
        unpack(course, tensors, document)
