"""Predictions, references and other predictors brought together: one row a sample."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.foundation.errors import InputError, RasterError
from rankscape.products.agreement.settings import MIN_BLOCKS, MIN_COVERAGE, EvaluateSettings
from rankscape.samples.joins import rows_of
from rankscape.samples.overlap import distinct_places
from rankscape.samples.places import block_of
from rankscape.samples.settings import ReferenceSettings
from rankscape.spatial.autocorrelation import FieldPair
from rankscape.spatial.blocks import BlockChoice, choose_block
from rankscape.spatial.geometry import centres, plane_around, spacing

_FIT, _APPLY = "fit", "apply"
_TAKEN = ("patch_id", "granule", "role", "block", "distinct", "x_m", "y_m", "value", "raw", "coverage")
"""Names that a baseline model cannot have: the table of samples has such columns, or may get them."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class PredictorTables:
    """Tables that hold one or several predictors, a granule each."""

    option: str
    """Option by which the tables were given, for messages."""
    paths: Sequence[Path]
    """Tables with the column `patch_id`."""
    columns: Mapping[str, str]
    """For each predictor, the column of the tables that holds it."""


def usable_samples(indices: Sequence[gpd.GeoDataFrame], apply: Collection[str]) -> pd.DataFrame:
    """Lay out the usable samples of all granules.

    A place that two granules show counts once when granules are pooled. Granules of role `fit` come first, so that a
    sample of an `apply` granule at a place that was learned from is never counted as held out.

    Args:
        indices: Patch indices, a granule each.
        apply: Granules of role `apply`.

    Returns:
        Columns `patch_id`, `granule`, `role`, `distinct` (bool: counts when granules are pooled), `x_m` and `y_m`
        (float64, the centre; distances from the region's middle are true, and all others nearly so); one row a usable
        sample.

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


def paired_samples(
    samples: pd.DataFrame,
    values: Sequence[Path],
    predictors: Sequence[PredictorTables],
    reference: ReferenceSettings,
) -> pd.DataFrame:
    """Add the reference's values (transformed) and all predictors; keep the samples that have them all.

    All predictors are compared over the same samples: those with a finite value and finite predictors, of which the
    reference covers half or more.

    Args:
        samples: As `usable_samples` returns them.
        values: Tables of one reference.
        predictors: Tables of the predictors.
        reference: The reference and its transform.

    Returns:
        `samples` with a column for each predictor, `value` and `raw` (before the transform), float64.

    Raises:
        TableError: If a table lacks a sample or holds it twice.
        RasterError: If the reference covers no sample, or is negative at one where its transform is `log1p`.
    """
    columns: dict[str, pd.Series] = {}
    for tables in predictors:
        found = rows_of(tables.paths, tuple(tables.columns.values()), samples["patch_id"], tables.option)
        columns |= {name: found[column].astype(float) for name, column in tables.columns.items()}
    value = rows_of(values, ("value", "coverage"), samples["patch_id"], "values")
    if not (value["coverage"] > 0).any():
        granules = sorted(set(samples["granule"]))
        raise RasterError(f"{reference.path} covers no place in the granules {granules}: check its CRS and extent.")
    raw = value["value"].where(value["coverage"] >= MIN_COVERAGE)
    joined = samples.assign(raw=raw, value=_transformed(raw, reference), **columns)
    whole = np.isfinite(joined[["value", *columns]].to_numpy(float)).all(axis=1)
    kept: pd.DataFrame = joined[whole].reset_index(drop=True)
    return kept


def _transformed(value: pd.Series, reference: ReferenceSettings) -> np.ndarray:
    raw = value.to_numpy(float)
    if reference.transform != "log1p":
        return raw
    if (raw < 0).any():
        raise RasterError(f"{reference.path} is {np.nanmin(raw):g} at a place; transform = log1p takes none below 0.")
    return np.asarray(np.log1p(raw))


def with_blocks(samples: pd.DataFrame, indices: Sequence[gpd.GeoDataFrame], block_m: float) -> pd.DataFrame:
    """Add `block` (int64), the number of the block that holds the sample.

    Args:
        samples: As `usable_samples` returns them, or some of them.
        indices: Patch indices, a granule each.
        block_m: Side of the blocks in metres.
    """
    ids = np.concatenate([index["patch_id"].to_numpy() for index in indices])
    numbers = pd.Series(np.concatenate(block_of(indices, block_m)), index=ids)
    return samples.assign(block=numbers.reindex(samples["patch_id"]).to_numpy())


def block_for(
    samples: pd.DataFrame, indices: Sequence[gpd.GeoDataFrame], pair: FieldPair | None, settings: EvaluateSettings
) -> BlockChoice:
    """Return the side of the blocks: that of the settings, or the range of prediction and reference (`choose_block`).

    Args:
        samples: Paired samples.
        indices: Patch indices, a granule each.
        pair: Variograms of the prediction and the reference; None where they cannot be fitted.
        settings: The side, or `auto`, and the fewest blocks.
    """
    if settings.block_m != "auto":
        return BlockChoice(settings.block_m, "given")
    once = samples[samples["distinct"]]

    def count(block_m: float) -> int:
        return with_blocks(once, indices, block_m)["block"].nunique()

    apart_m = spacing(once["x_m"].to_numpy(float), once["y_m"].to_numpy(float))
    reference, predictor = (None, None) if pair is None else (pair.reference, pair.predictor)
    return choose_block(reference, predictor, apart_m, count, MIN_BLOCKS)


def baseline_tables(given: Sequence[str], taken: Collection[str], column: str = "score") -> list[PredictorTables]:
    """Read `NAME=FILE` as given on the command line; the files of a name belong together, a granule each.

    Args:
        given: What was given.
        taken: Names of the other predictors.
        column: Column of the tables that holds the prediction.

    Raises:
        InputError: If one has no name or no file, or a name that a predictor or a column of the tables has already.
    """
    tables: dict[str, list[Path]] = {}
    for text in given:
        name, _, path = text.partition("=")
        if not _NAME.fullmatch(name) or not path:
            raise InputError(f"--baseline {text}: write NAME=FILE, the name in small letters, digits, _ and -.")
        if name in (*_TAKEN, *taken, f"{column}_std"):
            raise InputError(f"--baseline {text}: {name} is the name of a column already; choose another.")
        tables.setdefault(name, []).append(Path(path))
    return [PredictorTables(f"baseline {name}", paths, {name: column}) for name, paths in tables.items()]


def training_references(given: Sequence[str], baselines: Collection[str]) -> dict[str, str]:
    """Read `NAME=REFERENCE` as given on the command line: the reference that a baseline model was trained on.

    Agreement with the reference that a model was trained on is no evidence, and is marked in the report.

    Raises:
        InputError: If one is no such text, names no baseline model, or names one that has another reference already.
    """
    found: dict[str, str] = {}
    for text in given:
        name, _, reference = text.partition("=")
        if not name or not reference:
            raise InputError(f"--trained-on {text}: write NAME=REFERENCE.")
        if name not in baselines:
            raise InputError(f"--trained-on {text}: there is no --baseline {name}; there are {sorted(baselines)}.")
        if found.setdefault(name, reference) != reference:
            raise InputError(f"--trained-on {text}: {name} was trained on {found[name]} already; name one reference.")
    return found
