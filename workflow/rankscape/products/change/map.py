"""The map of change: a diverging ramp around zero, so that no change is pale."""

import numpy as np

from rankscape.products.maps.preview import Legend
from rankscape.products.maps.ramp import RAMP, round_up
from rankscape.products.maps.surface import Surface
from rankscape.samples.patches import Patches

CHANGE_RAMP = RAMP.with_name("change.tsv")
"""Colour ramp of changes: violet fell, orange rose; told apart with every common colour blindness."""
CHANGE_BANDS = ("change", "change_std")
"""Bands of the map: the change of the score, and its standard deviation."""
LEVEL = 3
"""Level of the ZSTD compression."""
_STEP, _QUANTILE = 0.1, 0.995


def change_surface(patches: Patches, rows: np.ndarray, change: np.ndarray, change_std: np.ndarray) -> Surface:
    """Lay changes out on the native grid of the later date.

    Args:
        patches: Patches of the later date.
        rows: Positions of those with a change, int64, shape (n,).
        change: Change of each, shape (n,).
        change_std: Its standard deviation.
    """
    index, grid = patches.index.iloc[rows], patches.grid
    place = index["row"].to_numpy(np.int64), index["col"].to_numpy(np.int64)
    values = np.full((len(CHANGE_BANDS), grid.rows, grid.cols), np.nan, np.float32)
    weight = np.zeros((grid.rows, grid.cols), np.float32)
    values[:, *place] = change, change_std
    weight[place] = index["valid_fraction"]
    return Surface(str(index["granule"].iloc[0]), grid, values, weight)


def change_legend(change: np.ndarray) -> Legend:
    """Return a legend around zero that ends where all but the most extreme changes do, at a multiple of 0.1."""
    largest = float(np.quantile(np.abs(change), _QUANTILE))
    limit = min(1.0, round_up(largest, _STEP))
    return Legend(-limit, limit, ("fell", "change of score", "rose"), "+.3g")
