"""What the page reads of the other stages' documents: only what it shows, checked at the door.

Models here are open (unknown keys are passed over) and tolerant: whatever a stage may leave out is optional.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json


def empty_as(kind: type) -> BeforeValidator:
    """Read null as an empty list or dictionary."""
    return BeforeValidator(lambda value: kind() if value is None else value)


Interval = tuple[float | None, float | None]
"""Lower and upper end; null where none was computed."""


class Document(BaseModel):
    """A JSON document of another stage."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    verb: ClassVar[str] = ""
    """Stage that makes the document, for messages."""
    provenance: Annotated[dict[str, Any], empty_as(dict)] = {}

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a document.

        Raises:
            InputError: If it is missing, no JSON, or lacks something that the page shows; the message names the key.
        """
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(map(str, fault["loc"])) or "(whole)"
            why = f"{place}: {fault['msg']}"
            raise InputError(
                f"{path} was not written by `rankscape {cls.verb}` ({why}): make it again with that verb."
            ) from None


class Tau(BaseModel):
    """Kendall tau-b between every two orders."""

    sources: list[str]
    matrix: list[list[float | None]]


class MergedOrder(Document):
    """The ensemble's order: ranking/order.json."""

    verb = "ranking ensemble"
    method: str
    levels: list[list[int]]
    ranks: dict[int, float | None]
    intervals: Annotated[dict[int, Interval | None], empty_as(dict)] = {}
    weights: Annotated[dict[str, float | None], empty_as(dict)] = {}
    effective_judges: float | None = None
    iterations: int | None = None
    edges: Annotated[list[tuple[int, int]], empty_as(list)] = []
    incomparable: Annotated[list[tuple[int, int]], empty_as(list)] = []
    tau: Tau | None = None
    mean_tau: float | None = None
    kendall_w: float | None = None
    leave_one_out: Annotated[dict[str, dict[int, float]], empty_as(dict)] = {}
    uninhabited: int | None = None
    fingerprint: str | None = None


class Vote(Document):
    """One partial order: ranking/orders/{source}.json."""

    verb = "ranking rank"
    source: dict[str, Any]
    levels: list[list[int]] | None = None
    text: str | None = None
    fingerprint: str | None = None


class Cluster(BaseModel):
    """One cluster as the summary lists it."""

    cluster: int
    category: str
    size: int
    uninhabited: bool = False
    medoid: str | None = None


class Category(BaseModel):
    """How the number of clusters of one land category was chosen."""

    k: int
    k_given: bool = False
    silhouettes: Annotated[dict[int, float | None], empty_as(dict)] = {}
    stability: float | None = None


class Summary(Document):
    """What is known of every cluster: clusters/clusters.json."""

    verb = "ranking cluster"
    clusters: list[Cluster]
    categories: Annotated[dict[str, Category], empty_as(dict)] = {}
    fingerprint: str | None = None


class Estimate(BaseModel):
    """A correlation with its interval."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class LogEstimate(Estimate):
    """R² of logarithms, over the places where both are positive."""

    n: int = 0
    reason: str | None = None


class PartialEstimate(Estimate):
    """A correlation given other predictors."""

    given: Annotated[list[str], empty_as(list)] = []


class SpatialTest(BaseModel):
    """How often a reference that knows nothing of the predictor would agree as closely."""

    p: float | None = None
    surrogates: int | None = None
    effective_n: float | None = None
    reason: str | None = None


class Agreement(BaseModel):
    """Agreement of one predictor with one reference over some granules, or the reason why none is given."""

    n: int = 0
    blocks: int | None = None
    spearman: Estimate | None = None
    pearson: Estimate | None = None
    kendall: Estimate | None = None
    r2_log: LogEstimate | None = None
    partial_spearman: PartialEstimate | None = None
    difference: Estimate | None = None
    """Spearman of the score less that of the predictor."""
    test: SpatialTest | None = None
    reason: str | None = None
    interval_reason: str | None = None


class Predictor(BaseModel):
    """Agreement of one predictor: pooled, by role and by granule."""

    trained_on: str | None = None
    """The reference that a baseline model was trained on."""
    pooled: Agreement | None = None
    fit: Agreement | None = None
    apply: Agreement | None = None
    granules: Annotated[dict[str, Agreement | None], empty_as(dict)] = {}


class Blocks(BaseModel):
    """Where the side of the bootstrap's blocks comes from."""

    origin: str
    note: str | None = None
    reference_range_m: float | None = None
    score_range_m: float | None = None


class Evaluation(Document):
    """Agreement with one reference: evaluation/{reference}.json."""

    verb = "ranking evaluate"
    reference: str
    title: str
    truth: bool = False
    transform: str = "none"
    confidence: float = 0.95
    block_m: float | None = None
    kind: str = "raster"
    block: Blocks | None = None
    predictors: Annotated[dict[str, Predictor], Field(min_length=1)]
    baselines: Annotated[list[str], empty_as(list)] = []
    """Predictors that are scores of baseline models."""


class Scene(Document):
    """What was fetched for a granule: scenes/{granule}/download.json."""

    verb = "fetch"
    granule: str
    scenes: Annotated[list[dict[str, Any]], empty_as(list)] = []
    """Item, date and platform of each scene."""
