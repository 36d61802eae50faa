"""The scores of one granule on its native grid: one cell a patch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from affine import Affine

from rankscape.foundation.errors import TableError
from rankscape.foundation.tables import read_table
from rankscape.samples.patches import Grid, read_grid, read_index

BANDS = ("score", "score_std")
"""Bands of every map: the score in [0, 1], and its standard deviation over the networks of several seeds."""


@dataclass(frozen=True)
class Surface:
    """Scores of one granule, laid out by the rows and columns of its patches."""

    granule: str
    """Granule id."""
    grid: Grid
    """Where the patches lie."""
    values: np.ndarray
    """`BANDS`, or others, float32, shape (bands, rows, cols); NaN where there is no patch or no value."""
    weight: np.ndarray
    """Share of each patch's pixels with data, float32, shape (rows, cols); 0 where there is no score."""

    @property
    def transform(self) -> Affine:
        """Affine transform of the native grid."""
        return Affine(*self.grid.transform) @ Affine.scale(self.grid.patch_px)


def read_surface(scores: Path, index: Path, bands: Sequence[str] = BANDS) -> Surface:
    """Read the scores, or other values, of one granule and lay them out on its native grid.

    Patches are placed by their row and column, not by their order: a folder of tiles has gaps.

    Args:
        scores: Score table: patch_id, score, score_std; or patch_id and the columns `bands`.
        index: Patch index of the same granule.
        bands: Columns that are laid out; a column `score` is checked.

    Raises:
        TableError: If the files are not of the same patches, a patch lies outside the grid or twice in it, or a score
            lies outside [0, 1].
    """
    table = read_table(scores, ("patch_id", *bands))
    patches, grid = read_index(index), read_grid(index)
    if len(patches) == 0 or not np.array_equal(table["patch_id"].to_numpy(), patches["patch_id"].to_numpy()):
        raise TableError(f"{scores} does not hold the patches of {index}, in their order: predict the scores again.")
    if "score" in bands:
        _check_scores(scores, table["score"])
    row, col = _places(index, patches, grid)
    values = np.full((len(bands), grid.rows, grid.cols), np.nan, np.float32)
    values[:, row, col] = table[list(bands)].to_numpy(np.float32).T
    weight = np.zeros((grid.rows, grid.cols), np.float32)
    weight[row, col] = patches["valid_fraction"].to_numpy(np.float32)
    return Surface(
        str(patches["granule"].iloc[0]), grid, values, np.where(np.isfinite(values[0]), weight, np.float32(0))
    )


def read_surfaces(scores: Sequence[Path], indices: Sequence[Path]) -> list[Surface]:
    """Read the scores of several granules; score tables are matched with indices by their patches.

    Args:
        scores: Score tables, in any order.
        indices: Patch indices of the same granules, in any order.

    Returns:
        One surface a granule, in the order of the indices.

    Raises:
        TableError: If an index has no scores or scores have no index, or a file is wrong as `read_surface` says.
    """
    by_patch = {_first_patch(path): path for path in scores}
    wanted = [(_first_patch(index), index) for index in indices]
    strangers = set(by_patch).symmetric_difference(patch for patch, _ in wanted)
    if strangers or not len(scores) == len(indices) == len(wanted) == len(by_patch):
        raise TableError(
            f"{len(scores)} score tables and {len(indices)} indices are not of the same granules "
            f"(patches without a partner: {sorted(strangers)}): give one of each for every granule."
        )
    return [read_surface(by_patch[patch], index) for patch, index in wanted]


def _first_patch(path: Path) -> str:
    table = read_table(path, ("patch_id",))
    if table.empty:
        raise TableError(f"{path} has no patches: make it again.")
    return str(table["patch_id"].iloc[0])


def _check_scores(path: Path, score: pd.Series) -> None:
    wrong = score[(score < 0) | (score > 1)]
    if len(wrong):
        raise TableError(f"{path} holds the score {wrong.iloc[0]:g}; scores lie in 0 to 1: predict them again.")


def _places(path: Path, patches: gpd.GeoDataFrame, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of every patch, int64, checked."""
    row, col = patches["row"].to_numpy(np.int64), patches["col"].to_numpy(np.int64)
    outside = (row < 0) | (row >= grid.rows) | (col < 0) | (col >= grid.cols)
    if outside.any():
        patch = patches["patch_id"].to_numpy()[outside][0]
        raise TableError(f"{path}: patch {patch} lies outside the grid of {grid.rows} x {grid.cols}: cut them again.")
    if len(np.unique(row * grid.cols + col)) < len(row):
        raise TableError(f"{path}: two patches stand in one place of the grid: cut them again.")
    return row, col
