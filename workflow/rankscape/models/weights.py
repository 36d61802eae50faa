"""Network weights on disk: safetensors with one JSON document; of others' pickles the tensors and nothing else."""

import json
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from rankscape.foundation.errors import WeightsError
from rankscape.foundation.files import write_bytes
from rankscape.foundation.provenance import KEY

PICKLES = (".pt", ".pth", ".ckpt")
"""Endings of weights as PyTorch pickles them."""


def save_weights(path: Path, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
    """Write weights atomically; the same tensors and document give the same bytes.

    Args:
        path: Final name, ending in `.safetensors`.
        tensors: Weights by name, on any device, in any memory layout.
        document: What must be known to use them; kept in the file's metadata under `rankscape` as JSON.
    """
    plain = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(Path(path), safetensors.torch.save(plain, metadata={KEY: text}))


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read weights and their document, on the CPU.

    Raises:
        WeightsError: If the file is missing, no whole safetensors file, or was not written by Rankscape.
    """
    tensors, metadata = read_safetensors(path)
    if KEY not in metadata:
        raise WeightsError(
            f"{path} has no metadata `{KEY}`: it was not made by Rankscape; name a file made by a stage."
        )
    document: dict[str, Any] = json.loads(metadata[KEY])
    return tensors, document


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read any safetensors file: its tensors and its metadata.

    Raises:
        WeightsError: If the file is missing or no whole safetensors file.
    """
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as handle:
            return {name: handle.get_tensor(name) for name in handle.keys()}, handle.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise WeightsError(f"{path} does not exist: make it first, or mend the path.") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is no whole safetensors file ({error}): make it or download it again.") from None


def metadata_of(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file; a pickle has none."""
    if path.suffix in PICKLES:
        return {}
    with safetensors.safe_open(path, framework="pt", device="cpu") as handle:
        return dict(handle.metadata() or {})


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the weights of a file of the user's own: safetensors, or a pickle of tensors, which has no metadata.

    Raises:
        WeightsError: If the file is missing, broken, or a pickle with more than tensors.
    """
    if path.suffix not in PICKLES:
        return read_safetensors(path)
    try:
        with warnings.catch_warnings():
            # Of the kind of a pickle that is refused anyway.
            warnings.simplefilter("ignore", UserWarning)
            found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{path} does not exist: make it first, or mend the path.") from None
    except pickle.UnpicklingError:
        raise WeightsError(
            f"{path} is a pickle with more than tensors, and reading it would run its code: write the network's"
            " state_dict() alone, best as safetensors."
        ) from None
    except (RuntimeError, EOFError, OSError, KeyError) as error:
        raise WeightsError(f"{path} holds no weights ({' '.join(str(error).split())[:80]}): make it again.") from None
    inner = found.get("state_dict", found) if isinstance(found, Mapping) else found
    if not isinstance(inner, Mapping) or not all(isinstance(one, Tensor) for one in inner.values()):
        raise WeightsError(f"{path} holds no tensors by name: write the network's state_dict() alone.")
    return {str(name): tensor for name, tensor in inner.items()}, {}


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
