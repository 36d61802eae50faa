"""Average the score over districts.

A table with intervals and ranks, a map, and how the score agrees with what a census knows of the districts.
"""

from pathlib import Path
from typing import Annotated, Any

import geopandas as gpd
from cyclopts import Parameter

from rankscape.foundation.files import write_bytes
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.products.districts.choropleth import draw_choropleth
from rankscape.products.districts.districts import (
    SEED,
    ScoredDistricts,
    comparisons,
    read_patches,
    score_districts,
)
from rankscape.products.districts.polygons import read_polygons
from rankscape.products.districts.settings import DistrictSettings
from rankscape.products.maps.preview import readable_length
from rankscape.products.maps.ramp import RAMP, read_ramp
from rankscape.samples.joins import read_indices
from rankscape.stages.options import Indices, Threads, settings_of
from rankscape.studies.ranking.product_files import DISTRICTS, DISTRICTS_RECORD, DISTRICTS_TABLE


def district(
    *,
    settings: Annotated[str, settings_of(DistrictSettings, path="counties.gpkg", title="Counties", id="code")],
    name: Annotated[str, Parameter(help="Name of the districts.")],
    scores: Annotated[list[Path], Parameter(help="Scores (.parquet), a granule each.")],
    indices: Indices,
    out: Annotated[Path, Parameter(help="Table of districts to write (GeoParquet, WGS 84).")],
    table: Annotated[Path, Parameter(help="The same without polygons (CSV).")],
    document: Annotated[Path, Parameter(help="What was done and found (JSON).")],
    image: Annotated[Path, Parameter(help="Map of the districts (PNG).")],
    threads: Threads = 1,
) -> None:
    """Average the score over districts, with intervals, ranks, a map, and census columns beside it."""
    chosen = DistrictSettings.from_text(settings, f"districts.{name}")
    polygons, ramp = read_polygons(chosen), read_ramp()
    found = score_districts(read_patches(scores, read_indices(indices)), polygons, chosen, threads=threads)
    record = provenance("ranking district", chosen, _inputs(chosen, scores, indices), seed=SEED)
    DISTRICTS.write(out, found.table, record)
    DISTRICTS_TABLE.write(table, found.table.drop(columns="geometry"), record)
    write_bytes(image, draw_choropleth(found.table, ramp, chosen.title, _facts(found)))
    DISTRICTS_RECORD.write(document, {"districts": name, **_document(found, chosen)}, record)
    say(f"{found.table['score'].notna().sum()} of {len(found.table)} districts have a score.")


def _inputs(settings: DistrictSettings, scores: list[Path], indices: list[Path]) -> dict[str, Path]:
    files = {f"polygons/{path.name}": path for path in settings.files()}
    if settings.population is not None:
        files["population"] = Path(settings.population.path)
    groups = {"scores": scores, "indices": indices}
    return {**files, "ramp": RAMP, **{f"{role}/{path.stem}": path for role, all_ in groups.items() for path in all_}}


def _facts(found: ScoredDistricts) -> str:
    scored = int(found.table["score"].notna().sum())
    weights = {"area": "weighted by area", "population": "weighted by people"}[found.weighting]
    return (
        f"{scored} of {len(found.table)} districts with a score  ·  {weights}  ·  errors alike within {_length(found)}"
    )


def _length(found: ScoredDistricts) -> str:
    return "the whole region" if found.range_from == "region" else readable_length(found.range_m)


def _document(found: ScoredDistricts, settings: DistrictSettings) -> dict[str, Any]:
    table: gpd.GeoDataFrame = found.table
    return {
        "title": settings.title, "weighting": found.weighting, "correlation_range_m": found.range_m,
        "correlation_range_from": found.range_from, "confidence": settings.confidence, "draws": settings.draws,
        "count": len(table), "scored": int(table["score"].notna().sum()), "patches": found.patches,
        "unscored": table["district"][table["score"].isna()].tolist(),
        "comparisons": comparisons(table, settings), "notes": list(found.notes),
    }  # fmt: skip
