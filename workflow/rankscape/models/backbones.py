"""Backbones: networks of timm without their classifier, or random convolutions; image in, feature vector out."""

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from rankscape.foundation.errors import WeightsError
from rankscape.models.convolutions import BandStatistics, RandomConvolutions, SideBySide, form_of, forms_of
from rankscape.models.feature_maps import Levels, base_of, has_levels, headless
from rankscape.models.galileo import GalileoPatches, galileo_of, used_weights
from rankscape.models.preparation import IMAGENET_STATISTICS, Statistics
from rankscape.models.published import packaged_file, packaged_weights, published_weights
from rankscape.models.tile2vec import is_tile_net, tile_net
from rankscape.models.weights import read_weights, under

IMAGENET, RANDOM, PACKAGED = "imagenet", "random", "packaged"
HUB_PREFIX = "hf-hub:"
"""Before the name of a repository on the Hugging Face hub."""
OWN_PREFIX = "backbone."
"""Prefix of the backbone's weights in files that the stage `adapt` writes."""

_INNER_PREFIX = "network."
"""Prefix, after that, of the network inside of `Levels`."""
_KEPT_ALIVE: list[torch.library.Library] = []
"""Operators are forgotten when their library object is."""


def create_backbone(
    architecture: str, weights: str, channels: int, seed: int, *, bands: Sequence[str] = ()
) -> torch.nn.Module:
    """Make a backbone.

    Args:
        architecture: Name of a timm model, such as `resnet18`, with `+levels` for features of all its resolutions
            (`vision.levels`), or of random convolutions, such as `random-convolutions-3px-128`: with weights `random`
            these have no filters until `vision.filters` sets them; or of Galileo, such as `galileo-nano-8px`; or of
            Tile2Vec, such as `tile2vec-512`; or `band-statistics`, mean and deviation of every channel.
        weights: `imagenet`, `packaged`, `random`, `hf-hub:` and the name of a repository, or the path of a file with
            weights of this architecture: safetensors as timm publishes them, or as a stage wrote them, or a pickle of
            tensors alone.
        channels: Channels of the input. Published weights for three channels are repeated over more, and summed over
            one, as timm does.
        seed: Seed of the initial weights; what `weights` brings replaces them.
        bands: Names of the channels, for networks that know bands by name.

    Returns:
        Module in evaluation mode: (n, channels, height, width) -> (n, dims); `num_features` is dims.

    Raises:
        WeightsError: If there is no such architecture, the weights cannot be had, or belong to another architecture.
    """
    model = _new_model(architecture, channels, seed, bands)
    source = find_weights(architecture, weights)
    if source is not None:
        tensors = packaged_weights(source) if weights == PACKAGED else read_weights(source)[0]
        if isinstance(model, GalileoPatches):
            tensors = _of_galileo(tensors, model)
        own = under(tensors, f"{OWN_PREFIX}{_INNER_PREFIX}") if has_levels(architecture) else {}
        if own:
            model = headless(model, architecture)
        _fill(model, own or tensors, f"{source}", architecture, channels)
    if has_levels(architecture):
        return Levels(headless(model, architecture), channels, architecture).eval()
    model.num_features = int(getattr(model, "head_hidden_size", None) or model.num_features)
    ready: torch.nn.Module = model.eval()
    return ready


def check_input(backbone: torch.nn.Module, channels: int, input_px: int, architecture: str) -> None:
    """Try one empty image.

    Raises:
        WeightsError: If the architecture does not take images of this size.
    """
    try:
        with torch.inference_mode():
            backbone(torch.zeros(1, channels, input_px, input_px))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise WeightsError(
            f"{architecture} does not take images of {input_px} px ({error}): mend adapt.input_px, or choose"
            " another adapt.architecture."
        ) from None


def synchronised(network: torch.nn.Module) -> None:
    """Let batch normalisation, also timm's own kind, take the statistics of all processes' images; changes in place.

    Names and shapes of the weights stay. Only GPUs can do it.
    """
    _timm().layers.convert_sync_batchnorm(network)


def find_weights(architecture: str, weights: str) -> Path | None:
    """Return the file that initial weights come from; None for `random`.

    Weights of the Hugging Face hub are looked for in its cache first, so that a run with them needs no network and
    takes what the last one took; then they are downloaded, with one try.

    Raises:
        WeightsError: If there is no such file; the message says how to get it.
    """
    if weights == RANDOM:
        return None
    if weights == PACKAGED:
        return packaged_file(base_of(architecture))
    if weights.startswith(HUB_PREFIX):
        return published_weights(weights.removeprefix(HUB_PREFIX), architecture)
    if weights != IMAGENET:
        path = Path(weights)
        if not path.is_file():
            raise WeightsError(
                f"adapt.weights = {weights!r} is no file: give the path of a safetensors file, `{IMAGENET}`,"
                f" `{PACKAGED}`, `{HUB_PREFIX}` and a repository, or `{RANDOM}`."
            )
        return path
    return _from_hub(architecture)


def published_statistics(architecture: str) -> Statistics:
    """Return mean and deviation of red, green, blue that an architecture's published weights were trained with.

    Most of timm's took ImageNet's, others one half, as TensorFlow's networks did; ImageNet's where nothing is known.
    """
    known = None if _is_own(architecture) else _timm().get_pretrained_cfg(base_of(architecture))
    return IMAGENET_STATISTICS if known is None else (tuple(known.mean), tuple(known.std))


def _is_own(architecture: str) -> bool:
    """Whether a network is none of timm's."""
    named = form_of(architecture) or galileo_of(architecture)
    return named is not None or architecture == BandStatistics.NAME or is_tile_net(architecture)


def _from_hub(architecture: str) -> Path:
    if _is_own(architecture):
        raise WeightsError(
            f"{architecture} has no ImageNet weights: set adapt.weights to `{RANDOM}`, or a file with its own."
        )
    _check_name(base_of(architecture))
    known = _timm().get_pretrained_cfg(base_of(architecture))
    if known is None or not known.hf_hub_id:
        raise WeightsError(
            f"timm publishes no ImageNet weights of {architecture}: set adapt.weights to `{RANDOM}` or a file."
        )
    return published_weights(known.hf_hub_id, architecture)


def _new_model(architecture: str, channels: int, seed: int, bands: Sequence[str]) -> Any:
    forms = forms_of(architecture)
    if forms:
        return RandomConvolutions(forms[0], channels) if len(forms) == 1 else SideBySide(forms, channels)
    if architecture == BandStatistics.NAME:
        return BandStatistics(channels)
    is_galileo = galileo_of(architecture) is not None
    if not is_galileo and not is_tile_net(architecture):
        _check_name(base_of(architecture))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if is_galileo:
            return GalileoPatches(architecture, bands)
        if is_tile_net(architecture):
            return tile_net(architecture, channels)
        return _timm().create_model(base_of(architecture), pretrained=False, num_classes=0, in_chans=channels)


def _of_galileo(tensors: dict[str, torch.Tensor], model: GalileoPatches) -> dict[str, torch.Tensor]:
    """Weights as Galileo's authors publish them, or as a stage wrote them, with the names of the backbone."""
    if under(tensors, OWN_PREFIX):
        return tensors
    published = {f"network.{name}": tensor for name, tensor in used_weights(tensors).items()}
    return {**published, "month": model.month}


def _check_name(architecture: str) -> None:
    timm = _timm()
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=3)
        raise WeightsError(
            f"adapt.architecture = {architecture!r} is no model of timm {timm.__version__}; near: {near}."
        )


def _fill(model: Any, tensors: dict[str, torch.Tensor], source: str, architecture: str, channels: int) -> None:
    given = under(tensors, OWN_PREFIX) or _without_classifier(tensors, model)
    own = model.state_dict()
    fitting = {name: _for_channels(name, tensor, model, channels) for name, tensor in given.items()}
    # Counters of batches seen are missing in old files, and mean nothing once a network is fitted.
    missing = [name for name in own if name not in fitting and not name.endswith("num_batches_tracked")]
    strange = [name for name in fitting if name not in own]
    misshapen = [name for name in fitting if name in own and fitting[name].shape != own[name].shape]
    if missing or strange or misshapen:
        raise WeightsError(
            f"{source} holds no weights of {architecture} with {channels} channels: missing {_few(missing)}, unknown"
            f" {_few(strange)}, of another shape {_few(misshapen)}; name the architecture that they belong to."
        )
    model.load_state_dict({**own, **fitting})


def _without_classifier(tensors: dict[str, torch.Tensor], model: Any) -> dict[str, torch.Tensor]:
    names = _names(_published(model, "classifier"))
    return {name: tensor for name, tensor in tensors.items() if name.rpartition(".")[0] not in names}


def _for_channels(name: str, tensor: torch.Tensor, model: Any, channels: int) -> torch.Tensor:
    """Weights of the first layer, published for three channels, for as many as the model has."""
    first = name.rpartition(".")[0] in _names(_published(model, "first_conv"))
    if not first or tensor.ndim != 4 or tensor.shape[1] != 3 or channels == 3:
        return tensor
    adapted: torch.Tensor = _timm().models.adapt_input_conv(channels, tensor)
    return adapted


def _published(model: Any, part: str) -> Any:
    """Name of a part of a network in the weights that timm publishes; None where timm publishes none."""
    return getattr(model, "pretrained_cfg", {}).get(part)


def _names(listed: Any) -> tuple[str, ...]:
    return (listed,) if isinstance(listed, str) else tuple(listed or ())


def _few(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else "none"


def mend_torchvision() -> None:
    """Make torchvision importable for other libraries that need it."""
    _timm()


def _timm() -> ModuleType:
    """Import timm, and torchvision for it.

    A torchvision built for CUDA beside a PyTorch without it lacks two compiled operators and does not import. timm
    never calls them: where, and only where, the import fails for that reason, they are declared without a body.
    """
    try:
        import timm
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        _declare_operators()
        import timm
    return timm


def _declare_operators() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("torchvision", "timm")]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _KEPT_ALIVE.append(library)
