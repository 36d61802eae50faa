"""Settings of the stage that cuts patches (docs/tiles.md)."""

from typing import Annotated, Literal

from pydantic import Field

from rankscape.foundation.settings.base import Section

Share = Annotated[float, Field(ge=0, le=1)]
Broken = Literal["refuse", "skip"]
"""What happens to a picture that is broken: an error that names it, or a warning and a patch without data."""


class TileSettings(Section):
    """How an image is cut into patches."""

    patch_px: Annotated[int, Field(ge=8, le=4096)] = 343
    """Side of a patch in pixels; what is left over at the right and the bottom is left out. Tiles keep their side."""
    min_valid_fraction: Share = 0.5
    """Patches with a smaller share of pixels with data are not used to learn from, and get no score."""
    max_cloud_fraction: Share = 0.5
    """Patches with a larger share of cloud or cloud shadow are not used to learn from, and get no score."""
    zoom: Annotated[int, Field(ge=0, le=24)] = 14
    """Zoom level of web-mercator tiles, where a granule is given as a folder of them."""
    resize_pictures: bool = False
    """Pictures without coordinates are resized to squares of patch_px; otherwise all must be squares of one size."""
    broken: Broken = "refuse"
    """A broken picture of a folder: an error that names it, or `skip`: a warning, and a patch that is not usable."""
