"""Regressions as tables: CSV, one row a coefficient; LaTeX, as journals print them; and the notes below them."""

import re
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from rankscape.products.regressions.estimation import CoefficientEstimate, FittedModel
from rankscape.products.regressions.settings import Outcome, RegressionSettings

STARS = ((0.01, "***"), (0.05, "**"), (0.10, "*"))
"""Marks of p-values, the smallest first."""
LEGEND = "* p < 0.10, ** p < 0.05, *** p < 0.01"
_DIGITS = 3
_FEW_CLUSTERS = 40
"""With fewer clusters, clustered errors tend to be too small (Cameron, Gelbach and Miller 2008 call 5 to 30 few)."""
_CLEAR = 0.05
"""Residuals with a smaller p of the spatial check are autocorrelated."""
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


def coefficient_table(titles: Sequence[str], fits: Sequence[FittedModel]) -> pd.DataFrame:
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


def latex_table(
    settings: RegressionSettings, titles: Sequence[str], fits: Sequence[FittedModel], notes: Sequence[str]
) -> str:
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


def _estimate(fitted: FittedModel, column: str, label: str) -> CoefficientEstimate | None:
    return next((one for one in fitted.estimates if (one.column, one.label) == (column, label)), None)


def _value(found: CoefficientEstimate | None) -> str:
    if found is None:
        return ""
    mark = stars(found.p)
    return _number(found.coefficient) + (rf"\textsuperscript{{{mark}}}" if mark else "")


def _conley(found: CoefficientEstimate | None) -> str:
    return "" if found is None or found.conley_error is None else f"[{_number(found.conley_error)}]"


def _number(value: float) -> str:
    """Three digits behind the point; small numbers as a power of ten, so that none is printed as zero."""
    if value == 0 or abs(value) >= 0.5 * 10**-_DIGITS:
        return f"{value:.{_DIGITS}f}".replace("-", "$-$")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"${mantissa}\\times 10^{{{int(exponent)}}}$"


def _measures(
    settings: RegressionSettings, fits: Sequence[FittedModel]
) -> list[tuple[str, Callable[[FittedModel], str]]]:
    """Rows below the coefficients: name, and what each model shows there."""
    rows: list[tuple[str, Callable[[FittedModel], str]]] = [("Mean of outcome", lambda one: _number(one.mean))]
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


def notes_on(settings: RegressionSettings, fits: Sequence[FittedModel]) -> list[str]:
    """Say how coefficients and errors were computed, and what stands against them.

    Args:
        settings: The regression.
        fits: Its models.

    Returns:
        Sentences, in the order in which they stand below a table.
    """
    notes = [_how(settings, fits)]
    dropped = max(one.dropped for one in fits)
    if dropped:
        notes.append(f"Up to {dropped:,} places lack a number or a group and are left out.")
    few = [one.clusters for one in fits if one.clusters is not None and one.clusters < _FEW_CLUSTERS]
    if few:
        notes.append(f"With {min(few)} clusters, clustered errors tend to be too small: read the stars with care.")
    checks = [one.spatial for one in fits if one.spatial is not None]
    if not checks:
        notes.append("Places have no coordinates, so that spatial autocorrelation cannot be checked.")
    elif any(check.p < _CLEAR for check in checks):
        largest = max(check.moran for check in checks)
        notes.append(
            f"Residuals are spatially autocorrelated (Moran's I over {checks[0].neighbours} nearest places up to "
            f"{largest:.2f}): errors that take places for independent would be too small."
        )
    if settings.conley_m is not None and checks:
        notes.append(f"In brackets errors that allow for correlation up to {settings.conley_m / 1000:g} km (Conley).")
    return notes


def _how(settings: RegressionSettings, fits: Sequence[FittedModel]) -> str:
    parts = ["Ordinary least squares" if settings.weights is None else f"Least squares weighted by {settings.weights}"]
    if settings.fixed_effects is not None:
        parts.append(f"with an intercept for each {settings.fixed_effects}")
    hidden = [term.name for term in settings.explanatory if not term.shown]
    if hidden:
        parts.append(f"and, not shown, {', '.join(hidden)}")
    if settings.cluster is None:
        errors = "robust to heteroscedasticity (HC1)"
    else:
        factor = fits[0].correction
        errors = f"clustered by {settings.cluster} (small-sample factor G/(G-1) x (n-1)/(n-k) = {factor:.4f})"
    return f"{' '.join(parts)}; errors in parentheses are {errors}."
