"""Files of samples: patches and their index, references brought to them, pixel statistics; and columns they share."""

from rankscape.artifacts import Array, Column, Table

PATCH_ID = Column("patch_id", "text", "", "Id of the patch: granule, row and column, joined by _")
GRANULE = Column("granule", "text", "", "Granule (MGRS), or the name of a folder of images")
ROW = Column("row", "integer", "", "Row of the patch in its granule, from 0 at the top")
COL = Column("col", "integer", "", "Column of the patch in its granule, from 0 at the left")
VALID = Column("valid_fraction", "number", "0 to 1", "Share of the patch's pixels with data")
CLOUD = Column("cloud_fraction", "number", "0 to 1", "Share of the patch's pixels under cloud or its shadow")
USABLE = Column("usable", "true/false", "", "Whether data and cloud allow the patch to be used")
DISTINCT = Column(
    "distinct", "true/false", "",
    "True where no earlier granule shows this place already: keep only these, and no place counts twice",
)  # fmt: skip
FOOTPRINT = Column("geometry", "geometry", "degrees", "Footprint in WGS 84 (longitude, latitude)")
SEE_TITLE = "see the reference's title"
"""Unit of values of a reference, which its title holds."""
STATISTICS_COLUMNS = (
    Column("gradient", "number", "grey 0 to 1 a pixel", "Pixel statistic: mean size of the gradient of grey",
           "empty (NaN) where the patch is not usable"),
    Column("blue_green", "number", "", "Pixel statistic: mean of blue over mean of green", "as gradient"),
    Column("brightness", "number", "grey 0 to 1", "Pixel statistic: mean of grey", "as gradient"),
)  # fmt: skip

PATCHES = Array(
    "samples/{acquisition}/{granule}.npy",
    "tile",
    "Pixels of every patch",
    dimensions=("patch", "row", "column", "band"),
)
INDEX = Table(
    "samples/{acquisition}/{granule}.parquet", "tile",
    "Place and footprint of every patch (GeoParquet, the granule's own CRS)", row="one patch of a granule",
    columns=(
        PATCH_ID, GRANULE, ROW, COL, VALID, CLOUD, USABLE,
        Column("image", "text", "", "Path of the image below its folder, only of images without coordinates",
               optional=True),
        Column("geometry", "geometry", "units of the granule's CRS", "Footprint in the granule's own CRS"),
    ),
)  # fmt: skip
REFERENCE_VALUES = Table(
    "samples/references/{acquisition}/{reference}/{granule}.parquet", "aggregate", "A reference's values at patches",
    row="one patch of a granule",
    columns=(
        PATCH_ID,
        Column("value", "number", SEE_TITLE, "Mean of the reference over the patch",
               "empty where it does not cover the patch"),
        Column("coverage", "number", "0 to 1", "Share of the patch that the reference covers"),
    ),
)  # fmt: skip
PIXEL_STATISTICS = Table(
    "samples/statistics/{acquisition}/{granule}.parquet", "pixel-statistics", "Pixel statistics of every patch",
    row="one patch of a granule", columns=(PATCH_ID, *STATISTICS_COLUMNS),
)  # fmt: skip
