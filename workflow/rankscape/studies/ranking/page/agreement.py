"""Agreement with the references: tables, and in words how far to trust it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rankscape.products.report.wording import count, interval, number, percent
from rankscape.studies.ranking.page.documents import Agreement, Estimate, Evaluation, Predictor

SCORE = "score"
PREDICTORS = {
    "score": "Score of this map",
    "gradient": "Gradient of brightness",
    "blue_green": "Blue to green ratio",
    "brightness": "Brightness",
}
"""Names of the predictors; all but the score are trivial measures that nobody had to learn."""
PARTS = {
    "apply": "Granules that nothing was learned from",
    "fit": "Granules learned from",
    "pooled": "All granules",
}
"""Names of the parts, the most telling first."""
_WHERE = {
    "apply": "On granules that nothing was learned from",
    "pooled": "Over all granules, those learned from included,",
    "fit": "On the granules that it was learned from",
}


@dataclass(frozen=True)
class Row:
    """One line of an evaluation table; `reason` stands instead of numbers that are not given."""

    label: str
    strong: bool
    n: int
    spearman: str
    spearman_interval: str
    pearson: str
    pearson_interval: str
    reason: str
    interval_reason: str


@dataclass(frozen=True)
class Headline:
    """The agreement that counts most, and what to make of it."""

    verdict: str
    """`good`, `caution` or `bad`: the score leads clearly, leads perhaps, or does not lead."""
    finding: str
    """The figures, as sentences."""
    conclusion: str
    """What to make of them."""
    part: str | None
    score: Estimate
    rival: str
    """Name of the best trivial measure."""
    rival_value: Estimate


@dataclass(frozen=True)
class GranuleRow:
    """Agreement on one granule."""

    granule: str
    role: str
    row: Row
    rivals: tuple[str, ...]
    """Spearman correlation of each trivial measure."""


@dataclass(frozen=True)
class Table:
    """Agreement of every predictor, part by part."""

    parts: tuple[tuple[str, int], ...]
    """Name of each part, and its number of places with score and reference."""
    rows: tuple[tuple[Row, ...], ...]
    """For each predictor one entry a part."""


def table(evaluation: Evaluation) -> Table:
    """Return the agreement of every predictor over the parts that the evaluation holds."""
    predictors = ordered(evaluation)
    held = [part for part in PARTS if any(getattr(predictor, part) for _, predictor in predictors)]
    rows = tuple(
        tuple(_row(name, getattr(predictor, part) or Agreement()) for part in held) for name, predictor in predictors
    )
    places = [max(row[number].n for row in rows) for number in range(len(held))]
    return Table(tuple((PARTS[part], n) for part, n in zip(held, places, strict=True)), rows)


def granule_rows(evaluation: Evaluation, fit: Collection[str]) -> list[GranuleRow]:
    """Return the agreement on every granule, sorted by id."""
    score = evaluation.predictors.get(SCORE, Predictor())
    rivals = [predictor for name, predictor in ordered(evaluation) if name != SCORE]
    rows = []
    for granule, agreement in sorted(score.granules.items()):
        others = tuple(number(_value(rival.granules.get(granule))) for rival in rivals)
        role = "fit" if granule in fit else "apply"
        rows.append(GranuleRow(granule, role, _row(granule, agreement or Agreement()), others))
    return rows


def rival_names(evaluation: Evaluation) -> list[str]:
    """Return the names of the trivial measures in the order of the tables."""
    return [PREDICTORS.get(name, name) for name, _ in ordered(evaluation) if name != SCORE]


def headline(evaluation: Evaluation, votes: Collection[str]) -> Headline:
    """Say in words how far the agreement goes.

    Trivial measures count by their strength whatever their sign, since a measure that falls with development tells as
    much as one that rises with it.

    Args:
        evaluation: Agreement with one reference.
        votes: References that took part in the ranking of the clusters: agreement with those is no independent
            evidence.
    """
    score = evaluation.predictors.get(SCORE, Predictor())
    part = next((p for p in ("apply", "pooled", "fit") if _value(getattr(score, p)) is not None), None)
    if part is None:
        reasons = [getattr(score, p).reason for p in PARTS if getattr(score, p) and getattr(score, p).reason]
        reason = reasons[0] if reasons else "too few places have a score and a value"
        return Headline("caution", f"No correlation is given: {reason}.", "", None, Estimate(), "", Estimate())
    own = getattr(score, part)
    rival, best = _best_rival(evaluation, part)
    verdict, conclusion = _conclude(own.spearman, best, _least_lead(evaluation, part))
    doubts = _doubts(part, evaluation.reference in votes)
    verdict = "caution" if verdict == "good" and doubts else verdict
    finding = " ".join([_finding(evaluation, part, own), *_rivalry(rival, best)])
    return Headline(verdict, finding, " ".join([conclusion, *doubts]), part, own.spearman, rival, best)


def _doubts(part: str, votes: bool) -> list[str]:
    return [
        *(["Land that it has never seen may fare worse."] if part != "apply" else []),
        *(["But this reference also voted on the order: the agreement is not independent."] if votes else []),
    ]


def _finding(evaluation: Evaluation, part: str, own: Agreement) -> str:
    spearman = own.spearman or Estimate()
    ends = interval((spearman.low, spearman.high))
    bounds = f", {percent(evaluation.confidence)} interval {ends}" if spearman.low is not None else ""
    places = count(own.n, "patch", "patches")
    return f"{_WHERE[part]} the score follows this reference with Spearman {number(spearman.value)} ({places}{bounds})."


def _rivalry(rival: str, best: Estimate) -> list[str]:
    if best.value is None:
        return []
    ends = f" ({interval((best.low, best.high))})" if best.low is not None else ""
    return [f"The best trivial measure, {rival.lower()}, reaches {number(best.value)}{ends}."]


def _conclude(own: Estimate, best: Estimate, lead: Estimate | None) -> tuple[str, str]:
    value = own.value or 0.0
    if own.low is not None and own.high is not None and own.low <= 0 <= own.high:
        return "bad", "The interval includes zero: no agreement is shown."
    if value < 0:
        return "bad", "The score runs against the reference: do not read it as development without finding out why."
    if best.value is not None and abs(best.value) >= value:
        return "bad", "A trivial measure does as well: against this reference, the learning added nothing."
    return _ahead(own, best, lead)


def _ahead(own: Estimate, best: Estimate, lead: Estimate | None) -> tuple[str, str]:
    """Judge a score that is ahead of every trivial measure, by the interval of its least lead where there is one."""
    highest = _strength_high(best)
    if best.value is None:
        return "caution", "No trivial measure stands beside it, so it is not known how much the learning added."
    if lead is not None:
        ends = interval((lead.low, lead.high))
        if (lead.low or 0) > 0:
            return "good", f"The score is ahead of each of them by more than chance (least lead {ends})."
        return "caution", f"The score is ahead, but the interval of its least lead ({ends}) includes zero."
    if own.low is None or highest is None:
        return "caution", "The score is ahead; without intervals the lead cannot be told from chance."
    if own.low <= highest:
        return "caution", "The score is ahead, but the intervals overlap: the lead may be chance."
    return "good", "The score is ahead by more than the intervals: the learning added information."


def _strength_high(estimate: Estimate) -> float | None:
    """Upper end of the interval of |correlation|."""
    if estimate.low is None or estimate.high is None:
        return None
    return max(abs(estimate.low), abs(estimate.high))


def _least_lead(evaluation: Evaluation, part: str) -> Estimate | None:
    """The lead over trivial measures whose interval begins lowest; None unless each has an interval."""
    held = [getattr(predictor, part) for _, predictor in _trivial(evaluation)]
    leads = [agreement.difference for agreement in held if _value(agreement) is not None]
    known = [lead for lead in leads if lead is not None and lead.low is not None and lead.high is not None]
    return min(known, key=lambda lead: lead.low or 0.0) if known and len(known) == len(leads) else None


def _trivial(evaluation: Evaluation) -> list[tuple[str, Predictor]]:
    return [pair for pair in ordered(evaluation) if pair[0] not in (SCORE, *evaluation.baselines)]


def _best_rival(evaluation: Evaluation, part: str) -> tuple[str, Estimate]:
    rivals = [
        (PREDICTORS.get(name, name), getattr(predictor, part).spearman)
        for name, predictor in _trivial(evaluation)
        if _value(getattr(predictor, part)) is not None
    ]
    return max(rivals, key=lambda rival: abs(rival[1].value), default=("", Estimate()))


def ordered(evaluation: Evaluation) -> Sequence[tuple[str, Predictor]]:
    """Return the predictors: the score, trivial measures, rivals."""
    names = [*(n for n in PREDICTORS if n in evaluation.predictors), *evaluation.predictors]
    return [(name, evaluation.predictors[name]) for name in dict.fromkeys(names)]


def _row(name: str, agreement: Agreement) -> Row:
    spearman, pearson = agreement.spearman or Estimate(), agreement.pearson or Estimate()
    reason = "" if agreement.spearman or agreement.pearson else agreement.reason or "not given"
    return Row(
        PREDICTORS.get(name, name), name == SCORE, agreement.n,
        number(spearman.value), interval((spearman.low, spearman.high)),
        number(pearson.value), interval((pearson.low, pearson.high)), reason, agreement.interval_reason or "",
    )  # fmt: skip


def _value(agreement: Agreement | None) -> float | None:
    return agreement.spearman.value if agreement is not None and agreement.spearman is not None else None
