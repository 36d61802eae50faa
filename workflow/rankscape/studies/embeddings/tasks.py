"""Settings of the stages that make labels and evaluate: what they compute depends on no other section."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from rankscape.foundation.settings import Identifier, Section
from rankscape.learning.ridge import PENALTIES

Model = Literal["ridge", "mlp-3", "mlp-5"]
"""What predicts labels from features: ridge regression, or a multi-layer perceptron of 3 or 5 layers."""

COORDINATES: Literal["coordinates"] = "coordinates"
SMOOTHING: Literal["smoothing"] = "smoothing"
BASELINES: tuple[Literal["coordinates", "smoothing"], ...] = (COORDINATES, SMOOTHING)
"""What predicts without an image: polynomials of the coordinates, and labels smoothed over the distance."""


class TaskSettings(Section):
    """One label that is predicted: a reference of the region, brought to patches, and how it is made a label."""

    reference: Identifier
    """One of `references`."""
    transform: Literal["none", "log", "log1p"] = "none"
    """Natural logarithm, or that of 1 + the value."""
    lowest: float | None = None
    """Labels below are raised to this, after the transform."""
    highest: float | None = None
    """Labels above are lowered to this, after the transform."""
    missing_above: float | None = None
    """Values above, before the transform, count as missing, such as radiance of gas flares."""

    @model_validator(mode="after")
    def _ends_in_order(self) -> "TaskSettings":
        if self.lowest is not None and self.highest is not None and self.lowest >= self.highest:
            raise ValueError(f"lowest = {self.lowest:g} must be below highest = {self.highest:g}")
        return self


class LabellingSettings(Section):
    """Which places are labelled, and into which folds they are put."""

    block_m: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """Side of the blocks of land that share a fold; `auto` takes the distance over which the label is correlated."""
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Patches of which the reference covers a smaller share have no label."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the folds."""


class DownstreamSettings(Section):
    """Regression from embeddings to labels, and how its predictions are judged."""

    models: Annotated[tuple[Model, ...], Field(min_length=1)] = ("ridge",)
    """What predicts from embeddings: `ridge`, and beside it multi-layer perceptrons of 3 or 5 layers, `mlp-3` and
    `mlp-5`, as features of their own, such as `both-mlp-3`."""
    penalties: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = PENALTIES
    """Penalties to choose from, for each embedding of a combination by itself."""
    standardise: bool = True
    """Features are divided by their deviation over the training places; needed where embeddings are combined."""
    checkerboard_m: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """Sides of the squares of checkerboards: one colour is predicted from the other."""
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Bootstrap draws of blocks."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the intervals."""

    @field_validator("models")
    @classmethod
    def _each_model_once(cls, value: tuple[Model, ...]) -> tuple[Model, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"models = {list(value)} names a model twice")
        return value


class MapSettings(Section):
    """A task that is predicted at every patch, from all its labels."""

    features: Identifier
    """Embedding or combination that it is predicted from."""
    pixels: bool | tuple[Annotated[str, Field(min_length=1)], ...] = False
    """Whether the prediction is also drawn at every pixel, of all granules or of those named: for one embedding of
    random convolutions."""


class CurveSettings(Section):
    """How R² in blocks depends on the number of labels, on that of features, and on the penalty."""

    features: tuple[Identifier, ...] | None = None
    """Embeddings and combinations whose curves are drawn; null for every embedding."""
    sizes: Annotated[tuple[Annotated[int, Field(ge=5)], ...], Field(min_length=1)] = (
        50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000,
    )  # fmt: skip
    """Numbers of labels, and of features, that are tried; those that there are not are passed over, all are tried."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the labels and features that are drawn; smaller samples are parts of larger ones."""
