"""Who ranked the clusters: judges' rounds, people and references, what each did, and how far they agree."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rankscape.foundation.package_files import assets
from rankscape.products.report import wording
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Fragment
from rankscape.products.report.templates import fill
from rankscape.studies.ranking.judges.round_records import RoundRecord
from rankscape.studies.ranking.orders.artifacts import Audit, AuditedJudge, MergedOrder, TauMatrix, Vote
from rankscape.studies.ranking.orders.judge_measures import Drift, Share
from rankscape.studies.ranking.page import inputs, judge_figures

ASSETS = assets(__file__, "judges.html.j2")
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
    """Replies without a usable answer; None where the order is of no round."""
    replies: int
    text: str = ""
    """The order in words, only of a single one."""


@dataclass(frozen=True)
class Replies:
    """Replies of one round."""

    missing: int
    total: int
    stand_in: bool


@dataclass(frozen=True)
class JudgeCell:
    """One value of a table."""

    text: str
    ends: str = ""
    """Interval, or a second line."""
    doubtful: bool = False
    """Whether a reader should look twice."""


@dataclass(frozen=True)
class JudgeRow:
    """What one judge with one prompt did."""

    name: str
    mode: str
    answers: tuple[JudgeCell, ...]
    """Usable, repaired, first place, both orders, drift, own rounds, deviation."""
    effort: tuple[JudgeCell, ...]
    """Rounds, questions, replies, tokens sent and received, time, cost."""


ANSWERS = (
    "Usable",
    "Repaired",
    "First shown wins",
    "Same in both orders",
    "Drift a round",
    "Own rounds, tau",
    "Deviation",
)
EFFORT = ("Rounds", "Questions", "Replies", "Tokens sent", "Tokens received", "Time of replies", "Cost")


def judge_rows(audit: Audit) -> list[JudgeRow]:
    """Return a line for every judge with every prompt."""
    return [JudgeRow(judge.name, judge.mode, _answers(judge), _effort(judge)) for judge in audit.judges]


def _answers(judge: AuditedJudge) -> tuple[JudgeCell, ...]:
    spread = judge.spread
    return (
        JudgeCell(wording.percent(judge.usable_share), doubtful=(judge.usable_share or 0.0) < 0.9),
        JudgeCell(wording.percent(judge.repaired / judge.replies if judge.replies else None)),
        _first(judge),
        _share(judge.consistency),
        _drift(judge.drift),
        JudgeCell(wording.number(judge.tau_between_rounds)),
        JudgeCell(wording.number(None if spread is None else spread.mean_deviation, 1)),
    )


def _first(judge: AuditedJudge) -> JudgeCell:
    """Position bias of pairs; of tiers, how far they follow the order shown."""
    if judge.position_bias is not None:
        bias = judge.position_bias
        return _share(bias, doubtful=not bias.low <= 0.5 <= bias.high)
    if judge.place_bias is None:
        return JudgeCell(wording.NOTHING)
    place = judge.place_bias
    known = place.low is not None and place.high is not None
    ends = wording.interval((place.low, place.high)) if known else ""
    return JudgeCell(
        f"tau {wording.number(place.mean)}", ends, known and not (place.low or 0) <= 0 <= (place.high or 0)
    )


def _share(share: Share | None, *, doubtful: bool = False) -> JudgeCell:
    if share is None:
        return JudgeCell(wording.NOTHING)
    ends = f"{wording.number(100 * share.low, 0)} to {wording.percent(share.high)}"
    return JudgeCell(wording.percent(share.share), ends, doubtful)


def _drift(drift: Drift | None) -> JudgeCell:
    if drift is None:
        return JudgeCell(wording.NOTHING)
    sure = drift.low > 0 or drift.high < 0
    return JudgeCell(_signed(drift.per_round), wording.interval((drift.low, drift.high)), sure)


def _signed(value: float) -> str:
    text = wording.number(value)
    return f"+{text}" if value > 0 and text != wording.number(0) else text


def _effort(judge: AuditedJudge) -> tuple[JudgeCell, ...]:
    counts = (judge.rounds, judge.questions, judge.replies, judge.prompt_tokens, judge.completion_tokens)
    return (*(JudgeCell(f"{value:,}") for value in counts), JudgeCell(_time(judge.seconds)), JudgeCell(_money(judge)))


def _time(seconds: float | None) -> str:
    if seconds is None:
        return wording.NOTHING
    if seconds < 120:
        return "< 1 s" if seconds < 1 else f"{seconds:.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _money(judge: AuditedJudge) -> str:
    if judge.cost is None:
        return wording.NOTHING
    return f"{wording.number(judge.cost, 2 if judge.cost >= 0.1 else 4)} {judge.currency or ''}".strip()


def judge_notes(rows: Sequence[JudgeRow]) -> list[str]:
    """Say what the marked values mean; only for columns that hold a mark."""
    texts = (
        "Fewer than nine replies of ten are usable.",
        "",
        "The interval leaves out 50 %, with tiers 0: what is shown first is judged otherwise. Pairs are asked in both "
        "orders, and tiers in orders drawn by chance, so that it cancels out in the long run.",
        "",
        "The interval leaves out 0: scores move from round to round.",
    )
    marked = [any(row.answers[place].doubtful for row in rows) for place in range(len(texts))]
    return [f"{ANSWERS[place]}: {text}" for place, text in enumerate(texts) if text and marked[place]]


def draw(run: RunReader) -> Fragment:
    """Draw the section."""
    audit, order, votes = inputs.audit(run), inputs.order(run), inputs.votes(run)
    single, rows = voters(run), judge_rows(audit)
    groups = grouped(single, votes)
    html: Markup = fill(
        ASSETS, "judges.html.j2",
        order=order, groups=groups, voters=single, missing=missing_reasons(inputs.rounds(run)), judges=rows,
        judge_notes=judge_notes(rows), answers=ANSWERS, effort=EFFORT, confidence=audit.confidence,
        weights=judge_figures.weights("weights", audit.groups), taus=judge_figures.taus("taus", audit.tau),
        distributions=judge_figures.distributions("distributions", audit.judges),
        taken=judge_figures.taken("taken", audit.rounds),
    )  # fmt: skip
    return Fragment(html, gist=f"{wording.count(len(single), 'order')} from {wording.count(len(groups), 'source')}")


def voters(run: RunReader) -> list[Voter]:
    """Return one entry a source, in the order of the files."""
    order, asked = inputs.order(run), inputs.rounds(run)
    replies = {(r.judge, r.prompt, str(r.round)): _replies(r) for r in asked}
    mean_tau = mean_taus(order.tau)
    return [_voter(name, vote, order, mean_tau, replies) for name, vote in inputs.votes(run).items()]


def grouped(single: Sequence[Voter], votes: dict[str, Vote]) -> list[Voter]:
    """Join the rounds of one judge with one prompt; people and rasters stay alone."""
    groups: dict[str, list[Voter]] = defaultdict(list)
    for voter, (name, vote) in zip(single, votes.items(), strict=True):
        judge, prompt = vote.source.get("judge"), vote.source.get("prompt")
        groups[f"{judge}, prompt {prompt}" if judge and prompt else name].append(voter)
    return [_joined(label, members) for label, members in groups.items()]


def mean_taus(tau: TauMatrix | None) -> dict[str, float]:
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
