"""Images of a folder whose coordinates stand in a table: each is a patch around its point."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from pyproj import Geod

from rankscape.foundation.errors import TableError, brief_list
from rankscape.foundation.user_tables import as_numbers, keys, read_user_table
from rankscape.samples.patches import IMAGE
from rankscape.samples.vector_files import points_of
from rankscape.spatial.geometry import WGS84

_SIDE = "side_m"
_GEOD = Geod(ellps="WGS84")
_SHOWN = 3


def place_images(index: gpd.GeoDataFrame, table: Path) -> gpd.GeoDataFrame:
    """Give images footprints: squares around their points, in degrees.

    Args:
        index: Images without coordinates; columns `patch_id` and `image`.
        table: CSV, Parquet or xlsx with `image` (path below the folder, name of the file, or id of the patch),
            longitude, latitude, and `side_m`, the side of the ground that an image shows.

    Returns:
        The index with footprints in EPSG:4326, without the column `image`.

    Raises:
        TableError: If the table cannot be read, an image stands there twice or not at all, or a row has no image.
    """
    frame = read_user_table(table, (IMAGE, _SIDE)).frame
    names = keys(frame[IMAGE])
    rows = [f"row {row}" for row in range(len(frame))]
    side_m = as_numbers(frame[_SIDE], f"{table}: {_SIDE}", rows)
    points = points_of(table, frame)
    if not (side_m > 0).all():
        row = int(np.flatnonzero(~(side_m > 0))[0])
        raise TableError(f"{table}: {_SIDE} of row {row} is {side_m[row]:g}: metres above 0 are needed.")
    row_of = _rows(index, names, table)
    return (
        index.drop(columns=IMAGE)
        .set_geometry(_squares(points.iloc[row_of], side_m[row_of]))
        .set_crs(WGS84, allow_override=True)
    )


def _rows(index: gpd.GeoDataFrame, names: "object", table: Path) -> np.ndarray:
    """Row of the table for each image."""
    given = list(names)  # type: ignore[call-overload]
    twice = sorted({name for name in given if given.count(name) > 1}, key=str)
    if twice:
        raise TableError(f"{table}: image {twice[0]!r} stands in two rows ({len(twice)} such): keep one each.")
    known = {name: row for row, name in enumerate(given)}
    found = [
        next((known[name] for name in (image, image.rpartition("/")[2], patch) if name in known), -1)
        for image, patch in zip(index[IMAGE], index["patch_id"], strict=True)
    ]
    without = [image for image, row in zip(index[IMAGE], found, strict=True) if row < 0]
    if without:
        raise TableError(
            f"{table}: {len(without)} images have no row, such as {brief_list(without, _SHOWN)}: add them, or move the"
            " images elsewhere."
        )
    idle = sorted(str(given[row]) for row in set(range(len(given))) - set(found))
    if idle:
        raise TableError(
            f"{table}: {len(idle)} places have no image, such as {brief_list(idle, _SHOWN)}: take the rows out, or add"
            " the images."
        )
    return np.array(found, np.int64)


def _squares(points: gpd.GeoDataFrame, side_m: np.ndarray) -> np.ndarray:
    """Squares around points, their sides along meridian and parallel."""
    x, y = points.geometry.x.to_numpy(float), points.geometry.y.to_numpy(float)
    north = _GEOD.fwd(x, y, np.zeros(len(x)), side_m / 2)[1] - y
    east = np.abs((_GEOD.fwd(x, y, np.full(len(x), 90.0), side_m / 2)[0] - x + 180) % 360 - 180)
    found: np.ndarray = shapely.box(x - east, y - north, x + east, y + north)
    return found
