"""An evaluation against one reference: keys of its document, columns of its table."""

from typing import Annotated

from pydantic import Field

from rankscape.artifacts import Column, DocumentKeys, Keys, empty_as
from rankscape.samples.artifacts import DISTINCT, GRANULE, PATCH_ID, SEE_TITLE, STATISTICS_COLUMNS


class Estimate(Keys):
    """A measure with its interval."""

    value: float | None = None
    """The measure; null where it is not defined."""
    low: float | None = None
    """Lower end of the interval; null where none can be given."""
    high: float | None = None
    """Upper end."""


class LogEstimate(Estimate):
    """R² of logarithms, over the places where both are positive."""

    n: int = 0
    """Places where both are positive."""
    reason: str | None = None
    """Why it is not given."""


class PartialEstimate(Estimate):
    """A correlation given other predictors."""

    given: Annotated[list[str], empty_as(list)] = []
    """The other predictors."""


class SpatialTest(Keys):
    """How often a reference that knows nothing of the predictor would agree as closely."""

    p: float | None = None
    """Share of the surrogates that agree as closely."""
    surrogates: int | None = None
    """Surrogates drawn."""
    effective_n: float | None = None
    """Independent places that tell as much (Dutilleul 1993)."""
    reason: str | None = None
    """Why there is no test."""


class Agreement(Keys):
    """Agreement of one predictor with one reference over some granules, or the reason why none is given."""

    n: int = 0
    """Places compared."""
    blocks: int | None = None
    """Blocks that the bootstrap drew from."""
    spearman: Estimate | None = None
    """Spearman's rank correlation."""
    pearson: Estimate | None = None
    """Pearson's correlation."""
    kendall: Estimate | None = None
    """Kendall's tau-b."""
    r2_log: LogEstimate | None = None
    """Squared correlation of the logarithms."""
    partial_spearman: PartialEstimate | None = None
    """Spearman given the pixel statistics."""
    difference: Estimate | None = None
    """Spearman of the score less that of the predictor."""
    test: SpatialTest | None = None
    """Test against surrogates with the reference's spatial autocorrelation."""
    reason: str | None = None
    """Why no correlation is given."""
    interval_reason: str | None = None
    """Why no interval is given."""


class Predictor(Keys):
    """Agreement of one predictor: pooled, by role and by granule."""

    trained_on: str | None = None
    """The reference that a baseline model was trained on; agreement with that one is no evidence."""
    pooled: Agreement | None = None
    """All granules, each place once."""
    fit: Agreement | None = None
    """Granules that were learned from."""
    apply: Agreement | None = None
    """Granules that were only scored."""
    granules: Annotated[dict[str, Agreement | None], empty_as(dict)] = {}
    """Every granule by itself."""


class BlockSide(Keys):
    """Where the side of the bootstrap's blocks comes from."""

    origin: str
    """What chose it."""
    note: str | None = None
    """What a reader must know of it."""
    reference_range_m: float | None = None
    """Range of the reference's spatial autocorrelation."""
    score_range_m: float | None = None
    """Range of the score's."""


class Evaluation(DocumentKeys):
    """Agreement with one reference."""

    reference: str
    """Name of the reference."""
    title: str
    """Its title, with its unit."""
    truth: bool = False
    """Whether it is the known truth of a synthetic region."""
    transform: str = "none"
    """Transform of its values."""
    kind: str = "raster"
    """What it is made of."""
    confidence: float = 0.95
    """Coverage of the intervals."""
    block_m: float | None = None
    """Side of the bootstrap's blocks."""
    block: BlockSide | None = None
    """Where that side comes from."""
    predictors: Annotated[dict[str, Predictor], Field(min_length=1)]
    """Agreement by predictor: the score, pixel statistics, baseline models."""
    baselines: Annotated[list[str], empty_as(list)] = []
    """Predictors that are scores of baseline models."""


UNSCORED = "empty (NaN) where the patch could not be scored"
SCORE = Column(
    "score", "number", "0 to 1", "Development score: 0 the least, 1 the most developed of this run", UNSCORED
)
SCORE_STD = Column("score_std", "number", "score", "Uncertainty of the score: one standard deviation", UNSCORED)
PLACE_COLUMNS = (
    PATCH_ID, GRANULE,
    Column("role", "text", "", "`fit`: the granule was learned from; `apply`: it was only scored"),
    SCORE,
    Column("value", "number", SEE_TITLE,
           "The reference, transformed as its settings say (log1p: natural logarithm of 1 + value)"),
    *STATISTICS_COLUMNS, DISTINCT,
)  # fmt: skip
OTHER_PLACES = "Score of a baseline model of that name, or another predictor that the evaluation's document names"
