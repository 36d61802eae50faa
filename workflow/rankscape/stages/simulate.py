"""Simulate a region whose true development is known: scenes in a STAC catalogue, references, land-category labels.

The world is made from a seed; no real place is meant.
"""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.artifacts import Artifact
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import settings_of
from rankscape.synthetic.artifacts import (
    CATALOGUE,
    COUNTIES,
    LABELS,
    LIGHTS,
    POPULATION,
    SURROUNDINGS,
    TASK_LABELS,
    TRUTH,
    TRUTH_EARLIER,
)
from rankscape.synthetic.settings import SimulateSettings
from rankscape.synthetic.world.annotators import write_labels
from rankscape.synthetic.world.known_labels import write_tasks
from rankscape.synthetic.world.known_truth import (
    write_counties,
    write_lights,
    write_population,
    write_surroundings,
    write_truth,
)
from rankscape.synthetic.world.scene_catalogue import write_catalogue
from rankscape.synthetic.world.simulation import simulate_dates
from rankscape.synthetic.world.world_grid import WorldGrid


def simulate(
    *,
    settings: Annotated[str, settings_of(SimulateSettings)],
    folder: Annotated[Path, Parameter(help="Folder to write to: catalog.json with its scenes, and what is known.")],
) -> None:
    """Simulate a region: terrain, scenes, references and labels, all from one seed."""
    section = SimulateSettings.from_text(settings, "simulate")
    seed, record = section.seed, provenance("simulate", section, {}, seed=section.seed)
    tags = {"RANKSCAPE": json.dumps(record, sort_keys=True)}
    layout = WorldGrid(section.granule_px)
    world, past = simulate_dates(layout, seed)
    say(f"Simulated {layout.shape[0]} x {layout.shape[1]} pixels with {len(world.settlements)} settlements.")
    write_truth(_file(folder, TRUTH), world, layout, tags)
    write_truth(_file(folder, TRUTH_EARLIER), past, layout, tags)
    write_lights(_file(folder, LIGHTS), world, layout, seed, tags)
    write_population(_file(folder, POPULATION), world, layout, seed, tags)
    write_tasks(_file(folder, TASK_LABELS), world, layout, seed, tags)
    census = write_counties(_file(folder, COUNTIES), world, layout, seed, record)
    write_surroundings(_file(folder, SURROUNDINGS), world, layout, census, section.label_patch_px)
    write_labels(_file(folder, LABELS), world, layout, section)
    write_catalogue(_file(folder, CATALOGUE), world, past, layout, seed, record)


def _file(folder: Path, artifact: Artifact) -> Path:
    """The file of an artifact, whatever folder it is written to."""
    return folder / Path(artifact.path).name
