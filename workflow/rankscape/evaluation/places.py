"""Scores, references and baselines brought together: one row a place."""

from collections.abc import Collection, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.evaluation.baselines import BASELINES
from rankscape.foundation.errors import InputError, RasterError, TableError
from rankscape.foundation.settings.evaluation import EvaluateSettings, ReferenceSettings
from rankscape.foundation.tables import read_table
from rankscape.tiles.blocks import block_of
from rankscape.tiles.overlap import distinct_places
from rankscape.tiles.store import read_index

PREDICTORS = ("score", *BASELINES)
"""What is compared with a reference."""
_FIT, _APPLY = "fit", "apply"


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


def places(indices: Sequence[gpd.GeoDataFrame], apply: Collection[str], block_m: float) -> pd.DataFrame:
    """Lay out the usable patches of all granules.

    A place that two granules show counts once when granules are pooled. Granules of role `fit` come first, so that a
    patch of an `apply` granule on land that was learned from is never counted as new land.

    Args:
        indices: Patch indices, a granule each.
        apply: Granules of role `apply`.
        block_m: Side of the blocks of land in metres.

    Returns:
        Columns `patch_id`, `granule`, `role`, `block` (int64), `distinct` (bool: counts when granules are pooled);
        one row a usable patch.

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
    masks, blocks = distinct_places(ordered), block_of(indices, block_m)
    frames = [
        pd.DataFrame(
            {"patch_id": index["patch_id"], "granule": granule, "role": role, "block": block, "distinct": mask}
        )[index["usable"].to_numpy(bool)]
        for index, granule, role, block, mask in zip(indices, granules, roles, blocks, masks, strict=True)
    ]
    whole: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return whole


def with_values(
    frame: pd.DataFrame,
    scores: Sequence[Path],
    values: Sequence[Path],
    baselines: Sequence[Path],
    settings: EvaluateSettings,
    reference: ReferenceSettings,
) -> pd.DataFrame:
    """Add score, reference value (transformed) and baselines; keep the places that have them all.

    All predictors are compared over the same places: those with a finite score, value and baselines, of which the
    reference covers the share that the settings ask for.

    Args:
        frame: Places, as `places` returns them.
        scores: Score tables.
        values: Tables of one reference.
        baselines: Tables of baselines.
        settings: Smallest coverage.
        reference: The reference and its transform.

    Returns:
        `frame` with the columns `PREDICTORS` and `value`, float64.

    Raises:
        TableError: If a table lacks a place or holds it twice.
        RasterError: If the reference covers no place, or is negative at one where its transform is `log1p`.
    """
    score = _gather(scores, ("score",), frame["patch_id"], "scores")
    value = _gather(values, ("value", "coverage"), frame["patch_id"], "values")
    trivial = _gather(baselines, BASELINES, frame["patch_id"], "baselines")
    if not (value["coverage"] > 0).any():
        granules = sorted(set(frame["granule"]))
        raise RasterError(f"{reference.path} covers no place in the granules {granules}: check its CRS and extent.")
    joined = frame.assign(
        score=score["score"].astype(float),
        value=_transformed(value["value"].where(value["coverage"] >= settings.min_coverage), reference),
        **{name: trivial[name] for name in BASELINES},
    )
    whole = np.isfinite(joined[["value", *PREDICTORS]].to_numpy(float)).all(axis=1)
    kept: pd.DataFrame = joined[whole].reset_index(drop=True)
    return kept


def _transformed(value: pd.Series, reference: ReferenceSettings) -> np.ndarray:
    raw = value.to_numpy(float)
    if reference.transform != "log1p":
        return raw
    if (raw < 0).any():
        raise RasterError(f"{reference.path} is {np.nanmin(raw):g} at a place; transform = log1p takes none below 0.")
    return np.asarray(np.log1p(raw))


def _gather(paths: Sequence[Path], columns: Sequence[str], wanted: pd.Series, what: str) -> pd.DataFrame:
    """Rows of the wanted places from several tables, in the order wanted."""
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
