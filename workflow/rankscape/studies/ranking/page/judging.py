"""The section on who ranked the clusters: what each judge did, as plain values for the template."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rankscape.products.report import wording
from rankscape.products.report.plots import Plot
from rankscape.studies.ranking.page import judge_figures, order_figures
from rankscape.studies.ranking.page.audited import Audit, Drift, Judge, Share
from rankscape.studies.ranking.page.inputs import Material

_MOST_PAIRS = 60


@dataclass(frozen=True)
class Cell:
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
    answers: tuple[Cell, ...]
    """Usable, repaired, first place, both orders, drift, own rounds, spread."""
    effort: tuple[Cell, ...]
    """Rounds, questions, replies, tokens sent and received, time, cost."""


ANSWERS = (
    "Usable",
    "Repaired",
    "First shown wins",
    "Same in both orders",
    "Drift a round",
    "Own rounds, tau",
    "Spread",
)
EFFORT = ("Rounds", "Questions", "Replies", "Tokens sent", "Tokens received", "Time of replies", "Cost")


def judge_rows(audit: Audit) -> list[JudgeRow]:
    """Return a line for every judge with every prompt."""
    return [JudgeRow(judge.name, judge.mode, _answers(judge), _effort(judge)) for judge in audit.judges]


def _answers(judge: Judge) -> tuple[Cell, ...]:
    spread = judge.spread
    return (
        Cell(wording.percent(judge.usable_share), doubtful=(judge.usable_share or 0.0) < 0.9),
        Cell(wording.percent(judge.repaired / judge.replies if judge.replies else None)),
        _first(judge),
        _share(judge.consistency),
        _drift(judge.drift),
        Cell(wording.number(judge.tau_between_rounds)),
        Cell(wording.number(None if spread is None else spread.mean_deviation, 1)),
    )


def _first(judge: Judge) -> Cell:
    """Position bias of pairs; of tiers, how far they follow the order shown."""
    if judge.position_bias is not None:
        bias = judge.position_bias
        return _share(bias, doubtful=not bias.low <= 0.5 <= bias.high)
    if judge.place_bias is None:
        return Cell(wording.NOTHING)
    place = judge.place_bias
    known = place.low is not None and place.high is not None
    ends = wording.interval((place.low, place.high)) if known else ""
    return Cell(f"tau {wording.number(place.mean)}", ends, known and not (place.low or 0) <= 0 <= (place.high or 0))


def _share(share: Share | None, *, doubtful: bool = False) -> Cell:
    if share is None:
        return Cell(wording.NOTHING)
    ends = f"{wording.number(100 * share.low, 0)} to {wording.percent(share.high)}"
    return Cell(wording.percent(share.share), ends, doubtful)


def _drift(drift: Drift | None) -> Cell:
    if drift is None:
        return Cell(wording.NOTHING)
    sure = drift.low > 0 or drift.high < 0
    return Cell(_signed(drift.per_round), wording.interval((drift.low, drift.high)), sure)


def _signed(value: float) -> str:
    text = wording.number(value)
    return f"+{text}" if value > 0 and text != wording.number(0) else text


def _effort(judge: Judge) -> tuple[Cell, ...]:
    counts = (judge.rounds, judge.questions, judge.replies, judge.prompt_tokens, judge.completion_tokens)
    return (*(Cell(f"{value:,}") for value in counts), Cell(_time(judge.seconds)), Cell(_money(judge)))


def _time(seconds: float | None) -> str:
    if seconds is None:
        return wording.NOTHING
    if seconds < 120:
        return "< 1 s" if seconds < 1 else f"{seconds:.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _money(judge: Judge) -> str:
    if judge.cost is None:
        return wording.NOTHING
    return f"{wording.number(judge.cost, 2 if judge.cost >= 0.1 else 4)} {judge.currency or ''}".strip()


def notes(rows: Sequence[JudgeRow]) -> list[str]:
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


def plots(material: Material, colours: Mapping[int, str]) -> dict[str, Plot | None]:
    """Return the section's plots by name; None where there is nothing to plot."""
    audit, order = material.audit, material.order
    return {
        "taus": judge_figures.taus("taus", audit.tau),
        "weights": judge_figures.weights("weights", audit.groups),
        "distributions": judge_figures.distributions("distributions", audit.judges),
        "taken": judge_figures.taken("taken", audit.rounds),
        "ranks": order_figures.ranks("ranks", order.ranks, order.intervals, order.leave_one_out, colours),
        "pairs": order_figures.pairs("pairs", audit.pairs, order.ranks),
    }


def nobody(audit: Audit) -> str:
    """List the pairs that nobody ordered; clusters that stand in no other pair are named once, and many are counted."""
    open_pairs = Counter(cluster for pair in audit.pairs.nobody for cluster in pair)
    alone = {cluster for cluster, pairs in open_pairs.items() if pairs == len(audit.pairs.clusters) - 1}
    others = [f"{a} and {b}" for a, b in audit.pairs.nobody if not {a, b} & alone]
    rest = len(others) - _MOST_PAIRS
    names = wording.listed([str(cluster) for cluster in sorted(alone)])
    return wording.listed([
        *([f"{names} with any other cluster"] if alone else []),
        *others[:_MOST_PAIRS],
        *([wording.count(rest, "further pair")] if rest > 0 else []),
    ])  # fmt: skip
