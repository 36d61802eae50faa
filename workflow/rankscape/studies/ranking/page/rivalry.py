"""The score beside pixel statistics and baseline models, measure by measure, with the interval of the difference."""

from collections.abc import Callable

from rankscape.products.report.wording import NOTHING, interval, number
from rankscape.studies.ranking.page.agreement import PARTS, PREDICTORS, SCORE, ordered
from rankscape.studies.ranking.page.documents import Agreement, Estimate, Evaluation
from rankscape.studies.ranking.page.tables import TableView


def rivalry(evaluation: Evaluation, part: str | None) -> TableView | None:
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
            PREDICTORS.get(name, name)
            + (_TRAINED if evaluation.predictors[name].trained_on == evaluation.reference else ""),
            *("" if name == SCORE and head == _LEAD else tell(a) for head, tell in columns.items()),
        )
        for name, a in known
    )
    caption = f"Score, pixel statistics and baseline models compared with {evaluation.title}: {PARTS[part].lower()}."
    return TableView(caption, ("Predictor", *columns), rows)


def _marked(evaluation: Evaluation, name: str) -> str:
    return _TRAINED if evaluation.predictors[name].trained_on == evaluation.reference else ""


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
    "p, neighbours alike (worth so many places)": _chance,
}
