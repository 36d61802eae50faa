"""Settings of the evaluation against references (METHODS section 10)."""

from typing import Annotated, Literal

from pydantic import Field

from rankscape.foundation.settings.base import Section


class ReferenceSettings(Section):
    """One raster that the score is compared with."""

    path: str
    """Raster file; a path is seen from the working folder."""
    title: str
    """Name on maps and in tables, with the unit."""
    band: Annotated[int, Field(ge=1)] = 1
    """Band of the raster."""
    transform: Literal["none", "log1p"] = "none"
    """`log1p` for radiance and counts."""
    truth: bool = False
    """True for the known truth of an invented region; it is shown apart from real references."""


class EvaluateSettings(Section):
    """How agreement with references is measured."""

    block_m: Annotated[float, Field(gt=0)] = 20_000.0
    """Side of the blocks of land that the bootstrap draws whole."""
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Bootstrap draws."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the intervals."""
    min_places: Annotated[int, Field(ge=3)] = 30
    """Fewest patches with score and reference for which a correlation is given."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the bootstrap."""
