"""Features of patches beside their labels."""

from pathlib import Path

import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError
from rankscape.foundation.files import read_array
from rankscape.samples.joins import read_indices
from rankscape.studies.embeddings.artifacts import FEATURE_RECORD, HELD_OUT, NETWORK_PREDICTIONS, SPLIT
from rankscape.studies.embeddings.displaced import DiscParts, read_discs
from rankscape.studies.embeddings.regressing import TEST_FOLD, FeatureSet
from rankscape.studies.embeddings.tasks import DownstreamSettings

_ENDS = ("first", "min", "max")


def join_features(
    rows: pd.DataFrame,
    names: list[str],
    files: list[Path],
    indices: list[Path],
    settings: DownstreamSettings,
    *,
    learned: bool = False,
) -> tuple[FeatureSet, int]:
    """Join features to labels by patch.

    Args:
        rows: Labels, columns of `LABELS`.
        names: Embeddings, in the order in which they stand side by side.
        files: Features (.npy), a granule each, in a folder named as their embedding.
        indices: Patch indices of the same granules.
        settings: How they are predicted from.
        learned: Whether features of networks that learned from labels are taken, for judging them at places that were
            held out from the networks too.

    Returns:
        Labels that have features, and how many have none.

    Raises:
        TableError: If no label has features, features do not fit the indices or are of different networks, or a network
            learned from labels where that must not be.
    """
    if not learned and (tasks := learned_from(files)):
        raise TableError(
            f"{', '.join(names)} learned from labels ({', '.join(tasks)}): errors at places that a network has seen say"
            " nothing of others, so take features that learned from none."
        )
    parts = read_discs(rows["disc"]) if "disc" in rows else None
    tables = {name: _arrays([path for path in files if path.parent.name == name]) for name in names}
    widths = tuple(next(iter(arrays.values())).shape[1] for arrays in tables.values())
    # One array that all embeddings are written into: features of large regions fit into memory once.
    kinds = (array.dtype for arrays in tables.values() for array in arrays.values())
    joined = np.full((len(rows), sum(widths)), np.nan, np.result_type(np.float32, *kinds))
    places = {str(index["granule"].iloc[0]): index["patch_id"] for index in read_indices(indices)}
    for arrays, part in zip(tables.values(), np.split(joined, np.cumsum(widths)[:-1], 1), strict=True):
        if parts is None:
            _fill(part, rows["patch_id"], arrays, places)
        else:
            _average(part, parts, arrays, places)
    has = np.asarray(np.isfinite(joined).all(1))
    if not has.any():
        raise TableError(f"No labelled patch has features of {', '.join(names)}: embed the granules that have labels.")
    kept = joined if has.all() else joined[has]
    return FeatureSet(rows.loc[has].reset_index(drop=True), kept, widths, settings), int((~has).sum())


def _average(
    joined: np.ndarray, parts: DiscParts, arrays: dict[str, np.ndarray], places: "dict[str, pd.Series[str]]"
) -> None:
    """Write means over discs: features of their patches by share, of those that have some."""
    each = np.full((len(parts.row), joined.shape[1]), np.nan)
    _fill(each, pd.Series(parts.patch), arrays, places)
    known = np.isfinite(each).all(1)
    total, weight = np.zeros(joined.shape), np.bincount(parts.row[known], parts.share[known], minlength=len(joined))
    np.add.at(total, parts.row[known], each[known] * parts.share[known, None])
    joined[weight > 0] = total[weight > 0] / weight[weight > 0, None]


def learned_from(files: list[Path]) -> list[str]:
    """Return the tasks whose labels the networks of features learned from, in alphabetical order."""
    return sorted({task for path in files for task in FEATURE_RECORD.read(path.with_suffix(".json")).learned})


def with_parts(rows: pd.DataFrame, split: Path) -> pd.DataFrame:
    """Add the column `held_out`: the fold of every place in training and validation, and a fold of all test places.

    A disc around a displaced point is tested where all its patches are, and learned from where none is.

    Args:
        rows: Labels, columns of `LABELS`.
        split: Table of the parts.
    """
    parts = SPLIT.read(split).set_index("patch_id")
    fold = parts["fold"].where(parts["part"] != "test", TEST_FOLD)
    if "disc" not in rows:
        return rows.assign(**{HELD_OUT: rows["patch_id"].map(fold).fillna(-1).astype(int)})
    discs = read_discs(rows["disc"])
    own = pd.Series(discs.patch).map(fold).fillna(-1).groupby(discs.row)
    first, lowest, highest = (getattr(own, name)().reindex(range(len(rows)), fill_value=-1) for name in _ENDS)
    clear = (lowest >= 0) & ((lowest == TEST_FOLD) | (highest < TEST_FOLD))
    return rows.assign(**{HELD_OUT: first.where(clear, -1).to_numpy(int)})


def join_own(rows: pd.DataFrame, task: str, predictions: Path, settings: DownstreamSettings) -> tuple[FeatureSet, int]:
    """Join what a network itself predicts to labels, as `join_features` joins features.

    Raises:
        TableError: If it predicts no labelled patch of the task.
    """
    table = NETWORK_PREDICTIONS.read(predictions)
    own = table[table["task"] == task].set_index("patch_id")["prediction"]
    values = rows["patch_id"].map(own).to_numpy(float)
    has = np.isfinite(values)
    if not has.any():
        raise TableError(f"{predictions} predicts no labelled patch of {task}: name a network that learned it.")
    return FeatureSet(rows[has].reset_index(drop=True), None, (), settings, own=values[has]), int((~has).sum())


def _arrays(files: list[Path]) -> dict[str, np.ndarray]:
    """Open the features of an embedding, mapped from their files, by granule."""
    arrays = {path.stem: read_array(path) for path in files}
    kinds = {
        (FEATURE_RECORD.read(path.with_suffix(".json")).architecture, arrays[path.stem].shape[1]) for path in files
    }
    if len(kinds) > 1:
        raise TableError(f"{files[0].parent} mixes embeddings of {sorted(kinds)}: embed all granules with one.")
    return arrays


def _fill(
    joined: np.ndarray, wanted: "pd.Series[str]", arrays: dict[str, np.ndarray], places: "dict[str, pd.Series[str]]"
) -> None:
    """Write features of patches by their ids, shape (patches, dims); those without features stay as they are."""
    for granule in sorted(arrays.keys() & places.keys()):
        array, patches = arrays[granule], places[granule]
        if len(array) != len(patches):
            raise TableError(
                f"Features of {granule} have {len(array)} rows, its index has {len(patches)}: embed it again."
            )
        rows = pd.Index(patches).get_indexer(pd.Index(wanted))
        joined[rows >= 0] = array[rows[rows >= 0]]
