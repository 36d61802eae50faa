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
from torch import Tensor, nn

from rankscape.foundation import progress
from rankscape.foundation.errors import WeightsError
from rankscape.models.weights import load_weights, save_weights, under

_NAME_DIGITS = 16


@dataclass
class Run:
    """The state of one training between two epochs, as far as every training has one."""

    network: nn.Module
    """The network, with the weights of the last epoch."""
    optimizer: torch.optim.Optimizer
    """Its moments belong to the state."""
    schedule: torch.optim.lr_scheduler.LRScheduler
    """Where the learning rate stands."""
    chance: np.random.Generator
    """Source of the epochs' order."""
    light: torch.Generator
    """Source of augmentation, on the CPU."""
    device: torch.device
    """Where the network lies."""


@dataclass(frozen=True)
class CheckpointFiles:
    """The checkpoints of one training: of one set of settings, data, code and packages."""

    folder: Path
    """Folder that trainings share; each has a folder of its own in it."""
    fingerprint: str
    """What the training is, as 64 hex digits."""
    every: int = 1
    """Epochs from one checkpoint to the next."""

    @classmethod
    def of(cls, folder: Path, record: Mapping[str, Any], every: int = 1) -> Self:
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


def pack(run: Run) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Take a training apart into tensors and JSON values."""
    moments = run.optimizer.state_dict()
    tensors = {f"network.{name}": tensor for name, tensor in run.network.state_dict().items()}
    tensors |= {f"moments.{n}.{kind}": value for n, kinds in moments["state"].items() for kind, value in kinds.items()}
    tensors |= {"chance.light": run.light.get_state(), "chance.cpu": torch.get_rng_state()}
    if run.device.type == "cuda":
        tensors["chance.cuda"] = torch.cuda.get_rng_state(run.device)
    document = {
        "groups": moments["param_groups"],
        "schedule": run.schedule.state_dict(),
        "chance": run.chance.bit_generator.state,
    }
    return tensors, document


def unpack(run: Run, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
    """Put together again what `pack` took apart, the global random generators included."""
    run.network.load_state_dict(under(tensors, "network."))
    groups = [{**group, "betas": tuple(group["betas"])} for group in document["groups"]]
    run.optimizer.load_state_dict(
        {"state": _moments(run.optimizer, under(tensors, "moments.")), "param_groups": groups}
    )
    run.schedule.load_state_dict(dict(document["schedule"]))
    run.chance.bit_generator.state = document["chance"]
    run.light.set_state(tensors["chance.light"])
    torch.set_rng_state(tensors["chance.cpu"])
    if run.device.type == "cuda":
        torch.cuda.set_rng_state(tensors["chance.cuda"], run.device)


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
