"""The map of change: a diverging ramp around zero, so that no change is pale."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rankscape.foundation.files import write_bytes
from rankscape.foundation.package_files import assets
from rankscape.products.change.dates import PairedDates
from rankscape.products.maps.preview import Legend, draw_preview
from rankscape.products.maps.ramp import read_ramp, round_up, write_style
from rankscape.products.maps.region_map import mosaic_surfaces, write_region
from rankscape.products.maps.surface import Surface
from rankscape.samples.patches import Patches

ASSETS = assets(__file__, "../../../../resources/ramps/change.tsv")
CHANGE_RAMP = ASSETS.path("../../../../resources/ramps/change.tsv")
"""Colour ramp of changes: violet fell, orange rose; told apart with every common colour blindness."""
_BANDS = ("change", "change_std")
"""Bands of the map: the change of the score, and its standard deviation."""
_PREVIEW_PX = 1200
"""Longer side of the preview image."""
_STEP, _QUANTILE = 0.1, 0.995


def write_change_map(
    parts: Sequence[tuple[PairedDates, pd.DataFrame]],
    title: str,
    files: tuple[Path, Path],
    record: dict[str, object],
) -> None:
    """Write the map of a region's change as a COG, its QGIS style, and its preview image.

    Args:
        parts: Granules that were measured, each with its rows: `change` and `change_std`.
        title: Words above the image.
        files: Raster and image to write; the style goes beside the raster.
        record: Provenance.
    """
    surfaces = [
        _surface(one.after, one.rows[1], rows["change"].to_numpy(), rows["change_std"].to_numpy())
        for one, rows in parts
    ]
    region = mosaic_surfaces(surfaces, None, None)
    change = np.concatenate([rows["change"].to_numpy() for _, rows in parts])
    ramp, legend = read_ramp(CHANGE_RAMP), _legend(change)
    write_region(files[0], region, {"RANKSCAPE": json.dumps(record, sort_keys=True)}, _BANDS)
    write_style(files[0], ramp, legend.low, legend.high)
    write_bytes(files[1], draw_preview(region, ramp, title, _PREVIEW_PX, legend))


def _surface(patches: Patches, rows: np.ndarray, change: np.ndarray, change_std: np.ndarray) -> Surface:
    """Lay changes out on the native grid of the later date.

    Args:
        patches: Patches of the later date.
        rows: Positions of those with a change, int64, shape (n,).
        change: Change of each, shape (n,).
        change_std: Its standard deviation.
    """
    index, grid = patches.index.iloc[rows], patches.grid
    place = index["row"].to_numpy(np.int64), index["col"].to_numpy(np.int64)
    values = np.full((len(_BANDS), grid.rows, grid.cols), np.nan, np.float32)
    weight = np.zeros((grid.rows, grid.cols), np.float32)
    values[:, *place] = change, change_std
    weight[place] = index["valid_fraction"]
    return Surface(str(index["granule"].iloc[0]), grid, values, weight)


def _legend(change: np.ndarray) -> Legend:
    """Return a legend around zero that ends where all but the most extreme changes do, at a multiple of 0.1."""
    largest = float(np.quantile(np.abs(change), _QUANTILE))
    limit = min(1.0, round_up(largest, _STEP))
    return Legend(-limit, limit, ("fell", "change of score", "rose"), "+.3g")
