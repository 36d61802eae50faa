"""Settings of the evaluation against references (docs/evaluation.md)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rankscape.foundation.settings.base import Section
from rankscape.foundation.settings.vectors import files_of

FALLBACK_BLOCK_M = 20_000.0
"""Side of the blocks where `auto` finds no range."""


class ReferenceSettings(Section):
    """One reference that the score is compared with: a raster, points, polygons or a table."""

    path: Annotated[str, Field(min_length=1)]
    """Raster (GeoTIFF or JPEG 2000, north up), points or polygons (GeoPackage, shapefile, GeoJSON, GeoParquet), each
    with a CRS, or table (CSV, Parquet, xlsx); a path is seen from the working folder."""
    title: str
    """Name on maps and in tables, with the unit."""
    kind: Literal["raster", "points", "polygons", "table"] = "raster"
    """What the file holds."""
    band: Annotated[int, Field(ge=1)] = 1
    """Band of the raster."""
    column: str | None = None
    """Column with the values, of points (not for a count), polygons and tables."""
    statistic: Literal["mean", "sum", "count", "density"] | None = None
    """Of points: `mean`, `sum` or `count` within the footprint. Of polygons: `mean` by area of a value such as an
    income, or `density` for an amount such as people: amount per km². Default: `mean`."""
    key: str | None = None
    """Column of the table that names the places by their `patch_id`, or, in a region of one granule, as `row_col`."""
    sheet: str | None = None
    """Sheet of an xlsx file; default: the first."""
    transform: Literal["none", "log1p"] = "none"
    """`log1p` for radiance and counts."""
    truth: bool = False
    """True for the known truth of an invented region; it is shown apart from real references."""
    classes: dict[int, float | None] | None = None
    """For land cover: a weight for each class of the raster, averaged by area; null for a class that does not count."""

    @model_validator(mode="after")
    def _classes_usable(self) -> "ReferenceSettings":
        if self.classes is None:
            return self
        weights = {weight for weight in self.classes.values() if weight is not None}
        if len(weights) < 2:
            raise ValueError("classes needs two different weights at least: with one, all places are alike")
        if self.transform == "log1p" and min(weights) < 0:
            raise ValueError("transform = log1p takes no negative weights")
        return self

    @model_validator(mode="after")
    def _keys_of_its_kind(self) -> "ReferenceSettings":
        used = {
            name for name in _KEYS_OF_KIND if getattr(self, name) not in (None, type(self).model_fields[name].default)
        }
        strange = sorted(name for name in used if self.kind not in _KEYS_OF_KIND[name])
        if strange:
            raise ValueError(f"{strange} are no keys of a reference of kind = {self.kind}")
        if self.statistic is not None and self.statistic not in _STATISTICS.get(self.kind, ()):
            raise ValueError(
                f"statistic = {self.statistic} is none of {list(_STATISTICS[self.kind])} of kind = {self.kind}"
            )
        if self.kind != "raster" and self.statistic != "count" and self.column is None:
            raise ValueError(f"column is missing: a reference of kind = {self.kind} needs the column with its values")
        if self.kind == "table" and self.key is None:
            raise ValueError("key is missing: a table needs the column that names its places")
        return self

    def files(self) -> list[Path]:
        """Return the files that are read."""
        return files_of(self.path)


_KEYS_OF_KIND = {
    "band": ("raster",), "classes": ("raster",), "column": ("points", "polygons", "table"),
    "statistic": ("points", "polygons"), "key": ("table",), "sheet": ("table",),
}  # fmt: skip
_STATISTICS = {"points": ("mean", "sum", "count"), "polygons": ("mean", "density")}


class EvaluateSettings(Section):
    """How agreement with references is measured."""

    block_m: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """Side of the blocks of land that the bootstrap draws whole; `auto` takes the distance over which reference and
    score are correlated, from their variograms, or 20000 where none can be fitted."""
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Bootstrap draws."""
    surrogates: Annotated[int, Field(ge=99, le=100_000)] = 999
    """Rearranged references of the permutation test; neighbours stay as alike in them as they are."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the intervals."""
    min_blocks: Annotated[int, Field(ge=2)] = 5
    """Fewest blocks of land for which an interval is given."""
    min_places: Annotated[int, Field(ge=3)] = 30
    """Fewest patches with score and reference for which a correlation is given."""
    min_coverage: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Patches of which the reference covers a smaller share are left out."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the bootstrap, of pairs of places, and of the permutation test."""
