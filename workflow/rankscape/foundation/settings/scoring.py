"""Settings of the score model (METHODS section 8)."""

from typing import Annotated, Literal

from pydantic import Field

from rankscape.foundation.settings.base import Section


class TrainSettings(Section):
    """How the network learns a score that respects the order."""

    objective: Literal["regression"] = "regression"
    """`regression`: score against target, with linearity over mixed images."""
    targets: Literal["levels", "ranks"] = "levels"
    """A cluster's target: evenly spaced by its level, or its merged rank scaled to [0, 1]."""
    linearity_weight: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Weight lambda of the linearity loss."""
    epochs: Annotated[int, Field(ge=1, le=1000)] = 30
    """Most passes over the training patches."""
    patience: Annotated[int, Field(ge=1, le=1000)] = 8
    """Training stops after so many epochs without a better validation loss."""
    patches_per_cluster: Annotated[int, Field(ge=2)] | None = 400
    """At most so many patches of a cluster are trained on, drawn with the seed; null takes all."""
    batch_size: Annotated[int, Field(ge=2, le=4096)] = 64
    """Patches a step."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Largest learning rate of the schedule (AdamW, one cycle of cosine)."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-2
    """Weight decay of AdamW."""
    validation_fraction: Annotated[float, Field(gt=0, lt=0.9)] = 0.2
    """Share of the place blocks that is held out for early stopping."""
    block_m: Annotated[float, Field(gt=0)] = 20_000.0
    """Side of the square blocks of land that training and validation never share; above the correlation length."""
    seeds: Annotated[int, Field(ge=1, le=50)] = 3
    """Networks trained; the spread of their scores is score_std."""
    seed: Annotated[int, Field(ge=0)] = 0
    """First seed."""


class PredictSettings(Section):
    """How patches are scored."""

    batch_size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Patches a forward pass; changes speed and memory, and results only in the last digits."""
