"""Settings of the change between two dates (docs/change.md)."""

from typing import Annotated, Literal

from pydantic import Field

from rankscape.foundation.settings import Section
from rankscape.scenes.granule_table import PERIOD_PATTERN

Pair = Annotated[str, Field(pattern=f"^{PERIOD_PATTERN}--{PERIOD_PATTERN}$")]
"""Two periods, the earlier first, such as `2016--2022`."""


class ChangeSettings(Section):
    """Which dates are compared, and how change is told from noise."""

    pairs: Literal["auto"] | tuple[Pair, ...] = "auto"
    """Periods to compare, such as `2016--2022`; `auto`: each period and the next one, and the first and the last."""
    title: Annotated[str, Field(min_length=1, max_length=60)] = "Change of development"
    """Title on the map, before the periods."""
    max_cloud_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Patches with a larger share of cloud at one of the dates are left out: the edge of a cloud is a change too."""
    radiometry: bool = True
    """Whether the earlier pictures are brought to the light of the later ones, and scored anew before comparing."""
    effect: Literal["monotone", "shift", "none"] = "monotone"
    """What is left of season and sensor, taken out of the scores: a rising curve, one number, or nothing."""
    invariant_share: Annotated[float, Field(ge=0.2, le=0.8)] = 0.5
    """Share of the places, of every level of the score, whose look changed least: pseudo-invariant places."""
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Expected share of false discoveries among the places called changed."""
    least_change: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Changes of the score up to this are of no interest, however sure they are."""
    correction: Literal["benjamini-hochberg", "benjamini-yekutieli"] = "benjamini-hochberg"
    """`benjamini-yekutieli` holds the level under any dependence between places, and finds less."""
    min_places: Annotated[int, Field(ge=10)] = 30
    """Fewest patches of a granule seen at both dates; a granule with fewer is left out."""
    pictures: Annotated[int, Field(ge=0, le=100)] = 12
    """Largest changes that are shown in pictures, the significant ones first."""
    preview_px: Annotated[int, Field(ge=200, le=8000)] = 1200
    """Longer side of the map's picture."""
    crs: str | None = None
    """CRS of the map of change; null takes the UTM zone that holds most granules."""
    resolution_m: Annotated[float, Field(gt=0)] | None = None
    """Pixel side of the map of change; null takes the patch's side."""
