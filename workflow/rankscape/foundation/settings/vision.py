"""Settings of the stages that see: adapt (fit the backbone to land categories) and embed (docs/vision.md)."""

from typing import Annotated, Literal

from pydantic import Field

from rankscape.foundation.settings.base import Section


class AdaptSettings(Section):
    """The backbone, how pictures are prepared for it, and how its land-category head is fitted."""

    architecture: str = "resnet18"
    """Name of a timm model, or of random convolutions, such as `random-convolutions-3px-128`."""
    weights: str = "imagenet"
    """`imagenet`, `packaged` (of `tf_efficientnet_lite0`), `hf-hub:owner/name`, `random`, or the path of a safetensors
    file with weights of this architecture."""
    input_px: Annotated[int, Field(ge=32, le=1024)] = 224
    """Patches are resized to squares of this side before the network."""
    colour: Literal["rgb", "all", "grey"] = "rgb"
    """Channels that the network sees: red, green, blue; all bands of the patches; or grey."""
    normalisation: Literal["imagenet", "patches", "each", "none"] = "imagenet"
    """Mean and deviation of each channel: ImageNet's (or what the published weights of the architecture took instead),
    the labelled patches', each patch's own, or 0 and 1 (`none`)."""
    epochs: Annotated[int, Field(ge=0, le=1000)] = 20
    """Passes over the labelled patches; 0 leaves the backbone as it came and fits nothing."""
    batch_size: Annotated[int, Field(ge=2, le=4096)] = 64
    """Patches a step, at most; steps are made equally large."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Largest learning rate of the schedule (AdamW, one cycle of cosine)."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-2
    """Weight decay of AdamW."""
    held_out_fraction: Annotated[float, Field(ge=0, lt=0.9)] = 0.2
    """Share of the labelled patches, by blocks of land, that the fit is tested on and never sees; 0 fits to all."""
    block_m: Annotated[float, Field(gt=0)] = 20_000.0
    """Side of the square blocks of land that are held out whole; above the correlation length."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of initial weights, held-out blocks, order and augmentation."""


class EmbedSettings(Section):
    """How features are computed; a feature belongs to a patch as it is, without augmentation."""

    batch_size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Patches a forward pass; changes speed and memory, and results only in the last digits."""
