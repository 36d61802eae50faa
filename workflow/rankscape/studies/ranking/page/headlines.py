"""Agreement with the references: tables, and in words how far to trust it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from rankscape.products.agreement.artifacts import Agreement, Estimate, Evaluation, Predictor
from rankscape.products.report.templates import TableView
from rankscape.products.report.wording import NOTHING, count, interval, number, percent
from rankscape.studies.ranking.orders.artifacts import Vote

SCORE = "score"
PREDICTORS = {
    "score": "Score of this map",
    "gradient": "Gradient of brightness",
    "blue_green": "Blue to green ratio",
    "brightness": "Brightness",
}
"""Names of the predictors; all but the score are pixel statistics that nobody had to learn."""
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
class AgreementCell:
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
    statistic: str
    """Name of the best pixel statistic."""
    statistic_value: Estimate


@dataclass(frozen=True)
class GranuleAgreement:
    """Agreement on one granule."""

    granule: str
    role: str
    row: AgreementCell
    others: tuple[str, ...]
    """Spearman correlation of each other predictor."""


@dataclass(frozen=True)
class AgreementTable:
    """Agreement of every predictor, part by part."""

    parts: tuple[tuple[str, int], ...]
    """Name of each part, and its number of places with score and reference."""
    rows: tuple[tuple[AgreementCell, ...], ...]
    """For each predictor one entry a part."""


def agreement_table(evaluation: Evaluation) -> AgreementTable:
    """Return the agreement of every predictor over the parts that the evaluation holds."""
    predictors = ordered(evaluation)
    held = [part for part in PARTS if any(getattr(predictor, part) for _, predictor in predictors)]
    rows = tuple(
        tuple(_row(name, getattr(predictor, part) or Agreement()) for part in held) for name, predictor in predictors
    )
    places = [max(row[number].n for row in rows) for number in range(len(held))]
    return AgreementTable(tuple((PARTS[part], n) for part, n in zip(held, places, strict=True)), rows)


def granule_rows(evaluation: Evaluation, fit: Collection[str]) -> list[GranuleAgreement]:
    """Return the agreement on every granule, sorted by id."""
    score = evaluation.predictors.get(SCORE, Predictor())
    compared = [predictor for name, predictor in ordered(evaluation) if name != SCORE]
    rows = []
    for granule, agreement in sorted(score.granules.items()):
        others = tuple(number(_value(one.granules.get(granule))) for one in compared)
        role = "fit" if granule in fit else "apply"
        rows.append(GranuleAgreement(granule, role, _row(granule, agreement or Agreement()), others))
    return rows


def other_names(evaluation: Evaluation) -> list[str]:
    """Return the names of the other predictors in the order of the tables."""
    return [PREDICTORS.get(name, name) for name, _ in ordered(evaluation) if name != SCORE]


def headline(evaluation: Evaluation, votes: Collection[str]) -> Headline:
    """Say in words how far the agreement goes.

    Pixel statistics count by their strength whatever their sign, since one that falls with development tells as
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
    statistic, best = _best_statistic(evaluation, part)
    verdict, conclusion = _conclude(own.spearman, best, _least_lead(evaluation, part))
    doubts = _doubts(part, evaluation.reference in votes)
    verdict = "caution" if verdict == "good" and doubts else verdict
    finding = " ".join([_finding(evaluation, part, own), *_beside(statistic, best)])
    return Headline(verdict, finding, " ".join([conclusion, *doubts]), part, own.spearman, statistic, best)


def _doubts(part: str, votes: bool) -> list[str]:
    return [
        *(["Places that it has never seen may fare worse."] if part != "apply" else []),
        *(["But this reference also voted on the order: the agreement is not independent."] if votes else []),
    ]


def _finding(evaluation: Evaluation, part: str, own: Agreement) -> str:
    spearman = own.spearman or Estimate()
    ends = interval((spearman.low, spearman.high))
    bounds = f", {percent(evaluation.confidence)} interval {ends}" if spearman.low is not None else ""
    places = count(own.n, "patch", "patches")
    return f"{_WHERE[part]} the score follows this reference with Spearman {number(spearman.value)} ({places}{bounds})."


def _beside(statistic: str, best: Estimate) -> list[str]:
    if best.value is None:
        return []
    ends = f" ({interval((best.low, best.high))})" if best.low is not None else ""
    return [f"The best pixel statistic, {statistic.lower()}, reaches {number(best.value)}{ends}."]


def _conclude(own: Estimate, best: Estimate, lead: Estimate | None) -> tuple[str, str]:
    value = own.value or 0.0
    if own.low is not None and own.high is not None and own.low <= 0 <= own.high:
        return "bad", "The interval includes zero: no agreement is shown."
    if value < 0:
        return "bad", "The score runs against the reference: do not read it as development without finding out why."
    if best.value is not None and abs(best.value) >= value:
        return "bad", "A pixel statistic does as well: against this reference, the learning added nothing."
    return _ahead(own, best, lead)


def _ahead(own: Estimate, best: Estimate, lead: Estimate | None) -> tuple[str, str]:
    """Judge a score that is ahead of every pixel statistic, by the interval of its least lead where there is one."""
    highest = _strength_high(best)
    if best.value is None:
        return "caution", "No pixel statistic is compared with it, so it is not known how much the learning added."
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
    """The lead over pixel statistics whose interval begins lowest; None unless each has an interval."""
    held = [getattr(predictor, part) for _, predictor in _pixel_statistics(evaluation)]
    leads = [agreement.difference for agreement in held if _value(agreement) is not None]
    known = [lead for lead in leads if lead is not None and lead.low is not None and lead.high is not None]
    return min(known, key=lambda lead: lead.low or 0.0) if known and len(known) == len(leads) else None


def _pixel_statistics(evaluation: Evaluation) -> list[tuple[str, Predictor]]:
    return [pair for pair in ordered(evaluation) if pair[0] not in (SCORE, *evaluation.baselines)]


def _best_statistic(evaluation: Evaluation, part: str) -> tuple[str, Estimate]:
    found = [
        (PREDICTORS.get(name, name), getattr(predictor, part).spearman)
        for name, predictor in _pixel_statistics(evaluation)
        if _value(getattr(predictor, part)) is not None
    ]
    return max(found, key=lambda one: abs(one[1].value), default=("", Estimate()))


def voting_references(votes: Mapping[str, Vote]) -> set[str]:
    """Return the references that took part in the ranking of the clusters."""
    return {str(vote.source.get("reference")) for vote in votes.values() if vote.source.get("kind") == "data"}


def ordered(evaluation: Evaluation) -> Sequence[tuple[str, Predictor]]:
    """Return the predictors: the score, pixel statistics, baseline models."""
    names = [*(n for n in PREDICTORS if n in evaluation.predictors), *evaluation.predictors]
    return [(name, evaluation.predictors[name]) for name in dict.fromkeys(names)]


def _row(name: str, agreement: Agreement) -> AgreementCell:
    spearman, pearson = agreement.spearman or Estimate(), agreement.pearson or Estimate()
    reason = "" if agreement.spearman or agreement.pearson else agreement.reason or "not given"
    return AgreementCell(
        PREDICTORS.get(name, name), name == SCORE, agreement.n,
        number(spearman.value), interval((spearman.low, spearman.high)),
        number(pearson.value), interval((pearson.low, pearson.high)), reason, agreement.interval_reason or "",
    )  # fmt: skip


def _value(agreement: Agreement | None) -> float | None:
    return agreement.spearman.value if agreement is not None and agreement.spearman is not None else None


def all_measures(evaluation: Evaluation, part: str | None) -> TableView | None:
    """Compare all predictors over one part; None where nothing but Pearson and Spearman was measured.

    Args:
        evaluation: Agreement with one reference.
        part: The part that the headline speaks of.
    """
    held = [(name, getattr(predictor, part)) for name, predictor in ordered(evaluation)] if part else []
    known = [(name, agreement) for name, agreement in held if agreement is not None and agreement.spearman]
    columns = {head: tell for head, tell in _COLUMNS.items() if any(tell(a) != NOTHING for _, a in known)}
    if not known or len(columns) < 2 or part is None:
        return None
    rows = tuple(
        (
            PREDICTORS.get(name, name) + (_TRAINED if _trained_on(evaluation, name) else ""),
            *("" if name == SCORE and head == _LEAD else tell(a) for head, tell in columns.items()),
        )
        for name, a in known
    )
    caption = f"Score, pixel statistics and baseline models compared with {evaluation.title}: {PARTS[part].lower()}."
    return TableView(caption, ("Predictor", *columns), rows)


def _trained_on(evaluation: Evaluation, name: str) -> bool:
    """Whether a baseline model was trained on the very reference that it is compared with."""
    return evaluation.predictors[name].trained_on == evaluation.reference


def _estimated(name: str) -> Callable[[Agreement], str]:
    def tell(agreement: Agreement) -> str:
        found: Estimate | None = getattr(agreement, name)
        if found is None or found.value is None:
            return NOTHING
        ends = interval((found.low, found.high))
        return number(found.value) + ("" if ends == NOTHING else f" ({ends})")

    return tell


def _chance(agreement: Agreement) -> str:
    test = agreement.test
    if test is None or test.p is None:
        return NOTHING
    like = "" if test.effective_n is None else f" ({test.effective_n:,.0f} places)"
    return ("< 0.001" if test.p < 0.001 else number(test.p, 3)) + like


_LEAD = "Lead of the score"
_TRAINED = " (trained on this very reference: no evidence)"
_COLUMNS: dict[str, Callable[[Agreement], str]] = {
    "Spearman": _estimated("spearman"),
    _LEAD: _estimated("difference"),
    "Kendall tau-b": _estimated("kendall"),
    "R² of logarithms": _estimated("r2_log"),
    "Spearman given the pixel statistics": _estimated("partial_spearman"),
    "p with spatial autocorrelation (effective places)": _chance,
}
