"""Settings of regressions of the score, of its change, or of any column on columns of tables."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rankscape.foundation.settings import Section
from rankscape.samples.settings import JoinedTable

_CHANGE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]*--[0-9A-Za-z][0-9A-Za-z_.-]*")
"""A pair of periods, the earlier first, such as 2016--2019."""
Transform = Literal["none", "log", "log1p", "km", "standard"]
"""`log` and `log1p`: natural logarithms; `km`: metres to kilometres; `standard`: mean 0 and standard deviation 1."""


class Outcome(Section):
    """What a model explains."""

    column: Annotated[str, Field(min_length=1)]
    """Column: `score`, `change`, or a column of a table."""
    minus: str | None = None
    """Column to subtract after both were transformed: the change between two columns."""
    transform: Transform = "none"
    """What is done to the column, and to `minus`, first."""
    add: float = 0.0
    """Added before the transform, so that a logarithm takes zeros."""
    positive: bool = False
    """True: the outcome is 1 where it is above 0, else 0 (a linear probability model)."""
    title: str = ""
    """Head of the model's column; default: the outcome in words."""
    leave_out: tuple[str, ...] = ()
    """Explanatory columns that this model does without."""


class Explanatory(Section):
    """A column that explains."""

    column: Annotated[str, Field(min_length=1)]
    """Column of a table; a number at every place."""
    transform: Transform = "none"
    """What is done to the column first."""
    add: float = 0.0
    """Added before the transform, so that a logarithm takes zeros."""
    label: str = ""
    """Name in tables; default: transform and column."""
    shown: bool = True
    """False: a control that the printed tables leave out."""

    @property
    def name(self) -> str:
        """Name in tables."""
        if self.label:
            return self.label
        return {"none": self.column, "km": f"{self.column} (km)"}.get(self.transform, f"{self.transform} {self.column}")


class RegressionSettings(Section):
    """A table of regressions: a column of it for each outcome, a row for each explanatory column."""

    title: str
    """Caption of the table."""
    places: str = "score"
    """What a row is: `score` (the patches and their score), `tables` (the rows of the first table), or a pair of
    periods such as 2016--2019 (the places and the change of their score)."""
    tables: tuple[JoinedTable, ...] = ()
    """Tables to join, in this order."""
    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1)]
    """Models, each explaining one outcome."""
    explanatory: Annotated[tuple[Explanatory, ...], Field(min_length=1)]
    """Columns that explain."""
    fixed_effects: str | None = None
    """Column whose groups have an intercept each, such as the province."""
    absorb: Literal["dummies", "within"] = "dummies"
    """`dummies`: a column for each group but one; `within`: group means are taken off first (for thousands of
    groups). Coefficients are the same, the small-sample correction differs (docs/methods/regressions.md)."""
    cluster: str | None = None
    """Column whose groups the errors may be correlated within; default: no clusters, errors robust to
    heteroscedasticity (HC1)."""
    weights: str | None = None
    """Column of weights above 0, such as population; default: places count alike."""
    zoom: Annotated[int, Field(ge=1, le=22)] | None = None
    """Zoom of the web-mercator tiles that the first table's keys name as `row_col`: gives its places coordinates."""
    conley_m: Annotated[float, Field(gt=0)] | None = None
    """Distance in metres up to which errors may be correlated: errors of Conley (1999) are given beside the others."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the intervals."""
    min_places: Annotated[int, Field(ge=3)] = 30
    """Fewest places for which a model is fitted."""

    @model_validator(mode="after")
    def _models_possible(self) -> "RegressionSettings":
        terms = [(term.transform, term.column) for term in self.explanatory]
        twice = sorted({f"{transform} {column}" for transform, column in terms if terms.count((transform, column)) > 1})
        if twice:
            raise ValueError(f"explanatory names {twice} twice")
        columns = [column for _, column in terms]
        strangers = sorted({name for outcome in self.outcomes for name in outcome.leave_out} - set(columns))
        if strangers:
            raise ValueError(f"leave_out names {strangers}; explanatory has {columns}")
        if any(set(columns) <= set(outcome.leave_out) for outcome in self.outcomes):
            raise ValueError("leave_out leaves a model without explanatory columns")
        return self

    @model_validator(mode="after")
    def _places_found(self) -> "RegressionSettings":
        if self.places not in {"score", "tables"} and not _CHANGE.fullmatch(self.places):
            raise ValueError(f"places = {self.places!r}: allowed are score, tables, or two periods such as 2016--2019")
        if self.places == "tables" and not self.tables:
            raise ValueError("places = 'tables' needs tables: give one at least")
        if self.zoom is not None and self.places != "tables":
            raise ValueError("zoom is for places = 'tables': patches have coordinates of their own")
        for place, table in enumerate(self.tables):
            if table.match is None and (place or self.places != "tables"):
                raise ValueError(
                    f"tables: {table.path} is joined and needs `match`, the places' column to find its key in"
                )
        return self

    @property
    def change(self) -> str | None:
        """The pair of periods whose change is explained; None for other places."""
        return None if self.places in {"score", "tables"} else self.places

    @property
    def paths(self) -> list[str]:
        """Files of the tables, each once."""
        return list(dict.fromkeys(table.path for table in self.tables))
