"""Files of a synthetic region, whose truth is known."""

from rankscape.artifacts import Column, Document, Raster, Table
from rankscape.samples.artifacts import FOOTPRINT, PATCH_ID

_VERB = "simulate"

CATALOGUE = Document("simulated/catalog.json", _VERB, "The synthetic region's imagery: a static STAC catalogue")
LABELS = Table(
    "simulated/labels.csv", _VERB, "Its labels of land categories", row="one labelled patch of the synthetic region",
    columns=(
        PATCH_ID,
        Column("{category}", "number", "share", "Share of the labels of this patch that name this land category"),
    ),
)  # fmt: skip
LIGHTS = Raster("simulated/lights.tif", _VERB, "Its night lights")
POPULATION = Raster("simulated/population.tif", _VERB, "Its population")
TASK_LABELS = Raster(
    "simulated/tasks.tif", _VERB, "Seven labels of which it is known how well its images can tell them"
)
TRUTH = Raster("simulated/truth.tif", _VERB, "Its true development")
TRUTH_EARLIER = Raster("simulated/truth-2016.tif", _VERB, "Its true development at the earlier date")
COUNTIES = Table(
    "simulated/counties.parquet", _VERB, "Its counties, with a census", row="one county of the synthetic region",
    columns=(FOOTPRINT,), others="Column of the synthetic census",
)  # fmt: skip
SURROUNDINGS = Table(
    "simulated/surroundings.csv", _VERB, "County of every patch, and its distance to towns, roads and water",
    row="one patch of the synthetic region, usable or not",
    columns=(
        PATCH_ID,
        Column("county", "text", "", "Code of the county that its centre lies in"),
        Column("town_m", "integer", "m", "Distance of its centre to the middle of the nearest city or town"),
        Column("road_m", "integer", "m", "Distance of its centre to the nearest road or track"),
        Column("water_m", "integer", "m", "Distance of its centre to the nearest lake or river"),
    ),
)  # fmt: skip
