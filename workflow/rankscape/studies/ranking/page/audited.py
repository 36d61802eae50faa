"""What the page reads of the audit: ranking/audit.json."""

from typing import Annotated

from pydantic import BaseModel

from rankscape.studies.ranking.page.documents import Document, empty_as


class Share(BaseModel):
    """A share with its interval."""

    count: int
    share: float
    low: float
    high: float


class Mean(BaseModel):
    """A mean with its interval."""

    mean: float
    low: float | None = None
    high: float | None = None


class Drift(BaseModel):
    """Change of scores from round to round."""

    per_round: float
    low: float
    high: float


class Spread(BaseModel):
    """How far replies to the same question lie apart."""

    mean_deviation: float


class Distribution(BaseModel):
    """Counts of scores in bins from 0 on."""

    of: str
    bin_points: float
    counts: list[int]


class Taken(BaseModel):
    """What one or several rounds took."""

    judge: str
    prompt: str
    questions: int = 0
    replies: int = 0
    usable_share: float | None = None
    repaired: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float | None = None
    cost: float | None = None
    currency: str | None = None

    @property
    def name(self) -> str:
        """Judge and prompt in one."""
        return f"{self.judge}, {self.prompt}"


class TakenRound(Taken):
    """What one round took."""

    round: int


class Judge(Taken):
    """One judge with one prompt."""

    mode: str = "scores"
    stand_in: bool = False
    rounds: int = 0
    position_bias: Share | None = None
    place_bias: Mean | None = None
    consistency: Share | None = None
    drift: Drift | None = None
    tau_between_rounds: float | None = None
    spread: Spread | None = None
    distribution: Distribution | None = None


class Group(BaseModel):
    """The rounds of one judge with one prompt, or one other source."""

    group: str
    kind: str
    orders: int
    weight: float | None = None
    mean_tau: float | None = None
    tau_to_rest: float | None = None


class GroupTau(BaseModel):
    """Mean Kendall tau-b between the orders of every two groups."""

    groups: list[str]
    matrix: list[list[float | None]]


class Pairs(BaseModel):
    """Share of orders that put the row's cluster above the column's."""

    clusters: list[int]
    above: list[list[float | None]]
    nobody: Annotated[list[tuple[int, int]], empty_as(list)] = []


class Audit(Document):
    """What judges, people and data can be trusted with: ranking/audit.json."""

    verb = "ranking audit"
    confidence: float = 0.95
    judges: Annotated[list[Judge], empty_as(list)] = []
    rounds: Annotated[list[TakenRound], empty_as(list)] = []
    groups: list[Group]
    tau: GroupTau
    pairs: Pairs
    fingerprint: str | None = None
