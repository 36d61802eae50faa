"""Who ranked the clusters: judges' rounds, people, reference rasters, and how far they agree."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rankscape.studies.ranking.judges.round_records import RoundRecord
from rankscape.studies.ranking.page.documents import MergedOrder, Tau, Vote
from rankscape.studies.ranking.page.inputs import Material

STAND_IN = "stand-in, no vision model"
_KINDS = {"round": "vision-language model", "person": "person", "data": "reference raster"}


@dataclass(frozen=True)
class Voter:
    """One order, or all orders of one judge with one prompt."""

    name: str
    kind: str
    stand_in: bool
    orders: int
    weight: float | None
    """Share of the merged order; None where the ensemble has none."""
    tau: float | None
    """Mean Kendall tau-b to the other orders."""
    missing: int | None
    """Replies without a usable answer; None where no round stands behind the order."""
    replies: int
    text: str = ""
    """The order in words, only of a single one."""


@dataclass(frozen=True)
class Replies:
    """Replies of one round."""

    missing: int
    total: int
    stand_in: bool


def voters(material: Material) -> list[Voter]:
    """Return one entry a source, in the order of the files."""
    replies = {(r.judge, r.prompt, str(r.round)): _replies(r) for r in material.rounds}
    mean_tau = mean_taus(material.order.tau)
    return [_voter(name, vote, material.order, mean_tau, replies) for name, vote in material.votes.items()]


def grouped(single: Sequence[Voter], votes: dict[str, Vote]) -> list[Voter]:
    """Join the rounds of one judge with one prompt; people and rasters stay alone."""
    groups: dict[str, list[Voter]] = defaultdict(list)
    for voter, (name, vote) in zip(single, votes.items(), strict=True):
        judge, prompt = vote.source.get("judge"), vote.source.get("prompt")
        groups[f"{judge}, prompt {prompt}" if judge and prompt else name].append(voter)
    return [_joined(label, members) for label, members in groups.items()]


def mean_taus(tau: Tau | None) -> dict[str, float]:
    """Return each source's mean Kendall tau-b to the other sources."""
    if tau is None:
        return {}
    means = {}
    for place, source in enumerate(tau.sources):
        others = [v for other, v in enumerate(tau.matrix[place]) if other != place and v is not None]
        if others:
            means[source] = sum(others) / len(others)
    return means


def missing_reasons(rounds: Iterable[RoundRecord], most: int = 6) -> list[tuple[str, int]]:
    """Count the reasons why replies are missing, the most frequent first; beyond `most` they are joined."""
    counts = Counter(
        reply.missing or "no answer given" for asked in rounds for reply in asked.replies if not reply.usable
    )
    reasons = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in reasons[most:])
    return reasons[:most] + ([("other reasons", rest)] if rest else [])


def order_text(vote: Vote) -> str:
    """Write an order as annotators do: `3=4>1`, `>` is more developed; `(no levels)` for a true semiorder."""
    if vote.levels:
        return " > ".join(" = ".join(map(str, level)) for level in vote.levels)
    return vote.text or "no levels: pairs only"


def _voter(
    name: str,
    vote: Vote,
    order: MergedOrder,
    mean_tau: dict[str, float],
    replies: dict[tuple[str, str, str], Replies],
) -> Voter:
    source = vote.source
    found = replies.get((str(source.get("judge")), str(source.get("prompt")), str(source.get("round"))))
    stand_in = bool(source.get("stand_in")) or (found is not None and found.stand_in)
    kind = STAND_IN if stand_in else _KINDS.get(str(source.get("kind")), str(source.get("kind", "not named")))
    return Voter(
        name, kind, stand_in, 1, order.weights.get(name), mean_tau.get(name),
        found.missing if found else None, found.total if found else 0, order_text(vote),
    )  # fmt: skip


def _replies(asked: RoundRecord) -> Replies:
    replies = asked.replies
    return Replies(sum(not reply.usable for reply in replies), len(replies), asked.stand_in)


def _joined(label: str, members: Sequence[Voter]) -> Voter:
    first = members[0]
    weights = [v.weight for v in members if v.weight is not None]
    taus = [v.tau for v in members if v.tau is not None]
    missing = [v.missing for v in members if v.missing is not None]
    return Voter(
        label, first.kind, first.stand_in, len(members), sum(weights) if weights else None,
        sum(taus) / len(taus) if taus else None, sum(missing) if missing else None, sum(v.replies for v in members),
        first.text if len(members) == 1 else "",
    )  # fmt: skip
