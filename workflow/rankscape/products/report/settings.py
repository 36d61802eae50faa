"""Settings of the report page."""

from typing import Annotated

from pydantic import Field

from rankscape.foundation.settings import Section


class ReportSettings(Section):
    """What the page shows."""

    title: str = "Development map"
    """Heading of the page."""
    samples_per_cluster: Annotated[int, Field(ge=1, le=50)] = 8
    """Sample patches shown of each cluster."""
    uncertain_patches: Annotated[int, Field(ge=0, le=50)] = 12
    """Patches shown on which the networks agree least."""
    surprising_patches: Annotated[int, Field(ge=0, le=50)] = 6
    """Patches shown that score higher than a reference suggests, and as many that score lower."""
    imagery_mb: Annotated[float, Field(ge=0, le=200)] = 8.0
    """Largest size of the granules' images on the map, all together; 0 leaves them out."""
    note: str = ""
    """A sentence under the heading, for instance on where the imagery comes from."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the draw of sample patches."""
