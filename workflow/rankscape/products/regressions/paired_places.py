"""The places that a regression studies: patches with their score, with its change, or rows of a table of the user."""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.tables import read_geotable
from rankscape.products.agreement.paired_samples import read_indices, rows_of
from rankscape.products.regressions.settings import RegressionSettings
from rankscape.samples.joins import join, keys, read_keyed
from rankscape.samples.overlap import distinct_places
from rankscape.samples.patches import is_located, row_col
from rankscape.spatial.geometry import centres

LONGITUDE, LATITUDE = "longitude", "latitude"
_WGS84 = "EPSG:4326"
_SCORES = ("score", "score_std")


def studied_places(
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
        frame = read_keyed(first)
        if settings.zoom is not None:
            frame = frame.join(tile_centres(frame[first.key], settings.zoom, first.path))
    elif settings.change is None:
        frame = _scored(scores, indices)
    else:
        frame = _changed(change, settings.change)
    for table in tables:
        frame, without = join(frame, table)
        if without:
            notes.append(f"{without:,} of {len(frame):,} places are not in {Path(table.path).name}.")
    return frame, notes


def _scored(scores: Sequence[Path], indices: Sequence[Path]) -> pd.DataFrame:
    """Usable patches with a score; a place that two granules show counts once."""
    if not scores or not indices:
        raise InputError("places = score needs the score tables and patch indices: give --scores and --indices.")
    stores = read_indices(indices)
    masks = distinct_places(stores)
    land = pd.concat(
        [_located(index)[mask & index["usable"].to_numpy(bool)] for index, mask in zip(stores, masks, strict=True)]
    )
    land = land.reset_index(drop=True)
    frame: pd.DataFrame = land.join(rows_of(scores, _SCORES, land["patch_id"], "scores").astype(float))
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
        frame[LONGITUDE], frame[LATITUDE] = centres(index, _WGS84)
    return frame


def tile_centres(names: "pd.Series[str]", zoom: int, origin: str) -> pd.DataFrame:
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
