"""Which patch of one run shows the land of which patch of another."""

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import CRS

from rankscape.foundation.errors import InputError, brief_list
from rankscape.samples.overlap import distinct_places
from rankscape.samples.patches import IMAGE, is_located
from rankscape.studies.ranking.compare.runs import GranulePatches, RankingRun

SHARE = 0.5
"""Two patches show the same land if they share at least so much of their area."""


def matched_patches(a: RankingRun, b: RankingRun) -> pd.DataFrame:
    """Pair the patches of two runs.

    Patches of one grid are paired by their id, pictures without coordinates by their name, all others by the largest
    overlap, which must be half a patch.

    Args:
        a: One run.
        b: Another.

    Returns:
        Columns `patch_a`, `patch_b`, `share` (of the patch's area that both show) and `distinct` (bool: False where
        another granule of run A shows the land already); one row a pair, each patch of A once.

    Raises:
        InputError: If patches have other sizes, or no patch of one run shows land of the other.
    """
    _check_sides(a, b)
    masks = distinct_places([granule.index for granule in a.granules.values()])
    parts = [
        _matched(name, granule, b.granules).merge(
            pd.DataFrame({"patch_a": granule.index["patch_id"], "distinct": mask}), on="patch_a"
        )
        for (name, granule), mask in zip(a.granules.items(), masks, strict=True)
    ]
    pairs: pd.DataFrame = pd.concat(parts, ignore_index=True)
    if pairs.empty:
        raise InputError(
            f"{a.folder} and {b.folder} show no land in common ({_names(a)}; {_names(b)}): compare runs of one region."
        )
    return pairs


def _check_sides(a: RankingRun, b: RankingRun) -> None:
    sides = [{_side(granule) for granule in run.granules.values()} for run in (a, b)]
    if sides[0].isdisjoint(sides[1]):
        said = [" and ".join(f"{px} px ({m} m)" for px, m in sorted(found)) for found in sides]
        raise InputError(
            f"{a.folder} has patches of {said[0]}, {b.folder} of {said[1]}: runs of other patches (tile.patch_px) "
            "cannot be compared patch by patch."
        )


def _side(granule: GranulePatches) -> tuple[int, int]:
    """Side of a patch in pixels and in metres."""
    grid = granule.grid
    return grid.patch_px, round(grid.patch_px * abs(grid.transform[0]))


def _names(run: RankingRun) -> str:
    return brief_list(sorted(run.granules), 5)


def _matched(name: str, granule: GranulePatches, others: Mapping[str, GranulePatches]) -> pd.DataFrame:
    other, located = others.get(name), is_located(granule.index)
    if other is not None and not located and IMAGE in granule.index and IMAGE in other.index:
        return _by(IMAGE, granule.index, other.index)
    if other is not None and other.grid == granule.grid:
        return _by("patch_id", granule.index, other.index)
    near = [one.index for one in others.values() if located and is_located(one.index) and _same_crs(granule, one)]
    return _by_overlap(granule.index, near)


def _same_crs(one: GranulePatches, other: GranulePatches) -> bool:
    return CRS(one.index.crs) == CRS(other.index.crs)


def _by(column: str, one: gpd.GeoDataFrame, other: gpd.GeoDataFrame) -> pd.DataFrame:
    left = pd.DataFrame({column: one[column], "patch_a": one["patch_id"]})
    right = pd.DataFrame({column: other[column], "patch_b": other["patch_id"]})
    return left.merge(right, on=column)[["patch_a", "patch_b"]].assign(share=1.0)


def _by_overlap(one: gpd.GeoDataFrame, others: list[gpd.GeoDataFrame]) -> pd.DataFrame:
    empty = pd.DataFrame({"patch_a": [], "patch_b": [], "share": []}).astype({"patch_a": str, "patch_b": str})
    if not others:
        return empty
    footprints = one.geometry.to_numpy()
    far = np.concatenate([other.geometry.to_numpy() for other in others])
    ids = np.concatenate([other["patch_id"].to_numpy() for other in others])
    mine, theirs = shapely.STRtree(far).query(footprints, predicate="intersects")
    shared = shapely.area(shapely.intersection(footprints[mine], far[theirs])) / shapely.area(footprints[mine])
    table = pd.DataFrame({"patch_a": one["patch_id"].to_numpy()[mine], "patch_b": ids[theirs], "share": shared})
    table = table[table["share"] >= SHARE].sort_values(["patch_a", "share", "patch_b"], ascending=[True, False, True])
    best: pd.DataFrame = table.drop_duplicates("patch_a").reset_index(drop=True)
    return best if len(best) else empty
