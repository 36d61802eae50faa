"""Settings of the score model, of what is shown of it, and of baseline models (docs/methods/scoring.md)."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from rankscape.foundation.settings import Identifier, Section, worded
from rankscape.learning.settings import Precision
from rankscape.samples.settings import ReferenceSettings


class AuxiliarySettings(Section):
    """Random convolutional features with ridge regression, fitted beside the networks as a second part of the model."""

    architecture: Annotated[
        str,
        Field(
            pattern=worded(
                "^random-convolutions-",
                "a name that begins with random-convolutions-, such as random-convolutions-5px-8192",
            )
        ),
    ] = "random-convolutions-3px-128-rms-log-standard"
    """Random convolutions; their filters are drawn from the patches trained on, anew for every seed."""
    input_px: Annotated[int, Field(ge=16, le=2048)] = 256
    """Side of the square that images are resized to for the auxiliary model."""
    normalisation: Literal["imagenet", "patches", "each", "none"] = "each"
    """Mean and deviation that the auxiliary model's images are normalised by, as in `adapt.normalisation`."""
    weight: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = 0.5
    """Share of the auxiliary model in the score; `auto` takes that of 0, .25, .5, .75 and 1 whose scores of the
    held-out patches follow the levels best. A part of share 0 is left out of the model."""
    seeds: Annotated[int, Field(ge=1, le=50)] = 3
    """Auxiliary models fitted, each with its own filters and, if there are several, its own draw of places."""
    copies: Annotated[int, Field(ge=1, le=100)] = 1
    """Rows of the ridge a training patch: the patch as it is and, above 1, augmented copies of it."""


class TrainSettings(Section):
    """How the network learns a score that respects the order."""

    objective: Literal["regression", "rank", "listwise", "ridge"] = "regression"
    """Score against target, with linearity over mixed images; smooth ranks in chains of the order; ordered pairs; or
    ridge regression on the features of the backbone as it is."""
    rank_steepness: Annotated[float, Field(gt=0, le=1000)] = 30.0
    """Factor k of the sigmoid that compares two scores, for `rank` and `listwise`."""
    targets: Literal["levels", "ranks", "ridit"] = "levels"
    """A cluster's target: evenly spaced by its level, its merged rank scaled to [0, 1], or the share of all land that
    its level stands above."""
    area_shares: dict[str, Annotated[float, Field(gt=0, lt=1)]] = {}
    """For `ridit`: share of all land of each land category, where patches were not drawn in proportion; they add up to
    1. Without them patches are counted."""
    linearity_weight: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Weight lambda of the linearity loss of `regression`; 0 leaves it out, and saves its forward passes."""
    linearity_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Mixed images a batch as a share of its images; 0.5 puts every image into one mixture."""
    start: Literal["adapted", "random"] = "adapted"
    """Weights that training starts from: the backbone as adapt left it, or random ones of each seed."""
    copies: Annotated[int, Field(ge=1, le=100)] = 1
    """Rows of `ridge` a training patch: the patch as it is and, above 1, augmented copies of it."""
    auxiliary: AuxiliarySettings | None = None
    """Random convolutional features with ridge as a second part of the model; null leaves it out."""
    batch_norm: Literal["batch", "frozen"] = "batch"
    """Batch normalisation by each batch, or with the means and deviations that the backbone came with."""
    balance: Literal["levels", "clusters", "patches"] = "levels"
    """What an epoch shows equally often: every level (and in it every cluster), every cluster, or every patch."""
    epochs: Annotated[int, Field(ge=1, le=1000)] = 30
    """Most passes over the training patches."""
    patience: Annotated[int, Field(ge=1, le=1000)] = 8
    """Training stops after so many epochs without a better validation loss."""
    patches_per_cluster: Annotated[int, Field(ge=2)] | None = 400
    """At most so many patches of a cluster are trained and validated on, drawn with the seed; null takes all."""
    batch_size: Annotated[int, Field(ge=2, le=4096)] = 64
    """Patches a step."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Largest learning rate of the schedule (AdamW, one cycle of cosine)."""
    backbone_rate: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Learning rate of the backbone as a multiple of the head's; below 1 for small data, 0 trains the head alone."""
    appearance: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How much the look of a date (gain, tint, haze, saturation) changes by chance in training, and in copies; 0 not,
    1 strongly."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-2
    """Weight decay of AdamW."""
    precision: Precision = "float32"
    """`bfloat16`: mixed precision, faster where the processor or GPU knows it; the weights stay float32."""
    validation_fraction: Annotated[float, Field(gt=0, lt=0.9)] = 0.2
    """Share of the patches, in whole blocks, that is held out for early stopping."""
    block_m: Annotated[float, Field(gt=0)] = 20_000.0
    """Side of the square blocks that training and validation never share; above the correlation length."""
    refit: bool = False
    """Whether `ridge`, once measured on the held-out patches, is fitted anew to all patches, these included."""
    seeds: Annotated[int, Field(ge=1, le=50)] = 3
    """Networks trained; the standard deviation of their scores tells how uncertain a score is. Several of `ridge` learn
    from places drawn with replacement."""
    seed: Annotated[int, Field(ge=0)] = 0
    """First seed; the draw of patches and the split by place are the same for all networks."""

    @model_validator(mode="after")
    def _shares_add_up(self) -> "TrainSettings":
        if self.area_shares and self.targets != "ridit":
            raise ValueError(f"area_shares goes with targets = 'ridit', not {self.targets!r}")
        if self.area_shares and abs(sum(self.area_shares.values()) - 1) > 1e-6:
            raise ValueError(f"area_shares adds up to {sum(self.area_shares.values()):g}, not to 1")
        return self

    @model_validator(mode="after")
    def _nothing_stops_a_ridge(self) -> "TrainSettings":
        if self.refit and self.objective != "ridge":
            raise ValueError(
                f"refit goes with objective = 'ridge' alone; {self.objective!r} stops by held-out patches: leave it off"
            )
        return self

    @model_validator(mode="after")
    def _chains_show_levels(self) -> "TrainSettings":
        if self.objective == "rank" and self.balance != "levels":
            raise ValueError(
                f"balance = {self.balance!r} does not go with objective = 'rank', whose batches show every level of a "
                "chain equally often: set balance to 'levels', or take the objective 'listwise'"
            )
        return self


class PredictSettings(Section):
    """How patches are scored."""

    batch_size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Patches a forward pass; changes speed and memory, and results only in the last digits."""
    precision: Precision = "float32"
    """`bfloat16`: mixed precision; scores differ in the third digit."""
    views: Literal[1, 4, 8] = 1
    """Views of each patch that its score is the mean of: as it is, its four turns, or its turns and mirrors."""
    score_std: Literal["calibrated", "ensemble"] = "calibrated"
    """What score_std is: the deviation from the target that held-out patches had at such an ensemble standard
    deviation, or the ensemble standard deviation itself."""


class InspectionSettings(Section):
    """Which patches are drawn for people to judge the score by."""

    spectrum: Annotated[int, Field(ge=2, le=400)] = 25
    """Patches from the lowest score to the highest, at evenly spaced quantiles."""
    uncertain: Annotated[int, Field(ge=0, le=100)] = 12
    """Patches on which the networks agree least."""
    contradictions: Annotated[int, Field(ge=0, le=100)] = 12
    """Patches whose score is farthest from the target of their cluster."""
    explained: Annotated[int, Field(ge=0, le=12)] = 3
    """So many of the uncertain and of the contradicting patches are shown with what raises and lowers their score,
    beside the lowest and the highest; 0 shows none."""


class SaliencySettings(Section):
    """What the networks responded to in each patch."""

    enabled: bool = True
    """Whether `saliency/{granule}.npy` is made; without it the report's map shows no Grad-CAM."""
    cells: Annotated[int, Field(ge=2, le=32)] = 5
    """Most places a side that are kept of each patch; the report carries them all."""
    occluded_patches: Annotated[int, Field(ge=0, le=100_000)] = 60
    """Patches of each granule that are explained by occlusion, where a network sees each patch as one place."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Patches a forward pass; changes speed and memory, and results only in the last digits."""


TAKEN = (
    "score", "gradient", "blue_green", "brightness", "granule", "role", "block", "distinct", "value", "raw", "coverage",
)  # fmt: skip
"""Names of what the evaluation compares besides baselines, and of its columns."""


class BaselineTrainSettings(Section):
    """How a baseline is trained; what is null is done as the section `train` says."""

    objective: Literal["regression", "rank", "listwise", "ridge"] | None = None
    """As `train.objective`."""
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """As `train.epochs`."""
    patience: Annotated[int, Field(ge=1, le=1000)] | None = None
    """As `train.patience`."""
    patches_per_cluster: Annotated[int, Field(ge=2)] | None = None
    """As `train.patches_per_cluster`; all patches only where that says so."""
    seeds: Annotated[int, Field(ge=1, le=50)] | None = None
    """As `train.seeds`; one is enough to compare scores, several tell how far chance moves them."""


class BaselineSettings(Section):
    """One baseline: the same pipeline with a reference in the place of judges and people."""

    kind: Literal["order", "regression"]
    """`order`: clusters are ordered by their mean of the reference, as `order-from-reference` says, then learned as any
    order; `regression`: every patch learns the rank of its own value of the reference."""
    reference: Identifier
    """Name of the reference, among `references`, that it learns from."""
    train: BaselineTrainSettings | None = None
    """What its training does otherwise than the section `train`; null changes nothing."""

    def training(self, train: TrainSettings) -> TrainSettings:
        """Return how its networks are trained: the section `train`, with what is set here.

        Raises:
            ValidationError: If the two do not go together.
        """
        own = {} if self.train is None else self.train.model_dump(exclude_none=True)
        return TrainSettings.model_validate({**train.model_dump(), **own})


def check_baselines(
    baselines: Mapping[str, BaselineSettings], references: Mapping[str, ReferenceSettings], train: TrainSettings
) -> None:
    """Refuse baselines that cannot be learned, or whose name means something else.

    Raises:
        ValueError: In one line that names the baseline and the key.
    """
    for name, baseline in baselines.items():
        if name in TAKEN:
            raise ValueError(f"ranking.baselines.{name}: the evaluation calls something else {name}: take another name")
        if baseline.reference not in references:
            raise ValueError(
                f"ranking.baselines.{name}.reference = {baseline.reference!r} is none of references "
                f"{sorted(references)}"
            )
        if references[baseline.reference].truth:
            raise ValueError(
                f"ranking.baselines.{name}.reference = {baseline.reference!r} is the truth of a synthetic region, "
                "which nobody could learn from: name a reference that real land has"
            )
        try:
            baseline.training(train)
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"ranking.baselines.{name}.train does not go with train: {said}") from None
