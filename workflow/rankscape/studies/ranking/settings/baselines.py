"""Settings of baseline models, which learn from a reference (docs/baselines.md)."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from rankscape.foundation.settings import Identifier, Section
from rankscape.samples.settings import ReferenceSettings
from rankscape.studies.ranking.settings.scoring import TrainSettings

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
