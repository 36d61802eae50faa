"""Checkpoints: what a training that was killed needs to go on to the same curve and weights, bit for bit.

One safetensors file a seed, written whole or not at all after an epoch. Its JSON document says what it belongs to; a
digest shows whether a bit has changed since. Files of other settings, data, code or packages lie in folders of other
names: they are never read by mistake, and serve again if the settings go back.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rankscape.foundation import progress
from rankscape.foundation.errors import WeightsError
from rankscape.scoring.course import Course, Epoch
from rankscape.vision.teams import Team
from rankscape.vision.weights import load_weights, save_weights, under

_NAME_DIGITS = 16


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training: of one set of settings, data, code and packages."""

    folder: Path
    """Folder that trainings share; each has a folder of its own in it."""
    fingerprint: str
    """What the training is, as 64 hex digits."""
    every: int = 1
    """Epochs from one checkpoint to the next."""

    @classmethod
    def of(cls, folder: Path, record: Mapping[str, Any], every: int = 1) -> "Checkpoints":
        """Open the checkpoints of a training and say in one line if others lie beside them.

        Args:
            folder: Folder that holds them; it is made with the first.
            record: Provenance of the training: package, code, settings, hashes of all inputs, backend.
            every: Epochs from one checkpoint to the next.
        """
        known = {**record, "torch": torch.__version__, "numpy": np.__version__}
        text = json.dumps(known, sort_keys=True, ensure_ascii=False)
        found = cls(folder, hashlib.sha256(text.encode()).hexdigest(), every)
        others = [path for path in _files(folder, "seed-*.safetensors") if path.parent != found._own]
        if others:
            progress.say(f"{folder} holds {len(others)} checkpoint(s) of other settings, data or code: not used")
        for torn in found._own.glob(".seed-*.part*"):
            torn.unlink(missing_ok=True)
        return found

    def path(self, seed: int) -> Path:
        """Return the file of a seed."""
        return self._own / f"seed-{seed}.safetensors"

    def keep(self, seed: int, course: Course, is_over: bool) -> None:
        """Write the state of a training, if its turn has come or it is over.

        Raises:
            DiskError: If the disk is full.
        """
        if not is_over and len(course.curve) % self.every:
            return
        tensors, document = _packed(course, is_over)
        document |= {"fingerprint": self.fingerprint, "seed": seed}
        save_weights(self.path(seed), tensors, {**document, "digest": _digest(tensors, document)})

    def resume(self, seed: int, course: Course, team: Team) -> None:
        """Put a training where its checkpoint left it; without one it stays at its start.

        Call it where the training draws from the global random generators, which are set too. Of several processes the
        first reads the checkpoint for all.
        """
        found = team.agreed(self._read(seed) if team.rank == 0 else None)
        if found is None:
            return
        tensors, document = found
        _unpack(course, tensors, document)
        done = f"after epoch {len(course.curve)}, from {self.path(seed)}"
        progress.say(
            f"seed {seed}: was trained already, {done}" if document["over"] else f"seed {seed}: goes on {done}"
        )

    def clear(self) -> None:
        """Remove all checkpoints of the folder, and the folder if nothing else lies in it."""
        for path in [*_files(self.folder, "seed-*"), *_files(self.folder, ".seed-*.part*")]:
            path.unlink(missing_ok=True)
        for folder in [*self.folder.glob("[0-9a-f]" * _NAME_DIGITS), self.folder]:
            # A folder that holds anything else stays.
            with contextlib.suppress(OSError):
                folder.rmdir()

    @property
    def _own(self) -> Path:
        return self.folder / self.fingerprint[:_NAME_DIGITS]

    def _read(self, seed: int) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Read a seed's checkpoint; one that is broken is put aside with one line, and counts as none."""
        path = self.path(seed)
        if not path.exists():
            return None
        try:
            tensors, document = load_weights(path)
            if document.pop("digest", None) != _digest(tensors, document):
                raise WeightsError(f"{path} holds other bytes than were written.")
            if (document["fingerprint"], document["seed"]) != (self.fingerprint, seed):
                raise WeightsError(f"{path} belongs to another training.")
        except (WeightsError, ValueError) as error:
            aside = path.replace(path.with_suffix(".broken"))
            progress.say(f"seed {seed} starts anew, its checkpoint is put aside as {aside}: {error}")
            return None
        return tensors, document


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(f"{'[0-9a-f]' * _NAME_DIGITS}/{pattern}"))


def _digest(tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=False).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        if tensor.numel():
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _packed(course: Course, is_over: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Take a training apart; numbers that JSON lacks (infinite, NaN) go with the tensors."""
    tensors = {f"best.{name}": tensor for name, tensor in course.best_state.items()}
    tensors["curve"] = torch.tensor([astuple(epoch)[1:] for epoch in course.curve], dtype=torch.float64).reshape(-1, 3)
    tensors["best_loss"] = torch.tensor([course.best], dtype=torch.float64)
    tensors["best_scores"] = torch.from_numpy(course.best_scores)
    if is_over:
        return tensors, {"over": True}
    moments = course.optimizer.state_dict()
    tensors |= {f"network.{name}": tensor for name, tensor in course.network.state_dict().items()}
    tensors |= {f"moments.{n}.{kind}": value for n, kinds in moments["state"].items() for kind, value in kinds.items()}
    tensors |= {"chance.light": course.light.get_state(), "chance.cpu": torch.get_rng_state()}
    if course.device.type == "cuda":
        tensors["chance.cuda"] = torch.cuda.get_rng_state(course.device)
    document = {
        "over": False,
        "groups": moments["param_groups"],
        "schedule": course.schedule.state_dict(),
        "chance": course.chance.bit_generator.state,
    }
    return tensors, document


def _unpack(course: Course, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
    """Put together again what `_packed` took apart."""
    course.curve = [Epoch(number, *values) for number, values in enumerate(tensors["curve"].tolist(), 1)]
    course.best = float(tensors["best_loss"])
    course.best_scores = tensors["best_scores"].numpy()
    course.best_state = under(tensors, "best.")
    if document["over"]:
        return
    course.network.load_state_dict(under(tensors, "network."))
    groups = [{**group, "betas": tuple(group["betas"])} for group in document["groups"]]
    course.optimizer.load_state_dict(
        {"state": _moments(course.optimizer, under(tensors, "moments.")), "param_groups": groups}
    )
    course.schedule.load_state_dict(dict(document["schedule"]))
    course.chance.bit_generator.state = document["chance"]
    course.light.set_state(tensors["chance.light"])
    torch.set_rng_state(tensors["chance.cpu"])
    if course.device.type == "cuda":
        torch.cuda.set_rng_state(tensors["chance.cuda"], course.device)


def _moments(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Return the optimiser's moments by parameter, each on its device and in its memory layout, counts as they are."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, kind = name.split(".")
        like = parameters[int(number)].detach()
        # In another memory layout a kernel may round differently.
        laid = tensor if kind == "step" else torch.empty_like(like).copy_(tensor)
        state.setdefault(int(number), {})[kind] = laid
    return state
