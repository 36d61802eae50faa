"""Settings of what leaves the workflow: catalogue, citation, licence (docs/reference/outputs.md)."""

import datetime
from typing import Annotated, Literal

from pydantic import Field

from rankscape.foundation.settings import Section, worded

Words = Annotated[str, Field(min_length=1, max_length=200)]


class PublishSettings(Section):
    """How the run is described, cited and licensed."""

    title: Words = "Economic development from satellite imagery"
    """Title of the run in the catalogue and in the citation; the region's name is put behind it."""
    authors: tuple[Words, ...] = ()
    """Who made this run, as they are to be cited; none: "The authors of this run"."""
    licence: (
        Annotated[
            str, Field(pattern=worded(r"^[A-Za-z0-9][A-Za-z0-9.+-]*$", "the SPDX name of a licence, such as CC-BY-4.0"))
        ]
        | None
    ) = None
    """Licence of the outputs as an SPDX identifier, such as CC-BY-4.0; null: ask the authors."""
    keywords: tuple[Words, ...] = ("economic development", "satellite imagery", "Sentinel-2", "partial order")
    """Keywords of the catalogue and the citation."""
    version: Words = "1"
    """Version of the run."""
    released: datetime.date | None = None
    """Day of publication; null takes the day of the newest scene, since a run knows no other day."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the intervals score_low to score_high of patches."""
    imagery: Literal["sentinel-2", "synthetic", "own"] = "sentinel-2"
    """Where the imagery comes from, for the notice: `own` is imagery of your own, whose terms you know."""
