"""Settings of the evaluation against references (docs/evaluation.md)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rankscape.foundation.settings.base import Section


class ReferenceSettings(Section):
    """One raster that the score is compared with."""

    path: Annotated[str, Field(min_length=1)]
    """Raster file (GeoTIFF or JPEG 2000) with a CRS, north up; a path is seen from the working folder."""
    title: str
    """Name on maps and in tables, with the unit."""
    band: Annotated[int, Field(ge=1)] = 1
    """Band of the raster."""
    transform: Literal["none", "log1p"] = "none"
    """`log1p` for radiance and counts."""
    truth: bool = False
    """True for the known truth of an invented region; it is shown apart from real references."""
    classes: dict[int, float | None] | None = None
    """For land cover: a weight for each class of the raster, averaged by area; null for a class that does not count."""

    @model_validator(mode="after")
    def _classes_usable(self) -> "ReferenceSettings":
        if self.classes is None:
            return self
        weights = {weight for weight in self.classes.values() if weight is not None}
        if len(weights) < 2:
            raise ValueError("classes needs two different weights at least: with one, all places are alike")
        if self.transform == "log1p" and min(weights) < 0:
            raise ValueError("transform = log1p takes no negative weights")
        return self


class EvaluateSettings(Section):
    """How agreement with references is measured."""

    block_m: Annotated[float, Field(gt=0)] = 20_000.0
    """Side of the blocks of land that the bootstrap draws whole."""
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Bootstrap draws."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the intervals."""
    min_blocks: Annotated[int, Field(ge=2)] = 5
    """Fewest blocks of land for which an interval is given."""
    min_places: Annotated[int, Field(ge=3)] = 30
    """Fewest patches with score and reference for which a correlation is given."""
    min_coverage: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Patches of which the reference covers a smaller share are left out."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the bootstrap."""
