"""From columns to numbers: outcome, explanatory columns, groups and weights of the places that one model uses."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError, brief_list
from rankscape.products.regressions.paired_places import LATITUDE, LONGITUDE
from rankscape.products.regressions.settings import Explanatory, Outcome, RegressionSettings, Transform

_METRES_PER_KM = 1000.0


@dataclass(frozen=True)
class Sample:
    """What one model is fitted to: places at which nothing is missing."""

    outcome: np.ndarray
    """float64, shape (n,)."""
    explanatory: np.ndarray
    """float64, shape (n, columns)."""
    terms: tuple[Explanatory, ...]
    """The explanatory columns."""
    effects: np.ndarray | None
    """Group of each place that has an intercept of its own, int64, shape (n,); None without fixed effects."""
    clusters: np.ndarray | None
    """Group of each place within which errors are correlated, int64, shape (n,); None without clusters."""
    weights: np.ndarray | None
    """float64, shape (n,); None where places count alike."""
    degrees: np.ndarray | None
    """Longitude and latitude, float64, shape (n, 2); None where not all places have coordinates."""
    dropped: int
    """Places left out because a number or a group is missing."""


def make_sample(frame: pd.DataFrame, settings: RegressionSettings, outcome: Outcome) -> Sample:
    """Take what a model needs from the places, and leave out places where some of it is missing.

    Args:
        frame: Places with all their columns.
        settings: The regression.
        outcome: The outcome of this model.

    Returns:
        Numbers at the places that are left.

    Raises:
        TableError: If a column is missing, holds text or a value that its transform does not take; if too few places
            are left; if the outcome is constant, or there is one cluster only.
    """
    terms = tuple(term for term in settings.explanatory if term.column not in outcome.leave_out)
    _check_columns(frame, settings, outcome, terms)
    needed = {"outcome": outcome_of(frame, outcome)}
    needed |= {f"term {place}": transformed(frame, t.column, t.transform, t.add) for place, t in enumerate(terms)}
    if settings.weights is not None:
        needed["weights"] = _positive(frame, settings.weights)
    groups = {name: frame[name] for name in (settings.fixed_effects, settings.cluster) if name is not None}
    whole = np.isfinite(np.column_stack(list(needed.values()))).all(axis=1)
    for column in groups.values():
        whole &= column.notna().to_numpy()
    _check_places(whole, settings, needed["outcome"])
    clusters = _codes(groups, settings.cluster, whole)
    if clusters is not None and clusters.max() == 0:
        only = groups[str(settings.cluster)][whole].iloc[0]
        raise TableError(
            f"cluster = {settings.cluster!r} holds one group only, {only!r}: take a column with more, or no clusters."
        )
    return Sample(
        needed["outcome"][whole],
        np.column_stack([needed[f"term {place}"][whole] for place in range(len(terms))]),
        terms,
        _codes(groups, settings.fixed_effects, whole),
        clusters,
        needed["weights"][whole] if "weights" in needed else None,
        _degrees(frame, whole),
        int((~whole).sum()),
    )


def outcome_of(frame: pd.DataFrame, outcome: Outcome) -> np.ndarray:
    """Return the outcome at every place, float64, NaN where it is missing."""
    values = transformed(frame, outcome.column, outcome.transform, outcome.add)
    if outcome.minus is not None:
        values = values - transformed(frame, outcome.minus, outcome.transform, outcome.add)
    return np.where(np.isnan(values), np.nan, values > 0) if outcome.positive else values


def transformed(frame: pd.DataFrame, column: str, transform: Transform, add: float) -> np.ndarray:
    """Return a column as the regression takes it, float64, NaN where it is missing.

    Raises:
        TableError: If a cell is no number, or the logarithm of a value is asked for that has none.
    """
    values = _numbers(frame, column) + add
    if transform in {"log", "log1p"}:
        least = 0.0 if transform == "log" else -1.0
        if (values <= least).any():
            raise TableError(
                f"column {column!r} is {np.nanmin(values):g} at a place, and transform = {transform} takes only values "
                f"above {least:g}: give `add`, or another transform."
            )
        return np.asarray(np.log(values) if transform == "log" else np.log1p(values))
    if transform == "standard":
        return _standardised(values, column)
    return values / _METRES_PER_KM if transform == "km" else values


def _standardised(values: np.ndarray, column: str) -> np.ndarray:
    known = values[np.isfinite(values)]
    if not known.size or np.ptp(known) == 0:
        raise TableError(f"column {column!r} is the same at all places: transform = standard needs different values.")
    return np.asarray((values - known.mean()) / known.std(ddof=1))


def _numbers(frame: pd.DataFrame, column: str) -> np.ndarray:
    numbers = pd.to_numeric(frame[column], errors="coerce").astype(float)
    text = frame[column][numbers.isna() & frame[column].notna()]
    if len(text):
        raise TableError(f"column {column!r} holds {text.iloc[0]!r}, which is no number ({len(text)} such cells).")
    return numbers.to_numpy()


def _positive(frame: pd.DataFrame, column: str) -> np.ndarray:
    values = _numbers(frame, column)
    if (values <= 0).any():
        raise TableError(f"weights = {column!r} is {np.nanmin(values):g} at a place; weights are above 0.")
    return values


def _check_columns(
    frame: pd.DataFrame, settings: RegressionSettings, outcome: Outcome, terms: Iterable[Explanatory]
) -> None:
    named = [outcome.column, outcome.minus, *(t.column for t in terms)]
    named += [settings.fixed_effects, settings.cluster, settings.weights]
    missing = [name for name in dict.fromkeys(named) if name is not None and name not in frame.columns]
    if missing:
        raise TableError(f"no table has the columns {missing}; there are {brief_list(frame.columns, 30)}.")


def _check_places(whole: np.ndarray, settings: RegressionSettings, outcome: np.ndarray) -> None:
    if whole.sum() < settings.min_places:
        raise TableError(
            f"{whole.sum()} of {len(whole)} places have all columns; a regression needs {settings.min_places} "
            "(min_places): look for columns with many missing cells."
        )
    if np.ptp(outcome[whole]) == 0:
        raise TableError(f"the outcome is {outcome[whole][0]:g} at all {whole.sum()} places: nothing can explain it.")


def _codes(groups: dict[str, "pd.Series[str]"], name: str | None, whole: np.ndarray) -> np.ndarray | None:
    """Groups numbered from 0 in the order of their names."""
    if name is None:
        return None
    return np.unique(groups[name][whole].astype(str), return_inverse=True)[1]


def _degrees(frame: pd.DataFrame, whole: np.ndarray) -> np.ndarray | None:
    if LONGITUDE not in frame or LATITUDE not in frame:
        return None
    degrees = frame.loc[whole, [LONGITUDE, LATITUDE]].to_numpy(float)
    return degrees if np.isfinite(degrees).all() else None
