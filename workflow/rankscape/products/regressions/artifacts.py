"""What regressions hold: keys of their document, columns of their table."""

from typing import Annotated, Any

from pydantic import Field

from rankscape.artifacts import Column, DocumentKeys, Keys, empty_as


class Coefficient(Keys):
    """One coefficient."""

    column: str = ""
    """What explains: a column, or the intercept or a dummy."""
    label: str
    """The same in words."""
    coefficient: float
    """Estimate, in units of the outcome per unit of the column."""
    std_error: float | None = None
    """Standard error."""
    conley_error: float | None = None
    """Error that allows for correlation over distance; null where it was not asked for."""
    t: float | None = None
    """Coefficient over standard error."""
    p: float | None = None
    """Probability of so large a coefficient where there is none."""
    low: float | None = None
    """Lower end of the interval."""
    high: float | None = None
    """Upper end of the interval."""
    stars: str = ""
    """Significance at .1, .05 and .01."""
    shown: bool = True
    """Whether tables show it."""


class RegressionModel(Keys):
    """One regression."""

    outcome: str
    """What is explained."""
    n: int
    """Places in the model."""
    dropped: int = 0
    """Places left out because something is missing."""
    mean: float | None = None
    """Mean of the outcome."""
    r2: float | None = None
    """Share of the variance that the model explains."""
    r2_within: float | None = None
    """The same within groups; null without fixed effects."""
    groups: int | None = None
    """Groups with an intercept; null without fixed effects."""
    clusters: int | None = None
    """Groups of correlated errors; null where errors are not clustered."""
    degrees_of_freedom: int | None = None
    """Of the t distribution of p-values and intervals."""
    correction: float | None = None
    """Factor of the small-sample correction."""
    spatial: dict[str, Any] | None = None
    """Spatial autocorrelation of the residuals; null where places have no coordinates."""
    estimates: list[Coefficient]
    """Coefficients."""


class RegressionRecord(DocumentKeys):
    """Regressions of one question."""

    regression: str = ""
    """Name of the regression."""
    title: str
    """Title of its table."""
    confidence: float = 0.95
    """Coverage of the intervals."""
    models: Annotated[list[RegressionModel], Field(min_length=1)]
    """One model an outcome."""
    notes: Annotated[list[str], empty_as(list)] = []
    """Notes below the table."""


COEFFICIENT_COLUMNS = (
    Column("model", "integer", "", "Number of the model, from 1"),
    Column("outcome", "text", "", "What is explained"),
    Column("column", "text", "", "What explains it: a column, or the intercept or a dummy"),
    Column("label", "text", "", "The same in words"),
    Column("coefficient", "number", "outcome per unit of the column", "Estimate"),
    Column("std_error", "number", "as coefficient", "Standard error, clustered where the settings ask for it"),
    Column("conley_error", "number", "as coefficient", "Conley's standard error, which respects space",
           "empty where it was not asked for"),
    Column("t", "number", "", "Coefficient over standard error"),
    Column("p", "number", "0 to 1", "Probability of so large a coefficient where there is none"),
    Column("low", "number", "as coefficient", "Lower end of the interval"),
    Column("high", "number", "as coefficient", "Upper end of the interval"),
    Column("n", "integer", "", "Places in the model"),
    Column("clusters", "number", "", "Clusters of the standard errors", "empty where errors are not clustered"),
    Column("r2", "number", "0 to 1", "Share of the variance that the model explains"),
    Column("r2_within", "number", "0 to 1", "The same within groups", "empty where there are no fixed effects"),
)  # fmt: skip
