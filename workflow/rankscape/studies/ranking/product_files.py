"""Files that the study makes of its scores: maps, evaluations, districts, changes, regressions."""

from dataclasses import replace

from rankscape.artifacts import Column, Document, File, Raster, Table
from rankscape.products.agreement.artifacts import (
    OTHER_PLACES,
    PLACE_COLUMNS,
    SCORE,
    SCORE_STD,
    UNSCORED,
    Evaluation,
)
from rankscape.products.change.artifacts import CHANGE_COLUMNS, ChangeImages, ChangeRecord
from rankscape.products.districts.artifacts import DISTRICT_COLUMNS, OTHER_COLUMNS, OUTLINED_COLUMNS, DistrictRecord
from rankscape.products.regressions.artifacts import COEFFICIENT_COLUMNS, RegressionRecord
from rankscape.samples.artifacts import (
    CLOUD,
    COL,
    DISTINCT,
    FOOTPRINT,
    GRANULE,
    PATCH_ID,
    ROW,
    SEE_TITLE,
    STATISTICS_COLUMNS,
    USABLE,
    VALID,
)
from rankscape.studies.ranking.clusters.artifacts import CATEGORY, CLUSTER

_BANDS = ("score", "score_std")
_RASTERIZE, _DENSE, _MOSAIC = "ranking rasterize", "ranking dense", "mosaic"

REGION_ITEM = Document(
    "ranking/maps/region.json", _MOSAIC, "The region's map as STAC item, with statistics and provenance", "item"
)
REGION_MAP = Raster(
    "ranking/maps/region.tif", _MOSAIC, "Score and score_std of the region (COG, float32)", bands=_BANDS
)
REGION_STYLE = File("ranking/maps/region.qml", _MOSAIC, "QGIS style of the score; QGIS applies it by itself")
REGION_COLOUR = Raster(
    "ranking/maps/region-colour.tif",
    _MOSAIC,
    "The score in bytes with a colour table (COG): coloured in any program",
    bands=_BANDS[:1],
)
REGION_UNCERTAINTY = Raster(
    "ranking/maps/region-uncertainty.tif", _MOSAIC, "score_std of the region alone (COG, float32)", bands=_BANDS[1:]
)
REGION_UNCERTAINTY_STYLE = File("ranking/maps/region-uncertainty.qml", _MOSAIC, "QGIS style of the uncertainty")
REGION_PREVIEW = File("ranking/maps/region.png", _MOSAIC, "Image of the map with legend and scale bar")
MAP_ITEM = Document("ranking/maps/{granule}.json", _RASTERIZE, "A granule's map as STAC item", "item")
MAP = Raster(
    "ranking/maps/{granule}.tif",
    _RASTERIZE,
    "Score and score_std of a granule at the pixels of its image (COG)",
    bands=_BANDS,
)
MAP_STYLE = File("ranking/maps/{granule}.qml", _RASTERIZE, "QGIS style")
PATCH_MAP = Raster(
    "ranking/maps/{granule}-patches.tif", _RASTERIZE, "The same, one pixel a patch (COG, float32)", bands=_BANDS
)
PATCH_MAP_STYLE = File("ranking/maps/{granule}-patches.qml", _RASTERIZE, "QGIS style")
DENSE_ITEM = Document(
    "ranking/maps/dense/{granule}.json", _DENSE, "A granule's finer map as STAC item", "item", optional=True
)
DENSE_MAP = Raster(
    "ranking/maps/dense/{granule}.tif",
    _DENSE,
    "Finer map: score and score_std of places within patches (COG)",
    optional=True,
    bands=_BANDS,
)
DENSE_STYLE = File("ranking/maps/dense/{granule}.qml", _DENSE, "QGIS style", optional=True)
EVALUATION = Document(
    "ranking/evaluation/{reference}.json",
    "ranking evaluate",
    "Agreement of the score with a reference, with intervals",
    "collection",
    model=Evaluation,
)
PLACES = Table(
    "ranking/evaluation/{reference}.parquet", "ranking evaluate", "The places that were compared with a reference",
    "collection",
    row="one place that was compared with the reference", columns=PLACE_COLUMNS, others=OTHER_PLACES,
)  # fmt: skip
DISTRICTS = Table(
    "ranking/districts/{districts}.parquet", "ranking district", "Score of districts with their outlines (GeoParquet)",
    "group",
    row="one district", columns=OUTLINED_COLUMNS, others=OTHER_COLUMNS,
)  # fmt: skip
DISTRICTS_TABLE = Table(
    "ranking/districts/{districts}.csv", "ranking district", "The same without outlines", "group",
    row="one district", columns=DISTRICT_COLUMNS, others=OTHER_COLUMNS,
)  # fmt: skip
DISTRICTS_RECORD = Document(
    "ranking/districts/{districts}.json",
    "ranking district",
    "How districts were weighted and compared with their census",
    "group",
    model=DistrictRecord,
)
DISTRICTS_MAP = File("ranking/districts/{districts}.png", "ranking district", "Map of the districts", "group")
CHANGE = Table(
    "ranking/change/{change}.parquet", "ranking change", "Change of the score of places between two dates (GeoParquet)",
    "group",
    row="one place that was seen on both dates", columns=CHANGE_COLUMNS,
)  # fmt: skip
CHANGE_RECORD = Document(
    "ranking/change/{change}.json",
    "ranking change",
    "How change was measured, and what it found",
    "group",
    model=ChangeRecord,
)
CHANGE_MAP = Raster(
    "ranking/change/{change}.tif",
    "ranking change",
    "change and change_std of the region (COG)",
    "group",
    bands=("change", "change_std"),
)
CHANGE_STYLE = File("ranking/change/{change}.qml", "ranking change", "QGIS style of the change", "group")
CHANGE_PREVIEW = File("ranking/change/{change}.png", "ranking change", "Map of the change", "group")
CHANGE_IMAGES = File(
    "ranking/change/{change}-images", "ranking change", "Folder of images of the largest changes (PNG)"
)
CHANGE_IMAGES_INDEX = Document(
    "ranking/change/{change}-images/index.json",
    "ranking change",
    "What they show: before, after and Grad-CAM of each",
    "group",
    model=ChangeImages,
)
REGRESSION = Document(
    "ranking/regressions/{regression}.json",
    "ranking regress",
    "Regressions, with everything that was asked and found",
    "collection",
    model=RegressionRecord,
)
COEFFICIENTS = Table(
    "ranking/regressions/{regression}.csv", "ranking regress", "Coefficients of a regression", "collection",
    row="one coefficient of one model", columns=COEFFICIENT_COLUMNS,
)  # fmt: skip
REGRESSION_LATEX = File(
    "ranking/regressions/{regression}.tex", "ranking regress", "The same as a LaTeX table", "collection"
)
_LEARNED = "empty where the patch was not learned from (not usable, or its granule is only scored)"
_PATCH_COLUMNS = (
    PATCH_ID, GRANULE, ROW, COL,
    Column("lon", "number", "degrees east", "Longitude of the patch's centre (WGS 84)"),
    Column("lat", "number", "degrees north", "Latitude of the patch's centre (WGS 84)"),
    USABLE, VALID, CLOUD, replace(CATEGORY, missing=_LEARNED), replace(CLUSTER, missing=_LEARNED),
    Column("level", "integer", "", "Level of the patch's cluster in the merged order: 1 is the most developed",
           _LEARNED),
    Column("cluster_rank", "number", "", "Mean rank of the cluster in the merged order: 1 is the most developed",
           _LEARNED),
    SCORE, SCORE_STD,
    Column("score_low", "number", "0 to 1",
           "Lower end of the interval: score - z score_std, at least 0; z of the normal distribution at "
           "publish.confidence (1.96 at 0.95)", UNSCORED),
    Column("score_high", "number", "0 to 1", "Upper end of the interval: score + z score_std, at most 1", UNSCORED),
    DISTINCT,
    Column("reference_{reference}", "number", SEE_TITLE, "Mean of the reference over the patch, not transformed",
           "empty where the reference does not cover the patch"),
    Column("coverage_{reference}", "number", "0 to 1", "Share of the patch that the reference covers"),
    *(replace(column, optional=True) for column in STATISTICS_COLUMNS),
    Column("baseline_{baseline}", "number", "0 to 1", "Score of a baseline model", UNSCORED),
)  # fmt: skip
_ROW = "one patch of the region"
PATCHES_TABLE = Table(
    "ranking/maps/patches.parquet", "ranking tabulate",
    "All patches with score, cluster, references and footprint (GeoParquet 1.1)", "collection", row=_ROW,
    columns=(
        *_PATCH_COLUMNS,
        Column("bbox", "box", "degrees",
               "Smallest and largest longitude and latitude of the footprint, so that programs read only a place"),
        FOOTPRINT,
    ),
)  # fmt: skip
PATCHES_TEXT = Table(
    "ranking/maps/patches.csv.gz", "ranking tabulate",
    "The same without footprints, for spreadsheets and statistics programs",
    "collection", row=_ROW, columns=_PATCH_COLUMNS,
)  # fmt: skip
