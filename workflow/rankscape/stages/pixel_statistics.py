"""Measure gradient, colour ratio and brightness of every patch.

The evaluation compares every score with these: a model that cannot beat them has learned little.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.provenance import provenance
from rankscape.samples.artifacts import PIXEL_STATISTICS
from rankscape.samples.patches import index_of, open_patches
from rankscape.samples.pixel_statistics import patch_statistics
from rankscape.stages.options import PatchArray


def pixel_statistics(
    *,
    patches: PatchArray,
    out: Annotated[Path, Parameter(help="Table to write: patch_id, gradient, blue_green, brightness.")],
) -> None:
    """Measure gradient, colour ratio and brightness of every patch; patches that are not usable get none."""
    store = open_patches(patches)
    frame = patch_statistics(store.array, store.index["usable"].to_numpy())
    frame.insert(0, "patch_id", store.index["patch_id"].to_numpy())
    inputs = {"patches": patches, "index": index_of(patches)}
    PIXEL_STATISTICS.write(out, frame, provenance("pixel-statistics", None, inputs))
