"""The places of a regression, and their columns as numbers: outcome, explanatory columns, groups and weights.

A place is a patch with its score, a patch with its change, or a row of the user's table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.foundation.errors import InputError, TableError, brief_list
from rankscape.foundation.tables import read_geotable
from rankscape.foundation.user_tables import as_numbers, keys
from rankscape.products.regressions.settings import Explanatory, Outcome, RegressionSettings, Transform
from rankscape.samples.joins import join, read_indices, read_joined, rows_of
from rankscape.samples.overlap import distinct_places
from rankscape.samples.patches import is_located, row_col
from rankscape.spatial.geometry import WGS84, centres

LONGITUDE, LATITUDE = "longitude", "latitude"
_SCORES = ("score", "score_std")
_METRES_PER_KM = 1000.0


def regression_places(
    settings: RegressionSettings, scores: Sequence[Path], indices: Sequence[Path], change: Path | None
) -> tuple[pd.DataFrame, list[str]]:
    """Bring together everything that is known of the places of a regression.

    Args:
        settings: What a place is, and the tables to join.
        scores: Score tables, a granule each; for places = score.
        indices: Patch indices, a granule each; for places = score.
        change: Table of the change between two periods; for a pair of periods.

    Returns:
        One row a place with all columns, among them `longitude` and `latitude` in degrees where they are known, and
        what there is to say about the joins.

    Raises:
        InputError: If the files for this kind of places were not given.
        TableError: If a table cannot be read or joined.
    """
    tables, notes = list(settings.tables), []
    if settings.places == "tables":
        first = tables.pop(0)
        frame = read_joined(first)
        if settings.zoom is not None:
            frame = frame.join(_tile_centres(frame[first.key], settings.zoom, first.path))
    elif settings.change is None:
        frame = _scored(scores, indices)
    else:
        frame = _changed(change, settings.change)
    for table in tables:
        frame, note = join(frame, table)
        notes += [] if note is None else [note]
    return frame, notes


def _scored(scores: Sequence[Path], indices: Sequence[Path]) -> pd.DataFrame:
    """Usable patches with a score; a place that two granules show counts once."""
    if not scores or not indices:
        raise InputError("places = score needs the score tables and patch indices: give --scores and --indices.")
    stores = read_indices(indices)
    masks = distinct_places(stores)
    rows = pd.concat(
        [_located(index)[mask & index["usable"].to_numpy(bool)] for index, mask in zip(stores, masks, strict=True)]
    )
    rows = rows.reset_index(drop=True)
    frame: pd.DataFrame = rows.join(rows_of(scores, _SCORES, rows["patch_id"], "scores").astype(float))
    return frame


def _changed(path: Path | None, pair: str) -> pd.DataFrame:
    """Places with their change between two periods; a place that two granules show counts once."""
    if path is None:
        raise InputError(f"places = {pair} needs the table of this change: give --change.")
    table = read_geotable(path, ["patch_id", "granule", "change"]).assign(usable=True)
    parts = [part for _, part in table.groupby("granule", sort=True)]
    kept = [_located(part)[mask] for part, mask in zip(parts, distinct_places(parts), strict=True)]
    frame: pd.DataFrame = pd.concat(kept, ignore_index=True).drop(columns="usable")
    return frame


def _located(index: gpd.GeoDataFrame) -> pd.DataFrame:
    """The index without footprints, with `row_col` and, where the place is known, the patch's centre in degrees."""
    frame = pd.DataFrame(index.drop(columns=index.geometry.name))
    frame["row_col"] = row_col(frame["patch_id"])
    if is_located(index):
        frame[LONGITUDE], frame[LATITUDE] = centres(index, WGS84)
    return frame


def _tile_centres(names: "pd.Series[str]", zoom: int, origin: str) -> pd.DataFrame:
    """Return the centres of web-mercator tiles.

    Rows count from the north, columns from 180 degrees west: with n = 2^zoom, longitude = 360 (col + 1/2)/n - 180 and
    latitude = arctan sinh(pi (1 - 2 (row + 1/2)/n)) (the tile scheme of OpenStreetMap and WMTS GoogleMapsCompatible).

    Args:
        names: `row_col` of each tile.
        zoom: Zoom of the tiles.
        origin: Table that the names stand in, for messages.

    Returns:
        Columns `longitude` and `latitude` in degrees, float64.

    Raises:
        TableError: If a name is no `row_col`, or no tile of that zoom.
    """
    parts = keys(names).str.extract(r"^(\d{1,8})_(\d{1,8})$").apply(pd.to_numeric)
    wrong = parts.isna().any(axis=1) | (parts >= 2**zoom).any(axis=1)
    if wrong.any():
        raise TableError(f"{origin}: {names[wrong].iloc[0]!r} is no tile `row_col` of zoom {zoom}: mend it, or zoom.")
    row, col = ((parts[place].to_numpy(float) + 0.5) / 2**zoom for place in (0, 1))
    latitude = np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * row))))
    return pd.DataFrame({LONGITUDE: 360 * col - 180, LATITUDE: latitude}, index=names.index)


@dataclass(frozen=True)
class RegressionSample:
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


def make_sample(frame: pd.DataFrame, settings: RegressionSettings, outcome: Outcome) -> RegressionSample:
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
    return RegressionSample(
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
    return as_numbers(frame[column], f"column {column!r}", [f"row {row}" for row in range(len(frame))])


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
