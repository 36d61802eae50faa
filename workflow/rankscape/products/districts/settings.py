"""Settings of scores by district (docs/methods/districts.md)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rankscape.foundation.settings import Identifier, Section
from rankscape.samples.settings import PopulationUnit, files_of

COLUMNS = (
    "district", "name", "patches", "area_m2", "covered_fraction", "population",
    "score", "score_std", "score_low", "score_high", "rank", "rank_low", "rank_high",
)  # fmt: skip
"""Columns of a table of districts; the census columns follow."""


class CensusSettings(Section):
    """One number that is known of every district."""

    column: Annotated[str, Field(min_length=1)]
    """Column of the districts' file."""
    title: Annotated[str, Field(min_length=1)]
    """Name in tables, with the unit."""
    log: bool = False
    """True to correlate logarithms (Pearson); R² of logarithms and Spearman are given either way."""
    positive: bool = False
    """True to refuse values at or below 0; otherwise such districts are left out of what takes logarithms."""


class PopulationSettings(Section):
    """Raster of where people live."""

    path: Annotated[str, Field(min_length=1)]
    """Raster file (GeoTIFF or JPEG 2000) with a CRS, north up; cells without data hold nobody."""
    band: Annotated[int, Field(ge=1)] = 1
    """Band of the raster."""
    unit: PopulationUnit = "count"
    """What a cell says: people in it, people a hectare, or people a square kilometre."""
    nodata: float | None = None
    """Value that stands for unknown although the file does not say so, such as -9999 or 65535."""


class DistrictSettings(Section):
    """Polygons over which the score is averaged, and what else is known of them."""

    path: Annotated[str, Field(min_length=1)]
    """GeoPackage, shapefile (zipped too), GeoJSON, FlatGeobuf or GeoParquet of polygons in any CRS; a path is seen from
    the working folder."""
    layer: str | None = None
    """Layer of a file that has several."""
    encoding: str | None = None
    """Text encoding of a shapefile without a .cpg, such as gbk, cp1251 or latin-1."""
    title: Annotated[str, Field(min_length=1)]
    """Name of the map and the table."""
    id: Annotated[str, Field(min_length=1)]
    """Column whose value names one district and no other."""
    name: str | None = None
    """Column with the name that people read; by default the id."""
    census: dict[Identifier, CensusSettings] = {}
    """Census columns by the name that they get in the table."""
    population: PopulationSettings | None = None
    """Weight patches by the people who live on them; by default by area."""
    correlation_range_m: Annotated[float, Field(ge=0)] | Literal["auto"] = "auto"
    """Distance in metres at which the errors of two patches are as good as unrelated (correlation 0.05); 0 for
    unrelated errors, `auto` for the range of the score's variogram."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the intervals."""
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Joint draws of all scores from which the intervals of ranks are taken."""
    min_covered_fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Districts of whose area scored patches cover a smaller share get no score."""
    max_overlap_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Two polygons may share this part of the smaller one: slivers along borders that were drawn twice."""
    min_districts: Annotated[int, Field(ge=3)] = 10
    """Fewest districts with score and census value for which a correlation is given."""

    @model_validator(mode="after")
    def _names_free(self) -> "DistrictSettings":
        taken = sorted(set(self.census) & {*COLUMNS, "geometry"})
        if taken:
            raise ValueError(f"census names {taken}, which the table uses itself: take another name")
        return self

    def files(self) -> list[Path]:
        """Return the files of polygons that are read."""
        return files_of(self.path)
