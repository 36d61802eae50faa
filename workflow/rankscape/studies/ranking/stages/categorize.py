"""Assign a land category to every patch, by the head that was fitted to the labels."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.models.weights import load_weights
from rankscape.stages.options import Indices, settings_of
from rankscape.studies.ranking.clusters.artifacts import CATEGORIES
from rankscape.studies.ranking.clusters.granule_features import categorize_patches, head_of, open_features
from rankscape.studies.ranking.clusters.settings import LabelSettings


def categorize(
    *,
    settings: Annotated[str, settings_of(LabelSettings)],
    features: Annotated[list[Path], Parameter(help="Features (.npy), a granule each.")],
    indices: Indices,
    backbone: Annotated[Path, Parameter(help="Backbone with the land-category head (.safetensors).")],
    out: Annotated[Path, Parameter(help="Table to write: the probability of every category, and the category.")],
) -> None:
    """Give every usable patch the probability of each land category, and the most probable one as its category."""
    section = LabelSettings.from_text(settings, "ranking.label")
    granules = open_features(features, indices)
    head = head_of(*load_weights(backbone), section.categories, str(backbone))
    table = categorize_patches(granules, head, section.categories)
    for name in section.categories:
        say(f"{name}: {int((table['category'] == name).sum())} of {len(table)} patches.")
    inputs = {"backbone": backbone} | {f"features/{path.stem}": path for path in features}
    record = provenance("ranking categorize", section, inputs | {f"index/{path.stem}": path for path in indices})
    label = {"categories": list(section.categories), "uninhabited": section.uninhabited}
    CATEGORIES.write(out, table, record, label=label)
