"""Settings of samples: how patches are cut, and which labels are brought to them."""

import glob
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rankscape.foundation.settings import Section
from rankscape.foundation.text_tables import TableFormat
from rankscape.foundation.visible_files import is_passed_over
from rankscape.scenes.plausibility import BackscatterUnit, polarisation

Share = Annotated[float, Field(ge=0, le=1)]
PopulationUnit = Literal["count", "per_ha", "per_km2"]
"""What a cell of a population raster says: people in it, people a hectare, or people a square kilometre."""
Broken = Literal["refuse", "skip"]
"""What happens to an image that is broken: an error that names it, or a warning and a patch without data."""

_COLOURS = 3
"""An image begins with red, green, blue."""


class TileSettings(Section):
    """How an image is cut into patches."""

    patch_px: Annotated[int, Field(ge=8, le=4096)] = 343
    """Side of a patch in pixels; what is left over at the right and the bottom is left out. Tiles keep their side."""
    min_valid_fraction: Share = 0.5
    """Patches with a smaller share of pixels with data are not used to learn from, and get no score."""
    max_cloud_fraction: Share = 0.5
    """Patches with a larger share of cloud or cloud shadow are not used to learn from, and get no score."""
    zoom: Annotated[int, Field(ge=0, le=24)] = 14
    """Zoom level of web-mercator tiles, where a granule is given as a folder of them."""
    rows_from: Literal["north", "south"] = "north"
    """Where the rows in names of web-mercator tiles are counted from: `north` (XYZ), or `south` (TMS)."""
    bands: tuple[str, ...] = ()
    """Bands to take of a raster of yours, by name or number from 1, red, green, blue first; default: all."""
    scale: Annotated[float, Field(gt=0)] | None = None
    """Reflectance a digital number of a raster of yours, such as 0.0001; default: it holds bytes or reflectance."""
    offset: float = 0.0
    """Reflectance of the digital number 0, such as -0.1 for Sentinel-2 since baseline 04.00; goes with `scale`."""
    backscatter: BackscatterUnit | None = None
    """Unit of the radar bands (VV, VH) of a raster of yours: `db`, `power` or `amplitude`, which become decibels;
    default: they are decibels. Two bands without names are VV, VH where it is given."""
    resize_images: bool = False
    """Images without coordinates are resized to squares of patch_px; otherwise all must be squares of one size."""
    broken: Broken = "refuse"
    """A broken image of a folder: an error that names it, or `skip`: a warning, and a patch that is not usable."""

    @model_validator(mode="after")
    def _bands_and_scale_agree(self) -> "TileSettings":
        if self.offset and self.scale is None:
            raise ValueError(f"offset = {self.offset} goes with a scale: give both")
        few = 0 < len(self.bands) < _COLOURS and self.backscatter is None and not all(map(polarisation, self.bands))
        if few or len(set(self.bands)) < len(self.bands):
            raise ValueError(f"bands {list(self.bands)} must be three or more, each once: red, green, blue first")
        return self


class JoinedTable(TableFormat):
    """One table of places or of what places belong to, such as districts."""

    path: Annotated[str, Field(min_length=1)]
    """CSV, Parquet or xlsx file, one row a key; a path is seen from the working folder."""
    sheet: str | None = None
    """Sheet of an xlsx file; default: the first."""
    key: Annotated[str, Field(min_length=1)]
    """Column that identifies the table's rows."""
    match: str | None = None
    """Column of the places that the key is looked for in: `patch_id`, `row_col` or any column of an earlier table."""
    columns: tuple[str, ...] = ()
    """Columns to take; default: all. Needed where two tables have columns of one name."""


class SuppliedSettings(TableFormat):
    """One embedding of others: a table, rasters with a band a number, or a Zarr store, joined to the patches."""

    path: Annotated[str, Field(min_length=1)]
    """Table (Parquet, GeoParquet, CSV, xlsx, GeoPackage ...), GeoTIFF or folder of a Zarr store; or a pattern of tables
    or of GeoTIFFs, such as `alphaearth/*.tif`."""
    dequantise: Literal["alphaearth", "tessera"] | None = None
    """How published bytes become numbers. TESSERA's scales are the column `scale`, the array `scales` of a Zarr store,
    or a raster beside each, called `*_scales.tif`."""
    where: dict[str, str | int | float] = {}
    """Rows of a table, or time of a Zarr store, by column and value, such as `year: 2020`."""
    columns: str | None = None
    """Column of lists, or what numbered columns begin with, such as `A` of A00 to A63. Default: the only one."""
    key: str | None = None
    """Column of `patch_id`, or of `row_col` in a region of one granule. Default: rows are joined by the column
    `patch_id`, or else by their footprint or point."""
    nodata: float | None = None
    """Number that stands for unknown where the file does not say so, such as -9999."""
    min_coverage: Share = 0.5
    """Patches of which footprints or pixels cover a smaller share have no embedding."""

    def files(self) -> list[Path]:
        """Return the files that are read; a pattern that matches none as it is."""
        found = sorted(Path(name) for name in glob.glob(self.path, recursive=True))  # noqa: PTH207, as it may be absolute
        return [file for file in found if not is_passed_over(file.name)] or [Path(self.path)]


class ReferenceSettings(TableFormat):
    """One reference that the score is compared with: a raster, points, lines, polygons or a table."""

    path: Annotated[str, Field(min_length=1)]
    """Raster (GeoTIFF or JPEG 2000), points, lines or polygons (GeoPackage, shapefile, GeoJSON, GeoParquet), each with
    a CRS, table (CSV, Parquet, xlsx), or folder of elevation tiles; a path is seen from the working folder."""
    title: str
    """Name on maps and in tables, with the unit."""
    kind: Literal["raster", "points", "lines", "polygons", "table", "terrarium"] = "raster"
    """What the file contains. Of lines such as roads the value is their density: km per km². `terrarium`: tiles
    `z/x/y.png` of elevation (Mapzen, AWS Terrain Tiles)."""
    band: Annotated[int, Field(ge=1)] = 1
    """Band of the raster."""
    layer: str | None = None
    """Layer of a vector file that has several."""
    column: str | None = None
    """Column with the values, of points (not for a count), polygons and tables."""
    statistic: Literal["mean", "sum", "count", "density"] | None = None
    """Of points: `mean`, `sum` or `count` within the footprint. Of polygons: `mean` by area of a value such as an
    income, or `density` for an amount such as people: amount per km². Default: `mean`."""
    where: dict[str, str | int | float] = {}
    """Rows that count, by column and value, such as `year: 2015`; a year is also that of a column of dates."""
    displacement_m: Annotated[float, Field(gt=0)] | dict[str, str | float] | None = None
    """Points were moved by up to so many metres to protect people, as those of DHS: a distance, or one by the values of
    a column, such as `{column: URBAN_RURA, U: 2000, R: 5000}`. The study `embeddings` averages over the disc."""
    variance: str | None = None
    """Column with the variance of each point's value, such as that of a cluster's mean, for `embeddings`."""
    zoom: Annotated[int, Field(ge=0, le=20)] | None = None
    """Zoom level of elevation tiles; default: the finest of the folder."""
    key: str | None = None
    """Column of the table that names the places by their `patch_id`, or, in a region of one granule, as `row_col`."""
    sheet: str | None = None
    """Sheet of an xlsx file; default: the first."""
    transform: Literal["none", "log1p"] = "none"
    """`log1p` for radiance and counts."""
    nodata: float | None = None
    """Value that stands for unknown although the file does not say so, such as -9999 or 65535."""
    valid_range: tuple[float, float] | None = None
    """Lowest and highest value that can be; all beyond are unknown."""
    clip: tuple[float | None, float | None] | None = None
    """Lowest and highest value that is kept; what lies beyond becomes it, such as [0, null] for slightly negative
    night lights."""
    truth: bool = False
    """True for the known truth of a synthetic region; it is shown apart from real references."""
    classes: dict[int, float | None] | None = None
    """For land cover: a weight for each class of the raster, averaged by area; null for a class that does not count."""

    @model_validator(mode="after")
    def _classes_usable(self) -> "ReferenceSettings":
        if self.classes is None:
            return self
        weights = {weight for weight in self.classes.values() if weight is not None}
        if len(weights) < 2:
            raise ValueError("classes needs two different weights at least: with one, all places are equal")
        if self.transform == "log1p" and min(weights) < 0:
            raise ValueError("transform = log1p takes no negative weights")
        return self

    @model_validator(mode="after")
    def _ranges_rise(self) -> "ReferenceSettings":
        for name in ("valid_range", "clip"):
            ends = getattr(self, name)
            if ends is not None and None not in ends and ends[0] >= ends[1]:
                raise ValueError(f"{name} = {list(ends)} must rise from the lowest value to the highest")
        if self.classes is not None and (self.valid_range or self.clip):
            raise ValueError("classes have weights, and no valid_range or clip: give null to a class that is no data")
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
                f"statistic = {self.statistic} is none of {list(_STATISTICS.get(self.kind, ()))} of kind = {self.kind}"
            )
        if self.kind not in ("raster", "lines", "terrarium") and self.statistic != "count" and self.column is None:
            raise ValueError(f"column is missing: a reference of kind = {self.kind} needs the column with its values")
        if self.kind == "table" and self.key is None:
            raise ValueError("key is missing: a table needs the column that names its places")
        return self

    @model_validator(mode="after")
    def _displacement_by_column(self) -> "ReferenceSettings":
        if isinstance(self.displacement_m, dict):
            distances = [value for name, value in self.displacement_m.items() if name != "column"]
            if not isinstance(self.displacement_m.get("column"), str) or not distances:
                raise ValueError("displacement_m needs the key column, and a distance for each of its values")
            if not all(isinstance(value, float | int) and value > 0 for value in distances):
                raise ValueError(f"displacement_m = {self.displacement_m} must hold metres above 0")
        if self.displacement_m is not None and self.statistic not in (None, "mean"):
            raise ValueError("displacement_m goes with values at points, not with a sum or a count")
        return self

    def files(self) -> list[Path]:
        """Return the files that are read."""
        return files_of(self.path)


_KEYS_OF_KIND = {
    "band": ("raster",), "classes": ("raster",), "column": ("points", "polygons", "table"),
    "statistic": ("points", "polygons"), "key": ("table",), "sheet": ("table",),
    "where": ("points", "lines", "polygons", "table"), "displacement_m": ("points",), "variance": ("points",),
    "zoom": ("terrarium",),
    "layer": ("points", "lines", "polygons"), "encoding": ("points", "lines", "polygons", "table"),
    **dict.fromkeys(("separator", "decimal", "missing"), ("points", "table")),
}  # fmt: skip
_STATISTICS = {"points": ("mean", "sum", "count"), "polygons": ("mean", "density")}


def files_of(path: str) -> list[Path]:
    """Return the files that are read: of a shapefile also those of its table, CRS and encoding, where they are."""
    given = Path(path)
    suffixes = (".dbf", ".shx", ".prj", ".cpg") if given.suffix.lower() == ".shp" else ()
    beside = [given.with_suffix(form(suffix)) for suffix in suffixes for form in (str.lower, str.upper)]
    return [given, *(file for file in beside if file.exists())]
