"""Values of a reference at patches become labels of a task, and their places are put into folds."""

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError
from rankscape.learning.folds import FOLDS, group_folds
from rankscape.samples.overlap import distinct_places
from rankscape.spatial.blocks import BlockChoice, block_numbers, choose_block
from rankscape.spatial.geometry import WGS84, centres, plane_around, spacing
from rankscape.spatial.variogram import variogram
from rankscape.studies.embeddings.artifacts import SPLITS
from rankscape.studies.embeddings.tasks import LabellingSettings, TaskSettings, Transform

_FEWEST_BLOCKS = 3 * FOLDS
"""Blocks are made narrower until there are so many."""
FEWEST_FOLDS = 3
"""A split needs so many: one is held out, and of the others one for the penalty."""
_DECIMALS = 5
"""Degrees, about 1 m: patches whose centres are nearer show one place."""


@dataclass(frozen=True)
class Labelled:
    """Labels of a task."""

    table: pd.DataFrame
    """Columns of `LABELS`, without those of the folds at first."""
    patches: int
    """Usable patches of different places, labelled or not."""
    clipped: int
    """Labels that were raised or lowered to the ends."""


def make_labels(
    task: TaskSettings,
    settings: LabellingSettings,
    indices: Sequence[gpd.GeoDataFrame],
    values: Sequence[pd.DataFrame],
    origin: str,
) -> Labelled:
    """Make labels of the reference's values at usable patches, each place once a date.

    Args:
        task: Transform and ends.
        settings: Coverage that a label needs.
        indices: Patch indices, a granule each.
        values: The reference's values at the same patches, in the same order.
        origin: Name of the task, for messages.

    Raises:
        TableError: If no place has a label, all are equal, one is infinite, or has no logarithm.
    """
    kept = [
        (index["usable"].to_numpy(bool) & once)
        for index, once in zip(indices, distinct_places(indices, every_date=True), strict=True)
    ]
    parts = [_one(index[mask], found[mask]) for index, found, mask in zip(indices, values, kept, strict=True)]
    return labels_of(pd.concat(parts, ignore_index=True), task, settings, origin)


def labels_of(table: pd.DataFrame, task: TaskSettings, settings: LabellingSettings, origin: str) -> Labelled:
    """Make labels of values at places.

    Args:
        table: `value`, `coverage`, and other columns, which are kept.
        task: Transform and ends.
        settings: Coverage that a label needs.
        origin: Name of the task, for messages.

    Raises:
        TableError: As `make_labels`.
    """
    patches, table = len(table), table.copy()
    raw = table.pop("value").to_numpy(float, copy=True)
    coverage = table.pop("coverage").to_numpy(float)
    if np.isinf(raw).any():
        raise TableError(f"{origin}: {int(np.isinf(raw).sum())} values of the reference are infinite: mend its file.")
    raw[coverage < settings.min_coverage] = np.nan
    if task.missing_above is not None:
        raw[raw > task.missing_above] = np.nan
    label = transform_labels(raw, task.transform, origin)
    clipped = np.clip(label, task.lowest, task.highest)
    known = np.isfinite(label)
    check_labels(clipped[known], origin)
    moved = int((clipped[known] != label[known]).sum())
    return Labelled(table[known].assign(label=clipped[known]).reset_index(drop=True), patches, moved)


def _one(index: gpd.GeoDataFrame, values: pd.DataFrame) -> pd.DataFrame:
    longitude, latitude = centres(index, WGS84)
    plain = pd.DataFrame(index[["patch_id", "granule"]]).assign(longitude=longitude, latitude=latitude)
    return plain.assign(value=values["value"].to_numpy(float), coverage=values["coverage"].to_numpy(float))


def transform_labels(values: np.ndarray, transform: Transform, origin: str) -> np.ndarray:
    """Return values as labels, NaN where they are missing, shape (n,).

    Raises:
        TableError: If a value has no logarithm and one is asked for; `origin` names the label.
    """
    if transform == "none":
        return values
    least = 0.0 if transform == "log" else -1.0
    wrong = values <= least
    if wrong.any():
        other = "`log1p` or `none`" if transform == "log" and np.nanmin(values) > -1 else "`none`"
        raise TableError(
            f"{origin}: {int(wrong.sum())} values have no {transform}, {np.nanmin(values):g} for one: set"
            f" transform to {other}, or mend the values."
        )
    return np.asarray(np.log(values) if transform == "log" else np.log1p(values))


def check_labels(labels: np.ndarray, origin: str) -> None:
    """Refuse labels that cannot be predicted: none, equal ones, or fewer than folds need.

    Raises:
        TableError: `origin` names the label.
    """
    if not len(labels):
        raise TableError(f"{origin}: no place has a label: the values are missing, or do not cover the places.")
    if labels.min() == labels.max():
        raise TableError(f"{origin}: all {len(labels)} labels are {labels[0]:g}, so there is nothing to predict.")
    if len(labels) < FEWEST_FOLDS * 2:
        raise TableError(f"{origin}: {len(labels)} labels are too few for {FEWEST_FOLDS} folds.")


def block_side(table: pd.DataFrame, settings: LabellingSettings) -> BlockChoice:
    """Choose how wide blocks of land are: wider than the label's spatial autocorrelation reaches."""
    if settings.block_m != "auto":
        return BlockChoice(float(settings.block_m), "given")
    where = gpd.GeoSeries(gpd.points_from_xy(table["longitude"], table["latitude"]), crs=WGS84)
    x_m, y_m = centres(where, plane_around("aeqd", where))
    found = variogram(x_m, y_m, table["label"].to_numpy(float), seed=settings.seed)
    degrees = table["longitude"].to_numpy(float), table["latitude"].to_numpy(float)
    return choose_block(
        found, None, spacing(x_m, y_m), lambda side: len(np.unique(block_numbers(*degrees, side))), _FEWEST_BLOCKS
    )


def with_folds(table: pd.DataFrame, places: Sequence[str], block_m: float, seed: int) -> pd.DataFrame:
    """Add the block and the fold of every split.

    All dates of one place are in one fold of every split.

    Args:
        table: Columns `longitude`, `latitude`.
        places: Location of every row, such as its MGRS granule.
        block_m: Side of the blocks.
        seed: Seed of the folds.
    """
    degrees = table["longitude"].to_numpy(float), table["latitude"].to_numpy(float)
    block = block_numbers(*degrees, block_m)
    spots = np.unique(np.round(np.stack(degrees), _DECIMALS), axis=1, return_inverse=True)[1]
    groups = {"random": spots, "blocks": block, "places": np.unique(list(places), return_inverse=True)[1]}
    found = table.assign(block=block)
    for number, split in enumerate(SPLITS):
        found[split] = split_folds(groups[split], np.random.default_rng([seed, number]), alone=split == "places")
    return found


def split_folds(groups: np.ndarray, chance: np.random.Generator, *, alone: bool = False) -> np.ndarray:
    """Share groups among folds, -1 where they are too few; if `alone`, up to ten are left out one by one."""
    count = len(np.unique(groups))
    if count < FEWEST_FOLDS:
        return np.full(len(groups), -1)
    return group_folds(groups, chance, count if alone and count <= 2 * FOLDS else FOLDS)
