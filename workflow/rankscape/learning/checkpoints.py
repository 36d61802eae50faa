"""Checkpoints: what a training that was killed needs to go on to the same curve and weights, bit for bit.

One safetensors file a seed, written whole or not at all after an epoch. Its JSON document says what it belongs to; a
digest shows whether a bit has changed since. Files of other settings, data, code or packages lie in folders of other
names: they are never read by mistake, and serve again if the settings go back.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from rankscape.foundation import progress
from rankscape.foundation.errors import WeightsError
from rankscape.learning.processes import ProcessGroup
from rankscape.learning.trainer import TrainState
from rankscape.models.weights import load_weights, save_weights, under

_NAME_DIGITS = 16


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training: of one set of settings, data, code and packages."""

    folder: Path
    """Folder that trainings share; each has a folder of its own in it."""
    fingerprint: str
    """What the training is, as 64 hex digits."""

    @classmethod
    def of(cls, folder: Path, record: Mapping[str, Any]) -> Self:
        """Open the checkpoints of a training and say in one line if others lie beside them.

        Args:
            folder: Folder that holds them; it is made with the first.
            record: Provenance of the training: package, code, settings, hashes of all inputs, backend.
        """
        known = {**record, "torch": torch.__version__, "numpy": np.__version__}
        text = json.dumps(known, sort_keys=True, ensure_ascii=False)
        found = cls(folder, hashlib.sha256(text.encode()).hexdigest())
        others = [path for path in _files(folder, "seed-*.safetensors") if path.parent != found._own]
        if others:
            progress.say(f"{folder} holds {len(others)} checkpoint(s) of other settings, data or code: not used")
        for torn in found._own.glob(".seed-*.part*"):
            torn.unlink(missing_ok=True)
        return found

    def path(self, seed: int) -> Path:
        """Return the file of a seed."""
        return self._own / f"seed-{seed}.safetensors"

    def write(self, seed: int, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
        """Write the state of a training.

        Raises:
            DiskError: If the disk is full.
        """
        whole = {**document, "fingerprint": self.fingerprint, "seed": seed}
        save_weights(self.path(seed), tensors, {**whole, "digest": digest(tensors, whole)})

    def read(self, seed: int) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Read a seed's checkpoint; one that is broken is put aside with one line, and counts as none."""
        path = self.path(seed)
        if not path.exists():
            return None
        try:
            tensors, document = load_weights(path)
            if document.pop("digest", None) != digest(tensors, document):
                raise WeightsError(f"{path} holds other bytes than were written.")
            if (document["fingerprint"], document["seed"]) != (self.fingerprint, seed):
                raise WeightsError(f"{path} belongs to another training.")
        except (WeightsError, ValueError) as error:
            aside = path.replace(path.with_suffix(".broken"))
            progress.say(f"seed {seed} starts anew, its checkpoint is put aside as {aside}: {error}")
            return None
        return tensors, document

    def keep(self, seed: int, state: TrainState, is_over: bool) -> None:
        """Write the state of a training, after every epoch and when it is over.

        Raises:
            DiskError: If the disk is full.
        """
        self.write(seed, *pack(state, is_over))

    def resume(self, seed: int, state: TrainState, group: ProcessGroup) -> None:
        """Put a training where its checkpoint left it; without one it stays at its start.

        Call it where the training draws from the global random generators, which are set too. Of several processes the
        first reads the checkpoint for all.
        """
        found = group.broadcast(self.read(seed) if group.rank == 0 else None)
        if found is None:
            return
        tensors, document = found
        unpack(state, tensors, document)
        done = f"after epoch {len(state.curve)}, from {self.path(seed)}"
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


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(f"{'[0-9a-f]' * _NAME_DIGITS}/{pattern}"))


def digest(tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of tensors and document as 64 hex digits."""
    total = hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=False).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        if tensor.numel():
            total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def pack(state: TrainState, is_over: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Take a training apart into tensors and JSON values; one that is over needs no more than its best weights.

    Numbers that JSON lacks (infinite, NaN) are text or go with the tensors.
    """
    tensors = {f"best.{name}": tensor for name, tensor in state.best_state.items()}
    tensors["losses"] = torch.tensor(state.losses, dtype=torch.float64)
    tensors["best_loss"] = torch.tensor([state.best], dtype=torch.float64)
    tensors["best_outputs"] = torch.from_numpy(state.best_outputs)
    document: dict[str, Any] = {"over": is_over, "curve": json.dumps(state.curve)}
    if is_over and state.best_state:
        return tensors, document
    tensors |= {f"network.{name}": tensor for name, tensor in state.network.state_dict().items()}
    tensors |= {"chance.light": state.light.get_state(), "chance.cpu": torch.get_rng_state()}
    if state.device.type == "cuda":
        tensors["chance.cuda"] = torch.cuda.get_rng_state(state.device)
    moments = [optimizer.state_dict() for optimizer in state.optimizers]
    for place, own in enumerate(moments):
        tensors |= {f"moments.{place}.{n}.{kind}": v for n, kinds in own["state"].items() for kind, v in kinds.items()}
    return tensors, {
        **document,
        "groups": [own["param_groups"] for own in moments],
        "schedule": None if state.schedule is None else state.schedule.state_dict(),
        "chance": state.chance.bit_generator.state,
    }


def unpack(state: TrainState, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
    """Put together again what `pack` took apart, the global random generators included."""
    state.curve, state.losses = json.loads(document["curve"]), tensors["losses"].tolist()
    state.best, state.best_outputs = float(tensors["best_loss"]), tensors["best_outputs"].numpy()
    state.best_state = under(tensors, "best.")
    if "groups" not in document:
        return
    state.network.load_state_dict(under(tensors, "network."))
    for place, optimizer in enumerate(state.optimizers):
        groups = [
            {name: tuple(value) if name == "betas" else value for name, value in group.items()}
            for group in document["groups"][place]
        ]
        moments = _moments(optimizer, under(tensors, f"moments.{place}."))
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
    if state.schedule is not None:
        state.schedule.load_state_dict(dict(document["schedule"]))
    state.chance.bit_generator.state = document["chance"]
    state.light.set_state(tensors["chance.light"])
    torch.set_rng_state(tensors["chance.cpu"])
    if state.device.type == "cuda":
        torch.cuda.set_rng_state(tensors["chance.cuda"], state.device)


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
