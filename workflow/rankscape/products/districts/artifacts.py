"""What districts hold: keys of their document, columns of their table."""

from typing import Annotated

from rankscape.artifacts import Column, DocumentKeys, Keys, empty_as
from rankscape.products.agreement.artifacts import Estimate
from rankscape.samples.artifacts import FOOTPRINT


class CensusAgreement(Keys):
    """Agreement of districts' scores with one census column, or the reason why none is given."""

    title: str = ""
    """Title of the column."""
    log: bool = False
    """Whether Pearson's correlation is of logarithms."""
    n: int = 0
    """Districts compared."""
    n_log: int = 0
    """Those where both are positive."""
    pearson: Estimate | None = None
    """Pearson's correlation."""
    spearman: Estimate | None = None
    """Spearman's rank correlation."""
    r2_log: Estimate | None = None
    """Squared correlation of the logarithms."""
    reason: str | None = None
    """Why nothing is compared."""


class DistrictRecord(DocumentKeys):
    """How scores were averaged over districts."""

    districts: str = ""
    """Name of the set of districts."""
    title: str = "Districts"
    """Its title."""
    weighting: str = ""
    """`area` or `population`."""
    correlation_range_m: float | None = None
    """Range of the correlation of errors."""
    correlation_range_from: str = ""
    """What says so: `settings`, `variogram` or `region`."""
    confidence: float = 0.95
    """Coverage of the intervals."""
    draws: int = 0
    """Draws for the intervals of ranks."""
    count: int = 0
    """Districts."""
    scored: int = 0
    """Those with a score."""
    patches: int = 0
    """Patches that count."""
    unscored: list[str | int] = []
    """Ids of districts without a score."""
    comparisons: Annotated[dict[str, CensusAgreement], empty_as(dict)] = {}
    """Agreement by census column."""
    notes: Annotated[list[str], empty_as(list)] = []
    """What a reader should know, a sentence each."""


DISTRICT_COLUMNS = (
    Column("district", "text", "", "Id of the district"),
    Column("name", "text", "", "Name of the district", "empty where the polygons have none"),
    Column("patches", "integer", "", "Patches that lie in it or touch it"),
    Column("area_m2", "number", "m²", "Area of the district"),
    Column("covered_fraction", "number", "0 to 1", "Share of the area, or of the weight, that has a score"),
    Column("population", "number", "persons", "Population from the raster that weights the score",
           "empty where no such raster was given"),
    Column("score", "number", "0 to 1", "Mean score of the district", "empty where it has no score"),
    Column("score_std", "number", "score",
           "Uncertainty of the mean: one standard deviation, errors of neighbours being correlated", "as score"),
    Column("score_low", "number", "0 to 1", "Lower end of the interval of the mean", "as score"),
    Column("score_high", "number", "0 to 1", "Upper end of the interval of the mean", "as score"),
    Column("rank", "number", "", "Place among the districts: 1 is the most developed", "as score"),
    Column("rank_low", "number", "", "Lower end of the interval of the rank", "as score"),
    Column("rank_high", "number", "", "Upper end of the interval of the rank", "as score"),
)  # fmt: skip
OUTLINED_COLUMNS = (*DISTRICT_COLUMNS, FOOTPRINT)
OTHER_COLUMNS = "Column of the districts' own table, as it was given"
