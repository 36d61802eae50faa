"""What every column of every table means: the one place that the data dictionary is made of."""

import re
from dataclasses import dataclass
from typing import Literal

Type = Literal["text", "integer", "number", "true/false", "geometry", "box", "picture"]
SEE_TITLE = "see the reference's title"
"""Unit of values of a reference, where no title is known."""
_NEVER = "never"


@dataclass(frozen=True)
class Column:
    """One column, or several whose names have a part in common: `reference_{reference}`."""

    name: str
    type: Type
    unit: str
    """Unit, or empty where there is none."""
    meaning: str
    missing: str = _NEVER
    """When a value is missing, and how that looks."""

    def describes(self, name: str) -> bool:
        """Say whether this is the description of a column of that name."""
        parts = re.split(r"\{\w+\}", self.name)
        return re.fullmatch(".+".join(map(re.escape, parts)), name) is not None


@dataclass(frozen=True)
class Table:
    """The tables of one pattern."""

    patterns: tuple[str, ...]
    """Paths below the run's folder."""
    what: str
    """What a row is."""
    columns: tuple[Column, ...]
    others: str = ""
    """What a column is that is not described: empty where there must be none."""

    def column(self, name: str) -> Column | None:
        """Return the description of a column."""
        found = next((column for column in self.columns if column.describes(name)), None)
        if found is None and self.others:
            return Column(name, "text", "", self.others, "as in its source")
        return found


_PATCH = Column("patch_id", "text", "", "Id of the patch: granule, row and column, joined by _")
_GRANULE = Column("granule", "text", "", "Granule (MGRS), or the name of a folder of tiles")
_ROW = Column("row", "integer", "", "Row of the patch in its granule, from 0 at the top")
_COL = Column("col", "integer", "", "Column of the patch in its granule, from 0 at the left")
_UNSCORED = "empty (NaN) where the patch could not be scored"
_SCORE = Column(
    "score", "number", "0 to 1", "Development score: 0 the least, 1 the most developed of this run", _UNSCORED
)
_SCORE_STD = Column("score_std", "number", "score", "Uncertainty of the score: one standard deviation", _UNSCORED)
_ENSEMBLE_STD = Column(
    "ensemble_std",
    "number",
    "score",
    "Standard deviation over the networks alone, before it is fitted to what they miss",
    _UNSCORED,
)
_VALID = Column("valid_fraction", "number", "0 to 1", "Share of the patch's pixels with data")
_CLOUD = Column("cloud_fraction", "number", "0 to 1", "Share of the patch's pixels under cloud or its shadow")
_USABLE = Column("usable", "true/false", "", "Whether data and cloud allow the patch to be used")
_LEARNED = "empty where the patch was not learned from (not usable, or its granule is only scored)"
_CATEGORY = Column("category", "text", "", "Land category of the patch's cluster", _LEARNED)
_CLUSTER = Column("cluster", "integer", "", "Cluster: patches that look alike", _LEARNED)
_DISTINCT = Column(
    "distinct",
    "true/false",
    "",
    "True where no earlier granule shows this land already: keep only these, and no place counts twice",
)
_TRIVIAL = (
    Column("gradient", "number", "grey 0 to 1 a pixel", "Trivial measure: mean size of the gradient of grey",
           "empty (NaN) where the patch is not usable"),
    Column("blue_green", "number", "", "Trivial measure: mean of blue over mean of green", "as gradient"),
    Column("brightness", "number", "grey 0 to 1", "Trivial measure: mean of grey", "as gradient"),
)  # fmt: skip
_FOOTPRINT = Column("geometry", "geometry", "degrees", "Footprint in WGS 84 (longitude, latitude)")
_LABELS = (Column("{category}", "number", "share", "Share of the labels of this patch that name this land category"),)

TABLES = (
    Table(("maps/patches.parquet", "maps/patches.csv.gz"), "one patch of the region", (
        _PATCH, _GRANULE, _ROW, _COL,
        Column("lon", "number", "degrees east", "Longitude of the patch's centre (WGS 84)"),
        Column("lat", "number", "degrees north", "Latitude of the patch's centre (WGS 84)"),
        _USABLE, _VALID, _CLOUD, _CATEGORY, _CLUSTER,
        Column("level", "integer", "", "Level of the patch's cluster in the merged order: 1 is the most developed", _LEARNED),
        Column("cluster_rank", "number", "", "Mean rank of the patch's cluster in the merged order: 1 is the most developed", _LEARNED),
        _SCORE, _SCORE_STD,
        Column("score_low", "number", "0 to 1",
               "Lower end of the interval: score - z score_std, at least 0; z of the normal distribution at publish.confidence (1.96 at 0.95)",
               _UNSCORED),
        Column("score_high", "number", "0 to 1", "Upper end of the interval: score + z score_std, at most 1", _UNSCORED),
        _DISTINCT,
        Column("reference_{reference}", "number", SEE_TITLE, "Mean of the reference over the patch, not transformed",
               "empty where the reference does not cover the patch"),
        Column("coverage_{reference}", "number", "0 to 1", "Share of the patch that the reference covers"),
        *_TRIVIAL,
        Column("rival_{baseline}", "number", "0 to 1", "Score of a baseline run of the same pipeline", _UNSCORED),
        Column("bbox", "box", "degrees", "Smallest and largest longitude and latitude of the footprint, so that programs read only what they need"),
        _FOOTPRINT,
    )),
    Table(("scores/{granule}.parquet",), "one patch of a granule", (_PATCH, _GRANULE, _SCORE, _SCORE_STD, _ENSEMBLE_STD)),
    Table(("baselines/{baseline}/scores/{granule}.parquet",), "one patch of a granule, scored by a rival run",
          (_PATCH, _GRANULE, _SCORE, _SCORE_STD, _ENSEMBLE_STD)),
    Table(("tiles/{granule}.parquet",), "one patch of a granule", (
        _PATCH, _GRANULE, _ROW, _COL, _VALID, _CLOUD, _USABLE,
        Column("picture", "text", "", "Path of the picture below its folder, only of pictures without coordinates"),
        Column("geometry", "geometry", "units of the granule's CRS", "Footprint in the granule's own CRS"),
    )),
    Table(("clusters/clusters.parquet",), "one patch that was learned from", (_PATCH, _GRANULE, _CATEGORY, _CLUSTER)),
    Table(("clusters/categories.parquet",), "one patch that was learned from", (
        _PATCH, _GRANULE, Column("p_{category}", "number", "0 to 1", "Probability of this land category"),
        Column("category", "text", "", "Most probable land category"),
    )),
    Table(("evaluation/{reference}.parquet",), "one place that was compared with the reference", (
        _PATCH, _GRANULE,
        Column("role", "text", "", "`fit`: the granule was learned from; `apply`: it was only scored"),
        _SCORE,
        Column("value", "number", SEE_TITLE, "The reference, transformed as its settings say (log1p: natural logarithm of 1 + value)"),
        *_TRIVIAL, _DISTINCT,
    ), "Score of a rival run of that name, or another measure that evaluation/{reference}.json names"),
    Table(("evaluation/references/{reference}/{granule}.parquet",), "one patch of a granule", (
        _PATCH,
        Column("value", "number", SEE_TITLE, "Mean of the reference over the patch", "empty where it does not cover the patch"),
        Column("coverage", "number", "0 to 1", "Share of the patch that the reference covers"),
    )),
    Table(("evaluation/baselines/{granule}.parquet",), "one patch of a granule", (_PATCH, *_TRIVIAL)),
    Table(("districts/{districts}.parquet", "districts/{districts}.csv"), "one district", (
        Column("district", "text", "", "Id of the district"),
        Column("name", "text", "", "Name of the district", "empty where the polygons have none"),
        Column("patches", "integer", "", "Patches that lie in it or touch it"),
        Column("area_m2", "number", "m²", "Area of the district"),
        Column("covered_fraction", "number", "0 to 1", "Share of the area, or of the weight, that has a score"),
        Column("population", "number", "persons", "Population from the raster that weights the score", "empty where no such raster was given"),
        Column("score", "number", "0 to 1", "Mean score of the district", "empty where it has no score"),
        Column("score_std", "number", "score", "Uncertainty of the mean: one standard deviation, errors of neighbours being correlated", "as score"),
        Column("score_low", "number", "0 to 1", "Lower end of the interval of the mean", "as score"),
        Column("score_high", "number", "0 to 1", "Upper end of the interval of the mean", "as score"),
        Column("rank", "number", "", "Place among the districts: 1 is the most developed", "as score"),
        Column("rank_low", "number", "", "Lower end of the interval of the rank", "as score"),
        Column("rank_high", "number", "", "Upper end of the interval of the rank", "as score"),
        _FOOTPRINT,
    ), "Column of the districts' own table, as it was given"),
    Table(("change/{change}.parquet",), "one place that was seen on both dates", (
        Column("patch_id", "text", "", "Id of the patch of the later date"),
        Column("before_patch_id", "text", "", "Id of the patch of the earlier date"),
        Column("granule", "text", "", "Granule of the later date"),
        Column("before_granule", "text", "", "Granule of the earlier date"),
        Column("place", "text", "", "The land that both show: an MGRS granule, or a name of your own"),
        _ROW, _COL,
        Column("score_before", "number", "0 to 1", "Score on the earlier date"),
        Column("score_after", "number", "0 to 1", "Score on the later date"),
        Column("change", "number", "score", "Change of the score, the effect of season and sensor taken out"),
        Column("raw_change", "number", "score", "score_after - score_before"),
        Column("change_std", "number", "score", "Uncertainty of the change: one standard deviation"),
        Column("p", "number", "0 to 1", "Probability of so large a change where nothing changed"),
        Column("q", "number", "0 to 1", "The same after control of the false-discovery rate"),
        Column("significant", "true/false", "", "Whether the change is significant after that control"),
        Column("invariant", "true/false", "", "Whether the place was taken as one that did not change"),
        _FOOTPRINT,
    )),
    Table(("regressions/{regression}.csv",), "one coefficient of one model", (
        Column("model", "integer", "", "Number of the model, from 1"),
        Column("outcome", "text", "", "What is explained"),
        Column("column", "text", "", "What explains it: a column, or the intercept or a dummy"),
        Column("label", "text", "", "The same in words"),
        Column("coefficient", "number", "outcome per unit of the column", "Estimate"),
        Column("std_error", "number", "as coefficient", "Standard error, clustered where the settings ask for it"),
        Column("conley_error", "number", "as coefficient", "Conley's standard error, which respects space", "empty where it was not asked for"),
        Column("t", "number", "", "Coefficient over standard error"),
        Column("p", "number", "0 to 1", "Probability of so large a coefficient where there is none"),
        Column("low", "number", "as coefficient", "Lower end of the interval"),
        Column("high", "number", "as coefficient", "Upper end of the interval"),
        Column("n", "integer", "", "Places in the model"),
        Column("clusters", "number", "", "Clusters of the standard errors", "empty where errors are not clustered"),
        Column("r2", "number", "0 to 1", "Share of the variance that the model explains"),
        Column("r2_within", "number", "0 to 1", "The same within groups", "empty where there are no fixed effects"),
    )),
    Table(("model/labels.parquet",), "one labelled patch", (_PATCH, *_LABELS)),
    Table(("ranking/draws/{round}.parquet",), "one patch that a round shows", (
        Column("cluster", "integer", "", "Cluster that the patch stands for"), _PATCH,
        Column("image", "picture", "", "What the judges are shown (PNG)"),
    )),
    Table(("invented/counties.parquet",), "one county of the demo's invented region", (_FOOTPRINT,), "Column of the invented census"),
    Table(("invented/surroundings.csv",), "one patch of the demo's invented region, usable or not", (
        _PATCH,
        Column("county", "text", "", "Code of the county that its centre lies in"),
        Column("town_m", "integer", "m", "Distance of its centre to the middle of the nearest city or town"),
        Column("road_m", "integer", "m", "Distance of its centre to the nearest road or track"),
        Column("water_m", "integer", "m", "Distance of its centre to the nearest lake or river"),
    )),
    Table(("invented/labels.csv",), "one labelled patch of the demo's invented region", (_PATCH, *_LABELS)),
)  # fmt: skip
"""All tables of a run."""


def table_of(path: str) -> Table | None:
    """Return the description of a table by its path below the run's folder, wildcards filled or not."""
    for table in TABLES:
        for pattern in table.patterns:
            parts = re.split(r"\{\w+\}", pattern)
            if pattern == path or re.fullmatch("[^/]+".join(map(re.escape, parts)), path):
                return table
    return None
