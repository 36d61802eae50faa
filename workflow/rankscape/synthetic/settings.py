"""Settings of the synthetic region of the embedded default."""

from typing import Annotated

from pydantic import Field

from rankscape.foundation.settings import Section


class SimulateSettings(Section):
    """The synthetic region; its truth is known because it is made."""

    granule_px: Annotated[int, Field(ge=256, le=4096, multiple_of=2)] = 1024
    """Side of a granule in pixels of 10 m; even, since the scene classification has pixels of 20 m."""
    label_patch_px: Annotated[int, Field(ge=8)] = 32
    """Patch side that the annotators of the land categories saw; keep it equal to tile.patch_px."""
    labelled_patches: Annotated[int, Field(ge=10)] = 300
    """Patches that the simulated annotators labelled."""
    annotators: Annotated[int, Field(ge=1, le=20)] = 4
    """Simulated annotators of the land categories; they err now and then."""
    seed: Annotated[int, Field(ge=0)] = 7
    """Seed of the world."""
