"""Regressions as tables: CSV, one row a coefficient, and LaTeX, as journals print them."""

import re
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from rankscape.products.regressions.regression import Estimate, Fit
from rankscape.products.regressions.settings import Outcome, RegressionSettings

STARS = ((0.01, "***"), (0.05, "**"), (0.10, "*"))
"""Marks of p-values, the smallest first."""
LEGEND = "* p < 0.10, ** p < 0.05, *** p < 0.01"
_DIGITS = 3
_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "Δ": r"$\Delta$", "−": "$-$", "²": r"\textsuperscript{2}",
}  # fmt: skip


def stars(p: float) -> str:
    """Return the mark of a p-value."""
    return next((mark for limit, mark in STARS if p < limit), "")


def outcome_title(outcome: Outcome) -> str:
    """Return the head of a model's column."""
    if outcome.title:
        return outcome.title
    parts = [name if outcome.transform == "none" else f"{outcome.transform} {name}" for name in _columns(outcome)]
    difference = " - ".join(parts)
    return f"1 if {difference} > 0" if outcome.positive else difference


def _columns(outcome: Outcome) -> list[str]:
    return [name for name in (outcome.column, outcome.minus) if name is not None]


def coefficient_table(titles: Sequence[str], fits: Sequence[Fit]) -> pd.DataFrame:
    """Return one row for each coefficient of each model, controls included."""
    rows = [
        {
            "model": number, "outcome": title, "column": found.column, "label": found.label,
            "coefficient": found.coefficient, "std_error": found.std_error, "conley_error": found.conley_error,
            "t": found.t, "p": found.p, "low": found.low, "high": found.high, "n": one.n, "clusters": one.clusters,
            "r2": one.r2, "r2_within": one.r2_within,
        }
        for number, (title, one) in enumerate(zip(titles, fits, strict=True), 1)
        for found in one.estimates
    ]  # fmt: skip
    return pd.DataFrame(rows)


def latex_table(settings: RegressionSettings, titles: Sequence[str], fits: Sequence[Fit], notes: Sequence[str]) -> str:
    """Write the table as LaTeX for the package booktabs: a column a model, errors below coefficients, stars, a legend.

    Args:
        settings: Caption, fixed effects, clusters.
        titles: Heads of the columns.
        fits: Models.
        notes: Sentences below the table.

    Returns:
        A `table` environment.
    """
    rows = dict.fromkeys((one.column, one.label) for fitted in fits for one in fitted.estimates if one.shown)
    lines = [r"\begin{table}[ht]", r"\centering", rf"\caption{{{escaped(settings.title)}}}"]
    lines += [rf"\begin{{tabular}}{{l{'c' * len(fits)}}}", r"\toprule"]
    lines += [_row("", [f"({number})" for number in range(1, len(fits) + 1)]), _row("", map(escaped, titles))]
    lines.append(r"\midrule")
    for column, label in rows:
        own = [_estimate(one, column, label) for one in fits]
        lines.append(_row(escaped(label), [_value(found) for found in own]))
        lines.append(_row("", ["" if f is None else f"({_number(f.std_error)})" for f in own]))
        if any(found is not None and found.conley_error is not None for found in own):
            lines.append(_row("", [_conley(found) for found in own]))
    lines.append(r"\midrule")
    lines += [_row(head, [text(one) for one in fits]) for head, text in _measures(settings, fits)]
    lines += [r"\bottomrule", r"\end{tabular}", r"\par\smallskip", rf"{{\footnotesize {_below(notes)}\par}}"]
    return "\n".join([*lines, r"\end{table}", ""])


def escaped(text: str) -> str:
    """Return text in which nothing is a command of LaTeX."""
    return "".join(_ESCAPES.get(letter, letter) for letter in re.sub(r"\s+", " ", text))


def _below(notes: Sequence[str]) -> str:
    return escaped(" ".join([*notes, f"{LEGEND}."]))


def _row(head: str, cells: Iterable[str]) -> str:
    return f"{' & '.join([head, *cells])} \\\\"


def _estimate(fitted: Fit, column: str, label: str) -> Estimate | None:
    return next((one for one in fitted.estimates if (one.column, one.label) == (column, label)), None)


def _value(found: Estimate | None) -> str:
    if found is None:
        return ""
    mark = stars(found.p)
    return _number(found.coefficient) + (rf"\textsuperscript{{{mark}}}" if mark else "")


def _conley(found: Estimate | None) -> str:
    return "" if found is None or found.conley_error is None else f"[{_number(found.conley_error)}]"


def _number(value: float) -> str:
    """Three digits behind the point; small numbers as a power of ten, so that none is printed as zero."""
    if value == 0 or abs(value) >= 0.5 * 10**-_DIGITS:
        return f"{value:.{_DIGITS}f}".replace("-", "$-$")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"${mantissa}\\times 10^{{{int(exponent)}}}$"


def _measures(settings: RegressionSettings, fits: Sequence[Fit]) -> list[tuple[str, Callable[[Fit], str]]]:
    """Rows below the coefficients: name, and what each model shows there."""
    rows: list[tuple[str, Callable[[Fit], str]]] = [("Mean of outcome", lambda one: _number(one.mean))]
    if settings.fixed_effects is not None:
        rows.append((f"Fixed effects: {escaped(settings.fixed_effects)}", lambda one: f"{one.groups} groups"))
    rows.append(("Places", lambda one: f"{one.n:,}"))
    rows.append(("$R^2$", lambda one: _number(one.r2)))
    if settings.fixed_effects is not None:
        rows.append(("$R^2$ within", lambda one: _number(one.r2_within or 0.0)))
    if settings.cluster is not None:
        rows.append((f"Clusters: {escaped(settings.cluster)}", lambda one: f"{one.clusters}"))
    if any(one.spatial for one in fits):
        rows.append(("Moran's $I$ of residuals", lambda one: _number(one.spatial.moran) if one.spatial else ""))
    return rows
