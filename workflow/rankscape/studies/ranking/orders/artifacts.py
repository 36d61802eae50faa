"""Files of orders: one partial order a source, the merged order, and what the sources can be trusted with."""

from typing import Annotated, Any

from rankscape.artifacts import Document, DocumentKeys, Interval, Keys, empty_as
from rankscape.studies.ranking.orders.judge_measures import Drift, Mean, Share, Spread


class Vote(DocumentKeys):
    """The partial order of one source: a judge's round, a person, or a reference."""

    source: dict[str, Any]
    """What it is: `kind`, and the names of judge, prompt and round, of the annotator, or of the reference."""
    clusters: list[int] = []
    """Clusters that are ordered."""
    relations: list[tuple[int, int, str]] = []
    """Two clusters, and what the first is to the second: higher, lower, equal or incomparable."""
    levels: list[list[int]] | None = None
    """Clusters by level, best first; null where the order is none of levels."""
    text: str | None = None
    """The order as text."""
    scores: dict[int, float | None] = {}
    """Score or mean of every cluster that the order was made of."""
    means: dict[int, dict[str, Any]] = {}
    """Mean of the reference in every cluster, with its standard error."""
    annotation: dict[str, Any] = {}
    """Consistency of the annotator, and the seconds spent."""
    fingerprint: str | None = None
    """Hash of which patch is in which cluster."""


class TauMatrix(Keys):
    """Kendall's tau-b between every two orders."""

    sources: list[str]
    """Sources, in the order of rows and columns."""
    matrix: list[list[float | None]]
    """Tau-b; null where it is not defined."""


class MergedOrder(DocumentKeys):
    """The merged order of the clusters."""

    method: str
    """How it was merged."""
    clusters: list[int] = []
    """Clusters that were ranked."""
    levels: list[list[int]]
    """Clusters by level, best first; the uninhabited one is the last level."""
    ranks: dict[int, float | None]
    """Mean rank of every cluster; 1 is the most developed."""
    intervals: Annotated[dict[int, Interval | None], empty_as(dict)] = {}
    """Bootstrap interval of every rank; null for a single order."""
    weights: Annotated[dict[str, float | None], empty_as(dict)] = {}
    """Weight of every source; they sum to 1."""
    effective_judges: float | None = None
    """Equally weighted sources that would count as much."""
    iterations: int | None = None
    """Iterations taken."""
    edges: Annotated[list[tuple[int, int]] | None, empty_as(list)] = None
    """Pairs, the first above the second, from which all others follow."""
    incomparable: Annotated[list[tuple[int, int]], empty_as(list)] = []
    """Pairs that stay open."""
    unordered: Annotated[list[tuple[int, int]], empty_as(list)] = []
    """Pairs that no order compares, whether or not something follows for them."""
    tau: TauMatrix | None = None
    """Agreement of every two orders."""
    mean_tau: float | None = None
    """Its mean."""
    kendall_w: float | None = None
    """Kendall's W; null for a single order."""
    leave_one_out: Annotated[dict[str, dict[int, float]], empty_as(dict)] = {}
    """Ranks without each source; null for a single order."""
    uninhabited: int | None = None
    """The cluster that nobody ranked, because it is the lowest by definition."""
    fingerprint: str | None = None
    """Hash of which patch is in which cluster."""


class Distribution(Keys):
    """Counts of scores in bins from 0 on."""

    of: str
    """What is counted: `replies` or `clusters`."""
    bin_points: float
    """Width of a bin."""
    counts: list[int]
    """Count in each bin."""


class Taken(Keys):
    """What one or several rounds took."""

    judge: str
    """Name of the judge."""
    prompt: str
    """Name of the prompt."""
    questions: int = 0
    """Questions asked."""
    replies: int = 0
    """Replies that came."""
    usable: int = 0
    """Usable ones."""
    usable_share: float | None = None
    """Their share."""
    repaired: int = 0
    """Replies whose form the judge was asked to mend."""
    prompt_tokens: int = 0
    """Tokens of the questions."""
    completion_tokens: int = 0
    """Tokens of the replies."""
    seconds: float | None = None
    """Time that the replies took, added up."""
    cost: float | None = None
    """Money; null where the judge has no price."""
    currency: str | None = None
    """Currency of the cost."""

    @property
    def name(self) -> str:
        """Judge and prompt in one."""
        return f"{self.judge}, {self.prompt}"


class TakenRound(Taken):
    """What one round took."""

    round: int
    """Number of the round."""


class AuditedJudge(Taken):
    """One judge with one prompt."""

    model: str | None = None
    """Model that answered."""
    language: str | None = None
    """Language of the prompt."""
    mode: str = "scores"
    """What was asked for: `scores`, `pairs` or `tiers`."""
    stand_in: bool = False
    """Whether it stands in for a model."""
    rounds: int = 0
    """Rounds."""
    missing: dict[str, int] = {}
    """Replies that were of no use, by the reason."""
    position_bias: Share | None = None
    """Share of decided pairs that went to the cluster shown first."""
    place_bias: Mean | None = None
    """How far tiers follow the order in which clusters were shown."""
    consistency: Share | None = None
    """Share of pairs that were answered alike in both orders of showing."""
    drift: Drift | None = None
    """Change of scores from round to round."""
    tau_between_rounds: float | None = None
    """Mean tau-b between the orders of its rounds."""
    spread: Spread | None = None
    """How far replies to the same question lie apart."""
    distribution: Distribution | None = None
    """How often which score occurs."""


class SourceGroup(Keys):
    """The rounds of one judge with one prompt, or one other source."""

    group: str
    """Name of the group."""
    kind: str
    """`round`, `person` or `data`."""
    orders: int
    """Orders in it."""
    weight: float | None = None
    """Their weight in the merged order."""
    mean_tau: float | None = None
    """Mean tau-b with all other orders."""
    tau_to_rest: float | None = None
    """Mean tau-b with what the others merge to."""


class GroupTau(Keys):
    """Mean Kendall tau-b between the orders of every two groups."""

    groups: list[str]
    """Groups, in the order of rows and columns."""
    matrix: list[list[float | None]]
    """Means; on the diagonal between different orders of the group."""


class ClusterPairs(Keys):
    """Share of orders that put the row's cluster above the column's."""

    clusters: list[int]
    """Clusters, in the order of rows and columns."""
    above: list[list[float | None]]
    """Shares, ties half; null where no order compares the two."""
    nobody: Annotated[list[tuple[int, int]], empty_as(list)] = []
    """Pairs that no order compares."""


class Audit(DocumentKeys):
    """What judges, people and data can be trusted with."""

    confidence: float = 0.95
    """Coverage of the intervals."""
    judges: Annotated[list[AuditedJudge], empty_as(list)] = []
    """Every judge with every prompt."""
    rounds: Annotated[list[TakenRound], empty_as(list)] = []
    """Every round."""
    sources: list[dict[str, Any]] = []
    """Every source: its group, kind, weight, and tau-b with the others."""
    groups: list[SourceGroup]
    """Sources by group."""
    tau: GroupTau
    """Agreement between groups."""
    mean_tau: float | None = None
    """Mean tau-b of every two orders."""
    kendall_w: dict[str, float | None] = {}
    """Kendall's W of all orders, and by kind of source."""
    effective_judges: float | None = None
    """Equally weighted sources that would count as much."""
    pairs: ClusterPairs
    """What the orders say of every two clusters."""
    fingerprint: str | None = None
    """Hash of which patch is in which cluster."""


_ROUND = "{judge}--{prompt}--{round}"
ROUND_ORDER = Document(
    f"ranking/orders/{_ROUND}.json", "ranking rank", "The partial order of a judge's round", model=Vote
)
PERSON_ORDER = Document(
    "ranking/orders/person--{annotator}.json", "ranking import-order", "The partial order of a person", model=Vote
)
DATA_ORDER = Document(
    "ranking/orders/data--{reference}.json", "ranking order-from-reference", "The partial order that a reference says",
    model=Vote,
)  # fmt: skip
ORDER = Document(
    "ranking/order.json", "ranking ensemble", "The merged order of the clusters, with ranks and intervals",
    "collection", model=MergedOrder,
)  # fmt: skip
AUDIT = Document(
    "ranking/audit.json", "ranking audit", "What the judges can be trusted with", "collection", model=Audit
)
BASELINE_SOURCE = Document(
    "ranking/baselines/{baseline}/orders/data--{reference}.json", "ranking order-from-reference",
    "The partial order that a baseline model learned from", model=Vote,
)  # fmt: skip
BASELINE_ORDER = Document(
    "ranking/baselines/{baseline}/order.json", "ranking ensemble", "The same, with levels and ranks", model=MergedOrder
)
