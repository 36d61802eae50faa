"""Simulate a region whose true development is known: scenes in a STAC catalogue, references, land-category labels.

The world is made from a seed; no real place is meant.
"""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import settings_of
from rankscape.synthetic.settings import SimulateSettings
from rankscape.synthetic.world.annotators import write_labels
from rankscape.synthetic.world.known_truth import (
    write_counties,
    write_districts,
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
    catalogue: Annotated[Path, Parameter(help="Static STAC catalogue to write; its scenes go beside it.")],
    labels: Annotated[Path, Parameter(help="Land categories of some patches to write (CSV).")],
    lights: Annotated[Path, Parameter(help="Night lights to write (GeoTIFF, degrees).")],
    population: Annotated[Path, Parameter(help="Population to write (GeoTIFF, people a hectare).")],
    truth: Annotated[Path, Parameter(help="True development to write (GeoTIFF, 0 to 1).")],
    truth_earlier: Annotated[Path, Parameter(help="True development of the earlier date to write (GeoTIFF).")],
    districts: Annotated[Path, Parameter(help="Districts to write (GeoJSON).")],
    counties: Annotated[Path, Parameter(help="Smaller districts with a census to write (GeoParquet).")],
    surroundings: Annotated[Path, Parameter(help="Distances and county of every patch to write (CSV).")],
) -> None:
    """Simulate a region: terrain, scenes, references and labels, all from one seed."""
    section = SimulateSettings.from_text(settings, "simulate")
    record = provenance("simulate", section, {}, seed=section.seed)
    tags = {"RANKSCAPE": json.dumps(record, sort_keys=True)}
    layout = WorldGrid(section.granule_px)
    world, past = simulate_dates(layout, section.seed)
    say(f"Simulated {layout.shape[0]} x {layout.shape[1]} pixels with {len(world.settlements)} settlements.")
    write_truth(truth, world, layout, tags)
    write_truth(truth_earlier, past, layout, tags)
    write_lights(lights, world, layout, section.seed, tags)
    write_population(population, world, layout, section.seed, tags)
    write_districts(districts, world, layout, section.seed, record)
    census = write_counties(counties, world, layout, section.seed, record)
    write_surroundings(surroundings, world, layout, census, section.label_patch_px)
    write_labels(labels, world, layout, section)
    write_catalogue(catalogue, world, past, layout, section.seed, record)
