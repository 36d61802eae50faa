"""Invent a region whose true development is known: scenes in a STAC catalogue, references, land-category labels.

The land is invented from a seed; no real place is meant.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import Settings
from rankscape.synthetic.catalogue import write_catalogue
from rankscape.synthetic.districts import write_counties
from rankscape.synthetic.labels import write_labels
from rankscape.synthetic.land import invent_dates
from rankscape.synthetic.layout import Layout
from rankscape.synthetic.references import write_districts, write_lights, write_population, write_truth
from rankscape.synthetic.settings import InventSettings
from rankscape.synthetic.surroundings import write_surroundings


def simulate(
    settings: Settings,
    catalogue: Annotated[Path, typer.Option(help="Static STAC catalogue to write; its scenes go beside it.")],
    labels: Annotated[Path, typer.Option(help="Land categories of some patches to write (CSV).")],
    lights: Annotated[Path, typer.Option(help="Night lights to write (GeoTIFF, degrees).")],
    population: Annotated[Path, typer.Option(help="Population to write (GeoTIFF, people a hectare).")],
    truth: Annotated[Path, typer.Option(help="True development to write (GeoTIFF, 0 to 1).")],
    truth_earlier: Annotated[Path, typer.Option(help="True development of the earlier date to write (GeoTIFF).")],
    districts: Annotated[Path, typer.Option(help="Districts to write (GeoJSON).")],
    counties: Annotated[Path, typer.Option(help="Smaller districts with a census to write (GeoParquet).")],
    surroundings: Annotated[Path, typer.Option(help="Distances and county of every patch to write (CSV).")],
) -> None:
    """Invent a region: land, scenes, references and labels, all from one seed."""
    section = InventSettings.from_text(settings, "simulate")
    record = provenance("simulate", section, {}, seed=section.seed)
    tags = {"RANKSCAPE": json.dumps(record, sort_keys=True)}
    layout = Layout(section.granule_px)
    land, past = invent_dates(layout, section.seed)
    say(f"Invented {layout.shape[0]} x {layout.shape[1]} pixels of land with {len(land.settlements)} settlements.")
    write_truth(truth, land, layout, tags)
    write_truth(truth_earlier, past, layout, tags)
    write_lights(lights, land, layout, section.seed, tags)
    write_population(population, land, layout, section.seed, tags)
    write_districts(districts, land, layout, section.seed, record)
    census = write_counties(counties, land, layout, section.seed, record)
    write_surroundings(surroundings, land, layout, census, section.label_patch_px)
    write_labels(labels, land, layout, section)
    write_catalogue(catalogue, land, past, layout, section.seed, record)
