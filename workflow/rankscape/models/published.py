"""Published weights: from the local cache of the Hugging Face hub, or downloaded into it."""

import contextlib
from pathlib import Path

import httpx2
import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from rankscape.foundation.errors import WeightsError

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
