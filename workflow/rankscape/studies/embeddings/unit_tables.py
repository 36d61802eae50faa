"""Units with features of their own, such as storage units of facilities, beside the embedding of their place.

An embedding is the same for all units of a place, so that it can serve as a name tag of it: units of known groups are
held out, and whole groups, side by side (Chen, Konakalla and Noor 2022). Penalties are always chosen by holding out
whole groups, and each block of features has its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from rankscape.evaluation.regression import r2
from rankscape.foundation.errors import TableError
from rankscape.foundation.user_tables import as_numbers, difference, keys, read_user_table
from rankscape.learning.folds import FOLDS, group_folds
from rankscape.learning.nested_ridge import fit_nested
from rankscape.samples.embedding_readers import read_embeddings
from rankscape.samples.joins import read_indices
from rankscape.samples.patches import is_located
from rankscape.samples.settings import SuppliedSettings
from rankscape.spatial.geometry import WGS84
from rankscape.studies.embeddings.artifacts import UNIT_SPLITS
from rankscape.studies.embeddings.joining import join_features
from rankscape.studies.embeddings.labelling import check_labels, split_folds, transform_labels
from rankscape.studies.embeddings.regressing import SEED, Predicted, known, measure, r2_interval
from rankscape.studies.embeddings.tasks import DownstreamSettings, UnitsSettings

OWN = "units"
"""The model of the units' features alone."""
_FEWEST_GROUPS = 4
"""One is held out, and among three others a penalty is chosen."""


@dataclass(frozen=True)
class UnitTable:
    """Units with a label and all features."""

    lines: np.ndarray
    """Line of each unit in its file, from 1, shape (n,)."""
    rows: int
    """Rows of the file."""
    unlabelled: int
    """Rows without a label."""
    without_features: int
    """Labelled rows without a feature."""
    labels: np.ndarray
    """float64, shape (n,)."""
    features: np.ndarray
    """float64, shape (n, features)."""
    groups: np.ndarray
    """Name of the group of each unit, shape (n,)."""
    names: np.ndarray
    """What shares a fold as one unit, shape (n,)."""
    years: np.ndarray | None
    """Shape (n,); None without a column of years."""
    places: np.ndarray | None
    """Key of the place of each unit, shape (n,); None without such a column."""
    degrees: np.ndarray | None
    """Longitude and latitude, shape (n, 2); None without such columns."""

    def taken(self, kept: np.ndarray) -> "UnitTable":
        """Return some of the units."""
        own = {name: value[kept] if isinstance(value, np.ndarray) else value for name, value in self.__dict__.items()}
        return UnitTable(**own)


def read_units(path: Path, settings: UnitsSettings) -> UnitTable:
    """Read a table of units.

    Raises:
        TableError: If a column is missing, a unit has no group, place or year, a name comes twice, a cell that should
            be a number is none, or the labels cannot be predicted.
    """
    wanted = [settings.label, *settings.features, settings.group]
    wanted += [
        name for name in (settings.year, settings.unit, settings.place, settings.longitude, settings.latitude) if name
    ]
    frame, lines = read_user_table(path, tuple(dict.fromkeys(wanted)), settings, settings.sheet)
    names = [f"line {line}" for line in lines]

    def numbers(column: str) -> np.ndarray:
        return as_numbers(frame[column], f"{path}: {column!r}", names)

    raw = numbers(settings.label)
    labels = transform_labels(raw, settings.transform, f"{path}: {settings.label!r}")
    check_labels(labels[np.isfinite(labels)], f"{path}: {settings.label!r}")
    features = np.column_stack([numbers(name) for name in settings.features])
    for name, column in zip(settings.features, features.T, strict=True):
        if np.isnan(column).all():
            raise TableError(f"{path}: the feature {name!r} is empty in every row: leave it out, or fill it.")
    text = {role: _filled(frame, name, path, lines, role) for role, name in _roles(settings).items()}
    degrees = None
    if settings.longitude is not None and settings.latitude is not None:
        degrees = np.column_stack([numbers(settings.longitude), numbers(settings.latitude)])
        _check_degrees(degrees, path, lines)
    years = text.get("year")
    unit = np.arange(len(frame)).astype(str) if settings.unit is None else text["unit"]
    if settings.unit is not None:
        _check_once(unit, years, path, lines, settings)
    has, whole = np.isfinite(labels), np.isfinite(features).all(1)
    table = UnitTable(
        np.asarray(lines), len(frame), int((~has).sum()), int((has & ~whole).sum()), labels, features, text["group"],
        unit, years, text.get("place"), degrees,
    )  # fmt: skip
    return table.taken(has & whole)


def _roles(settings: UnitsSettings) -> dict[str, str]:
    named = {"group": settings.group, "year": settings.year, "unit": settings.unit, "place": settings.place}
    return {role: name for role, name in named.items() if name is not None}


def _filled(frame: pd.DataFrame, column: str, path: Path, lines: Sequence[int], role: str) -> np.ndarray:
    """Names in a column, none of which may be missing."""
    found = keys(frame[column])
    empty = np.flatnonzero(found.isna())
    if len(empty):
        raise TableError(
            f"{path}: {len(empty)} units without {role}, line {lines[empty[0]]} for one: fill the column {column!r}, or"
            " leave these rows out."
        )
    return found.to_numpy(str)


def _check_degrees(degrees: np.ndarray, path: Path, lines: Sequence[int]) -> None:
    empty = np.flatnonzero(~np.isfinite(degrees).all(1))
    if len(empty):
        raise TableError(
            f"{path}: {len(empty)} units without place, line {lines[empty[0]]} for one: fill longitude and latitude, or"
            " leave these rows out."
        )
    for column, (what, most) in enumerate((("longitude", 360), ("latitude", 90))):
        wrong = np.flatnonzero(np.abs(degrees[:, column]) > most)
        if len(wrong):
            raise TableError(
                f"{path}: {what} of line {lines[wrong[0]]} is {degrees[wrong[0], column]:g}, beyond ±{most} degrees:"
                " are longitude and latitude swapped, or metres?"
            )


def _check_once(
    unit: np.ndarray, years: np.ndarray | None, path: Path, lines: Sequence[int], settings: UnitsSettings
) -> None:
    rows = pd.DataFrame({"unit": unit, "year": "" if years is None else years})
    twice = np.flatnonzero(rows.duplicated())
    if len(twice):
        year = "" if years is None else f" of {years[twice[0]]}"
        raise TableError(
            f"{path}: unit {str(unit[twice[0]])!r}{year} comes twice, again in line {lines[twice[0]]} ({len(twice)}"
            f" such): keep one row each{'' if settings.year else ', or give the column of the `year`'}."
        )


def embeddings_of(
    units: UnitTable, settings: UnitsSettings, files: Sequence[Path], indices: Sequence[Path]
) -> dict[str, np.ndarray]:
    """Find the embedding of the place of every unit.

    Args:
        units: Units with keys or coordinates.
        settings: Their columns.
        files: Features (.npy) of granules, in folders named as their embedding, and tables of embeddings.
        indices: Patch indices of these granules.

    Returns:
        By name: float64, shape (n, dims); NaN where the place has none.

    Raises:
        TableError: If a table has a place twice or none of the units' places, no unit lies in a patch, or there is no
            embedding at all.
    """
    arrays = [path for path in files if path.suffix == ".npy"]
    names = list(dict.fromkeys(path.parent.name for path in arrays))
    patches = _patches_at(units, indices) if names else None
    found = {
        name: _at_patches(patches, [path for path in arrays if path.parent.name == name], indices, name)
        for name in names
        if patches is not None
    }
    for path in files:
        if path.suffix == ".npy":
            continue
        if path.stem in found or path.stem == OWN:
            raise TableError(f"{path}: the name {path.stem!r} is taken: rename the file.")
        found[path.stem] = _keyed(units, settings, path)
    if not found:
        raise TableError("--features is empty: give features of granules (.npy), or a table of embeddings of places.")
    return found


def _patches_at(units: UnitTable, indices: Sequence[Path]) -> np.ndarray:
    """Usable patch around every unit, the first granule's of several; None where there is none, shape (n,)."""
    if units.degrees is None:
        raise TableError("Features of patches need units with `longitude` and `latitude`.")
    where = gpd.GeoSeries(shapely.points(units.degrees), crs=WGS84)
    found = np.full(len(where), None, object)
    for index in read_indices(indices):
        if not is_located(index):
            continue
        usable = index[index["usable"].to_numpy(bool)]
        point, patch = shapely.STRtree(usable.geometry.to_numpy()).query(
            where.to_crs(index.crs).to_numpy(), predicate="intersects"
        )
        new = pd.isna(found[point])
        found[point[new]] = usable["patch_id"].to_numpy(object)[patch[new]]
    if pd.isna(found).all():
        raise TableError(
            "No unit lies in a usable patch: check longitude and latitude (swapped?), and that granules are given."
        )
    return found


def _at_patches(patches: np.ndarray, files: list[Path], indices: Sequence[Path], name: str) -> np.ndarray:
    # Networks learned other labels than that of the units.
    distinct = pd.Series(pd.unique(patches[~pd.isna(patches)]), dtype=object)
    rows = pd.DataFrame({"patch_id": distinct, "at": np.arange(len(distinct))})
    data, _ = join_features(rows, [name], files, list(indices), DownstreamSettings(), learned=True)
    if data.features is None:
        raise TableError(f"{name} has no features.")
    values = np.full((len(distinct) + 1, data.features.shape[1]), np.nan)
    values[data.rows["at"].to_numpy()] = data.features
    return np.asarray(values[pd.Index(distinct).get_indexer(pd.Index(patches))])


def _keyed(units: UnitTable, settings: UnitsSettings, path: Path) -> np.ndarray:
    if units.places is None or settings.place is None:
        raise TableError(f"{path} is joined by `place`: name the column of the units that has its keys.")
    read = read_embeddings(path, SuppliedSettings(path=str(path)))
    if settings.place not in read.frame:
        raise TableError(f"{path} has no column {settings.place!r}, by which embeddings are joined to units.")
    key = keys(read.frame[settings.place])
    if key.isna().any():
        raise TableError(f"{path}: {int(key.isna().sum())} rows have no {settings.place}: fill it, or leave them out.")
    if key.duplicated().any():
        twice = key[key.duplicated()].iloc[0]
        raise TableError(
            f"{path}: {settings.place} {twice!r} stands in two rows ({int(key.duplicated().sum())} such):"
            " keep one each."
        )
    place = pd.Index(key).get_indexer(pd.Index(units.places))
    if (place < 0).all():
        raise TableError(
            f"{path}: no {settings.place} of the units is there, such as {str(units.places[0])!r}"
            f"{difference(set(units.places), set(key))}."
        )
    vectors = np.vstack([read.vectors, np.full(read.vectors.shape[1], np.nan)]).astype(np.float64)
    return np.asarray(vectors[place])


@dataclass(frozen=True)
class EvaluatedModel:
    """Predictions of one model in one split, and how good they are."""

    model: str
    split: str
    predicted: Predicted
    fit: dict[str, Any]
    """Keys of `FitKeys`."""


def unit_folds(units: UnitTable) -> dict[str, np.ndarray]:
    """Folds of every split; a split that has fewer than three is left out.

    Raises:
        TableError: If there are fewer than four groups.
    """
    count = len(np.unique(units.groups))
    if count < _FEWEST_GROUPS:
        raise TableError(
            f"units lie in {count} groups; {_FEWEST_GROUPS} are needed, to hold one out and choose a penalty in others."
        )
    held = {"inside": units.names, "years": units.years, "outside": units.groups}
    found = {
        split: split_folds(groups, np.random.default_rng([SEED, number]), alone=split != "inside")
        for number, split in enumerate(UNIT_SPLITS)
        if (groups := held[split]) is not None
    }
    return {split: folds for split, folds in found.items() if folds.max() > 0}


def evaluate_units(
    units: UnitTable, embeddings: Mapping[str, np.ndarray], components: int, settings: DownstreamSettings
) -> Iterator[EvaluatedModel]:
    """Predict units from their features, the embedding of their place, and both, in every split."""
    folds = unit_folds(units)
    for split, (model, design) in product(folds, _designs(units, embeddings, components).items()):
        found = _predict(units, folds[split], design, settings)
        apart = folds["outside"]
        yield EvaluatedModel(
            model, split, found, measure(units.labels, found, units.groups, folds[split], apart, settings)
        )


Design = Callable[[np.ndarray], list[np.ndarray]]
"""Blocks of features, from the rows that are trained on (bool, shape (n,))."""


def _designs(units: UnitTable, embeddings: Mapping[str, np.ndarray], components: int) -> dict[str, Design]:
    own = units.features
    found: dict[str, Design] = {OWN: lambda _: [own]}
    for name, vectors in embeddings.items():

        def alone(_: np.ndarray, e: np.ndarray = vectors) -> list[np.ndarray]:
            return [e]

        def both(_: np.ndarray, e: np.ndarray = vectors) -> list[np.ndarray]:
            return [own, e]

        def varying(train: np.ndarray, e: np.ndarray = vectors) -> list[np.ndarray]:
            return [own, e, interactions(own, e, train, components)]

        found |= {name: alone, f"{OWN}+{name}": both, f"{OWN}*{name}": varying}
    return found


def interactions(own: np.ndarray, embedding: np.ndarray, train: np.ndarray, components: int) -> np.ndarray:
    """Products of unit features with principal components of the embedding, both standardised by the rows trained on.

    A linear model of them has coefficients of the unit features that are linear in the embedding: x' B e.

    Args:
        own: Features of units, shape (n, f).
        embedding: Embedding of their places, shape (n, d).
        train: Rows trained on, bool, shape (n,).
        components: Most principal components.

    Returns:
        float64, shape (n, f times components).
    """
    x, e = _standardised(own, train), _standardised(embedding, train)
    # Each place once: how many units it has says nothing of the embedding.
    distinct = np.unique(e[train], axis=0)
    _, sizes, ways = np.linalg.svd(distinct - distinct.mean(0), full_matrices=False)
    used = ways[: min(components, int((sizes > 1e-9 * sizes[0]).sum()))] if len(sizes) else ways
    scores = _standardised(e @ used.T, train)
    return np.asarray((x[:, :, None] * scores[:, None, :]).reshape(len(x), -1))


def _standardised(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    centre, deviation = values[train].mean(0), values[train].std(0)
    moves = deviation > 1e-9 * np.abs(centre)
    return np.asarray((values - centre) / np.where(moves, deviation, np.inf))


def _predict(units: UnitTable, folds: np.ndarray, design: Design, settings: DownstreamSettings) -> Predicted:
    """Predict each fold from the others; penalties are chosen by holding out whole groups of these."""
    values, penalties = np.empty(len(folds)), []
    for fold in np.unique(folds).tolist():
        train = folds != fold
        inner = np.full(len(folds), -1)
        inner[train] = group_folds(units.groups[train], np.random.default_rng([SEED, fold]), FOLDS)
        blocks = design(train)
        (fit,) = fit_nested(
            np.hstack(blocks), np.where(train, units.labels, np.nan)[:, None], inner,
            blocks=[block.shape[1] for block in blocks], penalties=settings.penalties,
            standardise=settings.standardise, nested=False,
        )  # fmt: skip
        values[~train] = fit.predicted[~train]
        penalties.append(list(fit.final.penalties) if fit.final else [])
    return Predicted(values, penalties, False)


def unit_differences(
    units: UnitTable, outcomes: Sequence[EvaluatedModel], names: Sequence[str], settings: DownstreamSettings
) -> list[dict[str, Any]]:
    """Paired differences: what an embedding adds to units, what units add to it, and what varying coefficients add."""
    by = {(one.model, one.split): one.predicted.values for one in outcomes}
    pairs = [
        pair for name in names
        for pair in ((f"{OWN}+{name}", OWN), (f"{OWN}+{name}", name), (f"{OWN}*{name}", f"{OWN}+{name}"))
    ]  # fmt: skip
    return [
        {
            "first": first, "second": second, "split": split, "n": len(units.labels),
            "difference": known(r2(units.labels, by[first, split]) - r2(units.labels, by[second, split])),
            "interval": r2_interval(units.labels, [by[first, split], by[second, split]], units.groups, settings),
        }
        for split in dict.fromkeys(one.split for one in outcomes) for first, second in pairs
    ]  # fmt: skip
