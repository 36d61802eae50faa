"""Settings of the stages that see: adapt (fit the backbone to land categories) and embed (docs/methods/learning.md)."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from rankscape.foundation.settings import Section

SELF_SUPERVISED = "self_supervised"
"""Value of `adapt.weights` that asks for the stage `pretrain`."""

_WEIGHT_FILES = (".safetensors", ".pt", ".pth", ".ckpt")
"""Endings of files with weights."""

Precision = Literal["float32", "bfloat16"]


def weights_file(weights: str) -> list[str]:
    """Return the file of the user's own that `weights` names; none where it names published or random weights."""
    return [weights] if weights.endswith(_WEIGHT_FILES) else []


class AdaptSettings(Section):
    """The backbone, how images are prepared for it, and how its land-category head is fitted."""

    architecture: str = "resnet18"
    """Name of a timm model, or of random convolutions, such as `random-convolutions-3px-128`."""
    weights: str = "imagenet"
    """`imagenet`, `packaged` (of `tf_efficientnet_lite0`), `hf-hub:owner/name`, `self_supervised` (by `pretrain`),
    `random`, or the path of a safetensors file with weights of this architecture."""
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
    """Share of the labelled patches, by blocks, that the fit is tested on and never sees; 0 fits to all."""
    block_m: Annotated[float, Field(gt=0)] = 20_000.0
    """Side of the square blocks that are held out whole; above the correlation length."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of initial weights, held-out blocks, order and augmentation."""
    fitted: Literal["all", "head"] = "all"
    """Backbone and head, or the head alone on the features of the backbone as it came."""
    method: Literal["supervised", "mean_teacher"] = "supervised"
    """Labelled patches alone, or Mean Teacher, which learns from patches without a label too."""
    consistency_weight: Annotated[float, Field(ge=0, le=1000)] = 12.5
    """Mean Teacher: weight of the difference between student and teacher, once it has risen."""
    ramp_epochs: Annotated[int, Field(ge=0, le=1000)] = 20
    """Mean Teacher: the weight rises over so many epochs."""
    teacher_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Mean Teacher: share of itself that the teacher keeps at a step, at most."""
    unlabelled_patches: Annotated[int, Field(ge=0, le=10_000_000)] = 20_000
    """Mean Teacher: at most so many usable patches without a label, drawn with the seed; 0 leaves the labelled ones."""

    @model_validator(mode="after")
    def _something_to_teach(self) -> "AdaptSettings":
        if self.method == "mean_teacher" and self.fitted == "head":
            raise ValueError(
                "method = 'mean_teacher' trains the backbone: set fitted to 'all', or method to 'supervised'"
            )
        if self.method == "mean_teacher" and self.architecture.startswith("random-convolutions"):
            raise ValueError(
                f"method = 'mean_teacher' trains the backbone, and nothing in {self.architecture} can be trained: set "
                "method to 'supervised', or architecture to a model of timm"
            )
        return self

    @model_validator(mode="after")
    def _something_to_pretrain(self) -> "AdaptSettings":
        if self.weights == SELF_SUPERVISED and self.architecture.startswith("random-convolutions"):
            raise ValueError(
                f"weights = {SELF_SUPERVISED!r} trains the backbone, and nothing in {self.architecture} can be trained:"
                " set weights to 'random', or architecture to a model of timm"
            )
        return self


class PretrainSettings(Section):
    """How the backbone teaches itself from patches without labels; used where `adapt.weights` is `self_supervised`.

    Architecture, colour and normalisation are those of `adapt`.
    """

    weights: str = "random"
    """What it starts from: as `adapt.weights`, without `self_supervised`."""
    input_px: Annotated[int, Field(ge=32, le=1024)] = 96
    """Views are squares of this side."""
    patches: Annotated[int, Field(ge=2, le=10_000_000)] = 50_000
    """At most so many usable patches are learned from, drawn with the seed."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Passes over the patches."""
    batch_size: Annotated[int, Field(ge=2, le=4096)] = 64
    """Patches a step, at most, each in two views; steps are made equally large."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Largest learning rate of the schedule (AdamW, one cycle of cosine)."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-4
    """Weight decay of AdamW."""
    smallest_crop: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Smallest share of a patch's area that a view shows."""
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Changes of light, colour, haze and sharpness between views; 1 is what dates do, 0 none."""
    projection_dims: Annotated[int, Field(ge=2, le=8192)] = 512
    """Width of the head that the loss is computed on; it is thrown away afterwards."""
    precision: Precision = "float32"
    """`bfloat16`: mixed precision, faster where the processor or GPU knows it; the weights stay float32."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of initial weights, patches drawn, order and views."""

    @field_validator("weights")
    @classmethod
    def _not_itself(cls, value: str) -> str:
        if value == SELF_SUPERVISED:
            raise ValueError("pre-training starts from other weights than its own: name random, or a file")
        return value


class EmbedderSettings(Section):
    """One embedding: a network that turns a patch into numbers, and how patches are prepared for it."""

    architecture: str = "random-convolutions-3px-256"
    """Random convolutions, such as `random-convolutions-4px-1000+6px-1000-bias0.5`; `galileo-nano-8px`;
    `band-statistics`; or a model of timm, such as `resnet152`."""
    weights: str = "random"
    """`random` (filters of random convolutions are taken from the patches), `imagenet`, `packaged`,
    `hf-hub:owner/name`, or the path of a file with weights of this architecture: safetensors, or tensors in a `.pt`."""
    input_px: Annotated[int, Field(ge=4, le=1024)] | None = None
    """Patches are resized to squares of this side; null leaves them as they are."""
    colour: Literal["rgb", "all", "grey"] = "all"
    """Channels that the network sees."""
    normalisation: Literal["imagenet", "patches", "each", "none"] = "none"
    """Mean and deviation of each channel, as `adapt.normalisation`; `none` for random convolutions and Galileo."""
    whitening_patches: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Squares that random filters are whitened by; null takes as many as filters, MOSAIKS took 100,000."""
    month: Annotated[int, Field(ge=1, le=12)] = 7
    """Month that the patches show, for networks that ask for it (Galileo)."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of random filters and weights."""


class EmbedSettings(Section):
    """How features are computed; a feature belongs to a patch as it is, without augmentation."""

    batch_size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Patches a forward pass; changes speed and memory, and results only in the last digits."""
