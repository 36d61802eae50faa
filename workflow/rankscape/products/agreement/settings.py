"""Settings of the evaluation against references (docs/methods/evaluation.md)."""

from typing import Annotated, Literal

from pydantic import Field

from rankscape.foundation.settings import Section

MIN_BLOCKS = 5
"""Fewest blocks for which an interval is given."""
MIN_COVERAGE = 0.5
"""Samples of which the reference covers a smaller share are left out."""
SEED = 0
"""Seed of the bootstrap, of pairs of places, and of the permutation test."""


class EvaluateSettings(Section):
    """How agreement with references is measured."""

    block_m: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """Side of the blocks that the bootstrap resamples; `auto` takes the distance over which reference and
    score are correlated, from their variograms, or 20000 where none can be fitted."""
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Bootstrap draws."""
    surrogates: Annotated[int, Field(ge=99, le=100_000)] = 999
    """Surrogates of the reference in the permutation test, with its spatial autocorrelation."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the intervals."""
    min_places: Annotated[int, Field(ge=3)] = 30
    """Fewest patches with score and reference for which a correlation is given."""
