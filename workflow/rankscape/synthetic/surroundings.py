"""What lies around the patches of the invented region: the county, and distances to towns, roads and water."""

from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy.spatial import KDTree

from rankscape.foundation.files import write_bytes
from rankscape.synthetic.land import Land
from rankscape.synthetic.layout import GRANULES, PIXEL_M, Layout

MARKETS = ("city", "large town", "town")
"""Kinds of settlements that hold markets."""
_MOST = 0.5
"""Share of a pixel above which it counts as road, or as water."""


def write_surroundings(path: Path, land: Land, layout: Layout, counties: gpd.GeoDataFrame, patch_px: int) -> None:
    """Write a row for each patch of each granule: which county it lies in, and how far towns, roads and water are.

    Columns: patch_id; county, the code of the county of the patch's centre; town_m, metres from there to the middle of
    the nearest city or town; road_m and water_m, metres to the nearest pixel of a road, tracks
    included, and of a lake or river.

    Args:
        path: CSV to write.
        land: The invented land.
        layout: Its grid.
        counties: Counties in the land's UTM zone, with their code; together they cover the world.
        patch_px: Side of a patch in pixels.
    """
    names, centres = zip(*_patches(layout, patch_px), strict=True)
    places = np.array(centres)
    towns = np.array([(one.row, one.col) for one in land.settlements if one.kind.name in MARKETS])
    frame = pd.DataFrame({
        "patch_id": names,
        "county": _county(places, layout, counties),
        "town_m": _away_m(places, towns),
        "road_m": _away_m(places, np.argwhere(land.roads > _MOST) + 0.5),
        "water_m": _away_m(places, np.argwhere(land.water > _MOST) + 0.5),
    })  # fmt: skip
    write_bytes(path, frame.to_csv(index=False, lineterminator="\n").encode())


def _patches(layout: Layout, patch_px: int) -> Iterator[tuple[str, tuple[float, float]]]:
    """Ids of all whole patches, and row and column of their centres in the world's pixels."""
    count = layout.granule_px // patch_px
    for granule in GRANULES:
        rows, cols = layout.window(granule)
        for row, col in np.ndindex(count, count):
            centre = (rows.start + (row + 0.5) * patch_px, cols.start + (col + 0.5) * patch_px)
            yield f"{granule}_{row}_{col}", centre


def _away_m(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Metres from every place to the nearest of some others, whole numbers."""
    return np.asarray(np.rint(KDTree(others).query(places)[0] * PIXEL_M), np.int64)


def _county(places: np.ndarray, layout: Layout, counties: gpd.GeoDataFrame) -> np.ndarray:
    """Code of the county that every place lies in; on a border the first of the two."""
    transform = layout.transform
    east, north = transform.c + places[:, 1] * PIXEL_M, transform.f - places[:, 0] * PIXEL_M
    which, number = shapely.STRtree(counties.geometry.to_numpy()).query(shapely.points(east, north), "intersects")
    first = np.full(len(places), len(counties))
    np.minimum.at(first, which, number)
    codes: np.ndarray = counties["code"].to_numpy()
    return np.asarray(codes[first])
