"""Settings of what the networks responded to, for the report's map (docs/explaining.md)."""

from typing import Annotated

from pydantic import Field

from rankscape.foundation.settings import Section


class SaliencySettings(Section):
    """What the networks responded to in each patch."""

    enabled: bool = True
    """Whether `saliency/{granule}.npy` is made; without it the report's map shows no Grad-CAM."""
    cells: Annotated[int, Field(ge=2, le=32)] = 5
    """Most places a side that are kept of each patch; the report carries them all."""
    occluded_patches: Annotated[int, Field(ge=0, le=100_000)] = 60
    """Patches of each granule that are explained by occlusion, where a network sees each patch as one place."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Patches a forward pass; changes speed and memory, and results only in the last digits."""
