"""Scores, references and baselines brought together: one row a place."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.foundation.errors import InputError, RasterError, TableError
from rankscape.foundation.tables import read_table
from rankscape.products.agreement.settings import EvaluateSettings
from rankscape.samples.overlap import distinct_places
from rankscape.samples.patches import read_index
from rankscape.samples.pixel_statistics import BASELINES
from rankscape.samples.places import block_of
from rankscape.samples.settings import ReferenceSettings
from rankscape.spatial.geometry import centres, plane_around

SCORE = "score"
PREDICTORS = (SCORE, *BASELINES)
"""What is compared with a reference, beside the rivals that are given."""
_FIT, _APPLY = "fit", "apply"
_COLUMNS = ("patch_id", "granule", "role", "block", "distinct", "x_m", "y_m", "value", "raw", "coverage", "score_std")
"""Names that a rival cannot have: the table of places has such columns, or may get them."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def read_indices(paths: Sequence[Path]) -> list[gpd.GeoDataFrame]:
    """Read patch indices, sorted by granule.

    Raises:
        TableError: If an index is none, is empty, or a granule is given twice.
    """
    found: dict[str, gpd.GeoDataFrame] = {}
    for path in paths:
        index = read_index(path)
        if index.empty:
            raise TableError(f"{path} has no patches: cut them again.")
        granule = str(index["granule"].iloc[0])
        if granule in found:
            raise TableError(f"{path}: granule {granule} is given twice; give each index once.")
        found[granule] = index
    return [found[granule] for granule in sorted(found)]


def rows_of(paths: Sequence[Path], columns: Sequence[str], wanted: pd.Series, what: str) -> pd.DataFrame:
    """Read the rows of some patches from tables, a granule each.

    Args:
        paths: Tables with the column `patch_id`.
        columns: Columns to take.
        wanted: Ids of the patches.
        what: Option by which the tables were given, for messages.

    Returns:
        The columns, a row a patch in the order wanted, numbered from 0.

    Raises:
        TableError: If a table lacks a patch, or a patch stands in two rows.
    """
    table = pd.concat([read_table(path, ("patch_id", *columns)) for path in paths]).set_index("patch_id")
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()][0]
        raise TableError(f"--{what}: patch {twice} stands in two rows; give the table of each granule once.")
    missing = wanted[~wanted.isin(table.index)]
    if len(missing):
        raise TableError(
            f"--{what}: {len(missing)} patches are in no table, {missing.iloc[0]} for one; make them again."
        )
    found: pd.DataFrame = table.reindex(index=wanted, columns=list(columns)).reset_index(drop=True)
    return found


def places(indices: Sequence[gpd.GeoDataFrame], apply: Collection[str]) -> pd.DataFrame:
    """Lay out the usable patches of all granules.

    A place that two granules show counts once when granules are pooled. Granules of role `fit` come first, so that a
    patch of an `apply` granule on land that was learned from is never counted as new land.

    Args:
        indices: Patch indices, a granule each.
        apply: Granules of role `apply`.

    Returns:
        Columns `patch_id`, `granule`, `role`, `distinct` (bool: counts when granules are pooled), `x_m` and `y_m`
        (float64, the centre; distances from the region's middle are true, and all others nearly so); one row a usable
        patch.

    Raises:
        InputError: If `apply` names a granule that has no index.
    """
    granules = [str(index["granule"].iloc[0]) for index in indices]
    unknown = sorted(set(apply) - set(granules))
    if unknown:
        raise InputError(f"--apply names {unknown}, but the granules given are {granules}.")
    roles = [_APPLY if granule in apply else _FIT for granule in granules]
    # distinct_places takes granules in the order of their ids: the role in front puts `fit` first.
    ordered = [
        index.assign(granule=f"{int(role == _APPLY)}{granule}")
        for index, role, granule in zip(indices, roles, granules, strict=True)
    ]
    masks = distinct_places(ordered)
    plane = plane_around("aeqd", *(index.geometry for index in indices))
    frames = []
    for index, granule, role, mask in zip(indices, granules, roles, masks, strict=True):
        x_m, y_m = centres(index, plane)
        columns = {"patch_id": index["patch_id"], "granule": granule, "role": role, "distinct": mask}
        frames.append(pd.DataFrame({**columns, "x_m": x_m, "y_m": y_m})[index["usable"].to_numpy(bool)])
    whole: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return whole


def with_blocks(frame: pd.DataFrame, indices: Sequence[gpd.GeoDataFrame], block_m: float) -> pd.DataFrame:
    """Add `block` (int64), the number of the block of land that holds the place.

    Args:
        frame: Places, as `places` returns them, or some of them.
        indices: Patch indices, a granule each.
        block_m: Side of the blocks in metres.
    """
    ids = np.concatenate([index["patch_id"].to_numpy() for index in indices])
    numbers = pd.Series(np.concatenate(block_of(indices, block_m)), index=ids)
    return frame.assign(block=numbers.reindex(frame["patch_id"]).to_numpy())


def rival_tables(given: Sequence[str]) -> dict[str, list[Path]]:
    """Read `NAME=FILE` as given on the command line; the files of a name belong together, a granule each.

    Raises:
        InputError: If one has no name or no file, or a name that a predictor or a column of the tables has already.
    """
    tables: dict[str, list[Path]] = {}
    for text in given:
        name, _, path = text.partition("=")
        if not _NAME.fullmatch(name) or not path:
            raise InputError(f"--rival {text}: write NAME=FILE, the name in small letters, digits, _ and -.")
        if name in (*PREDICTORS, *_COLUMNS):
            raise InputError(f"--rival {text}: {name} is the name of a column already; choose another.")
        tables.setdefault(name, []).append(Path(path))
    return tables


def with_values(
    frame: pd.DataFrame,
    scores: Sequence[Path],
    values: Sequence[Path],
    baselines: Sequence[Path],
    settings: EvaluateSettings,
    reference: ReferenceSettings,
    rivals: Mapping[str, Sequence[Path]] | None = None,
) -> pd.DataFrame:
    """Add score, reference value (transformed), baselines and rivals; keep the places that have them all.

    All predictors are compared over the same places: those with a finite score, value, baselines and rivals' scores,
    of which the reference covers the share that the settings ask for.

    Args:
        frame: Places, as `places` returns them.
        scores: Score tables.
        values: Tables of one reference.
        baselines: Tables of baselines.
        settings: Smallest coverage.
        reference: The reference and its transform.
        rivals: Score tables of each rival, by its name.

    Returns:
        `frame` with the columns `PREDICTORS`, those of the rivals, `value` and `raw` (before the transform), float64.

    Raises:
        TableError: If a table lacks a place or holds it twice.
        RasterError: If the reference covers no place, or is negative at one where its transform is `log1p`.
    """
    score = rows_of(scores, ("score",), frame["patch_id"], "scores")
    value = rows_of(values, ("value", "coverage"), frame["patch_id"], "values")
    trivial = rows_of(baselines, BASELINES, frame["patch_id"], "baselines")
    others = {
        name: rows_of(tables, ("score",), frame["patch_id"], f"rival {name}")["score"].astype(float)
        for name, tables in (rivals or {}).items()
    }
    if not (value["coverage"] > 0).any():
        granules = sorted(set(frame["granule"]))
        raise RasterError(f"{reference.path} covers no place in the granules {granules}: check its CRS and extent.")
    raw = value["value"].where(value["coverage"] >= settings.min_coverage)
    joined = frame.assign(
        score=score["score"].astype(float),
        raw=raw,
        value=_transformed(raw, reference),
        **{name: trivial[name] for name in BASELINES},
        **others,
    )
    whole = np.isfinite(joined[["value", *PREDICTORS, *others]].to_numpy(float)).all(axis=1)
    kept: pd.DataFrame = joined[whole].reset_index(drop=True)
    return kept


def _transformed(value: pd.Series, reference: ReferenceSettings) -> np.ndarray:
    raw = value.to_numpy(float)
    if reference.transform != "log1p":
        return raw
    if (raw < 0).any():
        raise RasterError(f"{reference.path} is {np.nanmin(raw):g} at a place; transform = log1p takes none below 0.")
    return np.asarray(np.log1p(raw))
