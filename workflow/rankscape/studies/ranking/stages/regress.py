"""Explain the score, its change, or a column of a table by columns of tables.

Ordinary least squares with fixed effects and clustered errors, whether the residuals are correlated in space, and the
table as JSON, CSV and LaTeX.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rankscape.foundation.errors import SettingsError
from rankscape.foundation.files import write_bytes
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.foundation.settings import at_path, read_yaml
from rankscape.products.regressions.coefficient_tables import (
    coefficient_table,
    latex_table,
    notes_on,
    outcome_title,
    stars,
)
from rankscape.products.regressions.design import make_sample, regression_places
from rankscape.products.regressions.estimation import FittedModel, fit
from rankscape.products.regressions.settings import RegressionSettings
from rankscape.stages.options import MaybeFile, only, settings_of
from rankscape.studies.ranking.product_files import COEFFICIENTS, REGRESSION

_EXAMPLE = {
    "title": "Score and income",
    "outcomes": [{"column": "score"}],
    "explanatory": [{"column": "income"}],
}


def regress(
    *,
    settings: Annotated[
        str,
        settings_of(
            RegressionSettings,
            title="Score and income",
            outcomes=[{"column": "score"}],
            explanatory=[{"column": "income"}],
        ),
    ],
    name: Annotated[str, Parameter(help="Name of the regression.")],
    out: Annotated[Path, Parameter(help="Document to write (JSON); the tables lie beside it, ending in .csv, .tex.")],
    scores: Annotated[list[Path] | None, Parameter(help="Scores (.parquet), a granule each.")] = None,
    indices: Annotated[list[Path] | None, Parameter(help="Patch indices (.parquet), a granule each.")] = None,
    change: Annotated[MaybeFile, Parameter(help="Change between two periods (.parquet).")] = (),
) -> None:
    """Explain the score, its change, or a column of a table by columns of tables."""
    chosen = _regression(settings, name)
    frame, notes = regression_places(chosen, scores or [], indices or [], only(change))
    titles = [outcome_title(outcome) for outcome in chosen.outcomes]
    fits = [fit(make_sample(frame, chosen, outcome), chosen) for outcome in chosen.outcomes]
    notes = [*notes_on(chosen, fits), *notes]
    inputs = {f"tables/{Path(table.path).name}": Path(table.path) for table in chosen.tables}
    inputs |= {f"scores/{path.stem}": path for path in scores or []}
    inputs |= {f"indices/{path.stem}": path for path in indices or []}
    inputs |= {"change": change[0]} if change else {}
    record = provenance("ranking regress", chosen, inputs)
    COEFFICIENTS.write(out.with_suffix(".csv"), coefficient_table(titles, fits), record)
    write_bytes(out.with_suffix(".tex"), latex_table(chosen, titles, fits, notes).encode())
    REGRESSION.write(out, {
        "regression": name, "title": chosen.title, "confidence": chosen.confidence,
        "models": [_document(*pair) for pair in zip(titles, fits, strict=True)], "notes": notes,
    }, record)  # fmt: skip
    for title, one in zip(titles, fits, strict=True):
        say(f"{title}: {one.n:,} places, R² {one.r2:.3f}")


def _regression(settings: str, name: str) -> RegressionSettings:
    """The settings of one regression, from JSON or from the configuration file that names it."""
    if settings.lstrip().startswith("{"):
        return RegressionSettings.from_text(settings, f"ranking.regressions.{name}")
    found = at_path(read_yaml(Path(settings)), "ranking.regressions")
    if name not in found:
        raise SettingsError(f"{settings}: ranking.regressions has {sorted(found)}, but --name is {name!r}.")
    return RegressionSettings.checked(found[name], settings, f"ranking.regressions.{name}")


def _document(title: str, one: FittedModel) -> dict[str, Any]:
    document = {"outcome": title, **asdict(one)}
    document["estimates"] = [{**asdict(found), "stars": stars(found.p)} for found in one.estimates]
    return document
