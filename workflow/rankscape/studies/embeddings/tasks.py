"""Settings of the stages that make labels and evaluate: what they compute depends on no other section."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from rankscape.foundation.settings import Identifier, Section, worded
from rankscape.foundation.text_tables import TableFormat
from rankscape.learning.ridge import PENALTIES

Transform = Literal["none", "log", "log1p"]
"""How values become labels."""
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
    transform: Transform = "none"
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


class SplitSettings(Section):
    """One split of places into training, validation and test (64, 16, 20 %) for all networks, and ridge beside them."""

    block_m: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """Side of the blocks of land that share a part; `auto` takes the widest of the blocks of all tasks that networks
    learn."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the split."""


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


class UnitsSettings(TableFormat):
    """A table of units with features of their own, such as storage units of facilities, or years of districts."""

    path: str = ""
    """CSV, TSV, xlsx or Parquet file, one row a unit; a path is seen from the working folder."""
    sheet: str | None = None
    """Sheet of an xlsx file; default: the first."""
    label: Annotated[str, Field(min_length=1)]
    """Column of the label."""
    transform: Transform = "none"
    """Natural logarithm of the label, or that of 1 + the label."""
    features: Annotated[tuple[str, ...], Field(min_length=1)]
    """Columns of numbers that describe a unit itself."""
    group: Annotated[str, Field(min_length=1)]
    """Column of the facility, district or the like that a unit belongs to; its units are never on both sides where
    penalties are chosen."""
    year: str | None = None
    """Column of the year: years are then held out as well."""
    unit: str | None = None
    """Column that names a unit: rows of one name share a fold. A name comes once, or once a year."""
    place: str | None = None
    """Column by which embeddings of `tables` are joined; they have a column of the same name."""
    longitude: str | None = None
    """Column of longitudes in degrees (WGS 84), to find the patch of each unit."""
    latitude: str | None = None
    """Column of latitudes."""
    embeddings: tuple[Identifier, ...] = ()
    """Embeddings at longitude and latitude, those of networks too; default: all of `embedders`, where these columns are
    given."""
    tables: tuple[
        Annotated[str, Field(pattern=worded(r"[^/]+\.[A-Za-z0-9]+$", "the path of a file, such as data/x.csv"))], ...
    ] = ()
    """Files of embeddings of places, each called by its file name; one row a place."""
    components: Annotated[int, Field(ge=1)] = 8
    """Principal components of an embedding from which coefficients of the unit features are predicted."""

    @model_validator(mode="after")
    def _places_known(self) -> "UnitsSettings":
        if (self.longitude is None) != (self.latitude is None):
            raise ValueError("longitude and latitude go together: give both columns, or none")
        if self.longitude is None and self.place is None:
            raise ValueError("a unit without place: give `longitude` and `latitude`, or `place`")
        if self.tables and self.place is None:
            raise ValueError(f"tables {list(self.tables)} need `place`, the column that joins them to units")
        if self.embeddings and self.longitude is None:
            raise ValueError(f"embeddings {list(self.embeddings)} need the columns `longitude` and `latitude`")
        if self.label in self.features:
            raise ValueError(f"label = {self.label!r} is among the features: leave it out there")
        if len(set(self.features)) < len(self.features):
            raise ValueError("features names a column twice")
        return self


class InferenceSettings(Section):
    """A regression of a predicted label on references, corrected by the places where the label is known."""

    task: Identifier
    """Task whose label is explained; its reference covers a random sample of the places."""
    features: Identifier
    """Embedding or combination that the label is predicted from."""
    covariates: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    """References that explain it."""
    split: Literal["random", "blocks"] = "blocks"
    """Folds in which labelled places are predicted: at random, or by blocks of land."""
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Places of which a covariate covers a smaller share are left out."""

    @field_validator("covariates")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"covariates = {list(value)} names a reference twice")
        return value
