"""Labels at points that were moved to protect people, such as clusters of a DHS survey.

Nobody knows where within a disc such a point lies. So its label is one row, whose features are the mean over the
patches in the disc, each by the share of the disc that it takes (Perez-Heydrich et al. 2013, DHS Spatial
Analysis Reports 8).
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from rankscape.foundation.errors import TableError, brief_list
from rankscape.foundation.progress import say
from rankscape.foundation.user_tables import keys
from rankscape.samples.overlap import distinct_places
from rankscape.samples.references import read_valued
from rankscape.samples.settings import ReferenceSettings
from rankscape.samples.vector_files import in_first_shape
from rankscape.spatial.blocks import BlockChoice
from rankscape.spatial.geometry import WGS84, plane_around
from rankscape.studies.embeddings.tasks import LabellingSettings

_SEGMENTS = 16
"""Sides of a quarter of a disc: its area is right to .2 %."""
_FEWEST_PAIRS = 10
"""So many points must share a patch with another one before their differences say how uncertain labels are."""


def displaced_points(reference: ReferenceSettings, indices: Sequence[gpd.GeoDataFrame]) -> pd.DataFrame:
    """Bring each point of a reference to the patches of its disc.

    Args:
        reference: Points with `displacement_m`.
        indices: Patch indices, a granule each. Of several dates of a place all count.

    Returns:
        One row a point that has a patch below it: `value`, `coverage` (share of the disc that usable patches cover),
        `patch_id` (that of the patch below the point; of further points there with a number behind it), `granule`,
        `longitude`, `latitude`, `radius_m`, `variance` (NaN where nothing is known), and `disc`: patches and their
        shares of what is covered, as `disc_of` writes it.

    Raises:
        TableError: If the points cannot be read, or a value of the column of displacement has no distance.
    """
    given = reference.displacement_m
    column = str(given["column"]) if isinstance(given, dict) else None
    more = tuple(name for name in (column, reference.variance) if name is not None)
    points = read_valued(reference, ("Point",), reference.column, more).reset_index(drop=True)
    radius_m = _radii(points, reference)
    patches = _usable(indices)
    plane = plane_around("laea", patches.geometry)
    flat = patches.to_crs(plane).geometry
    squares, centres = flat.to_numpy(), points.to_crs(plane).geometry.to_numpy()
    tree = shapely.STRtree(squares)
    point, below = in_first_shape(Path(reference.path), points.geometry, flat)
    if len(point) < len(points):
        say(f"{len(points) - len(point)} of {len(points)} points lie on no usable patch, and have no label.")
    discs = shapely.buffer(centres[point], radius_m[point], quad_segs=_SEGMENTS)
    disc, patch = tree.query(discs, predicate="intersects")
    share = shapely.area(shapely.intersection(discs[disc], squares[patch])) / shapely.area(discs)[disc]
    degrees = points.geometry.iloc[point].to_crs(WGS84)
    own = patches.iloc[below]
    variance = np.full(len(point), np.nan)
    if reference.variance is not None:
        variance = pd.to_numeric(points[reference.variance].iloc[point], errors="coerce").to_numpy(float)
    return pd.DataFrame(
        {
            "value": points["value"].to_numpy(float)[point],
            "coverage": np.minimum(np.bincount(disc, share, minlength=len(point)), 1.0),
            "patch_id": _numbered(own["patch_id"]), "granule": own["granule"].to_numpy(),
            "longitude": degrees.x.to_numpy(), "latitude": degrees.y.to_numpy(), "radius_m": radius_m[point],
            "variance": variance, "disc": _discs(disc, patches["patch_id"].to_numpy()[patch], share, len(point)),
        }
    )  # fmt: skip


def _usable(indices: Sequence[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Usable patches of all granules, in degrees, each place once a date."""
    kept = [
        index[index["usable"].to_numpy(bool) & once][["patch_id", "granule", "geometry"]].to_crs(WGS84)
        for index, once in zip(indices, distinct_places(indices, every_date=True), strict=True)
    ]
    found = gpd.GeoDataFrame(pd.concat(kept, ignore_index=True), crs=WGS84)
    if found.empty:
        raise TableError("No patch of the region is usable: look at the granules.")
    return found


def _radii(points: gpd.GeoDataFrame, reference: ReferenceSettings) -> np.ndarray:
    """How far each point may have been moved, metres."""
    given = reference.displacement_m
    if not isinstance(given, dict):
        return np.full(len(points), float(given or 0))
    column = str(given["column"])
    known = {name: float(value) for name, value in given.items() if name != "column"}
    names = keys(points[column])
    strange = sorted({str(name) for name in names if name not in known})
    if strange:
        raise TableError(
            f"{Path(reference.path)}: {column} holds {brief_list(strange, 4)}, for which displacement_m has no "
            f"distance: it has {brief_list(known)}."
        )
    return names.map(known).to_numpy(float)


def _numbered(ids: "pd.Series[str]") -> np.ndarray:
    """Ids, those that come again with a number behind them: a row of labels has a name of its own."""
    again = ids.groupby(ids.to_numpy()).cumcount().to_numpy()
    return np.array([f"{name}.{number + 1}" if number else name for name, number in zip(ids, again, strict=True)])


def _discs(disc: np.ndarray, patch: np.ndarray, share: np.ndarray, count: int) -> list[str]:
    order = np.lexsort((patch.astype(str), disc))
    ends = np.searchsorted(disc[order], np.arange(count + 1))
    return [disc_of(patch[own], share[own]) for own in (order[a:b] for a, b in pairwise(ends))]


def disc_of(patches: np.ndarray, shares: np.ndarray) -> str:
    """Write patches and their shares of a disc as text: `48RVV_1_2=0.75 48RVV_1_3=0.25`."""
    total = shares.sum()
    return " ".join(f"{name}={share / total:.6f}" for name, share in zip(patches, shares, strict=True))


class DiscParts(NamedTuple):
    """Parts of discs, arrays of shape (parts,)."""

    row: np.ndarray
    """Number of the disc."""
    patch: np.ndarray
    """Id of the patch."""
    share: np.ndarray
    """Its share of the disc."""


def read_discs(discs: "pd.Series[str]") -> DiscParts:
    """Return the parts of discs that `disc_of` wrote."""
    parts = [(row, *part.rpartition("=")[::2]) for row, disc in enumerate(discs) for part in str(disc).split()]
    rows, names, shares = zip(*parts, strict=True)
    return DiscParts(np.array(rows, np.int64), np.array(names, object), np.array(shares, float))


def noise_keys(table: pd.DataFrame, transform: str) -> dict[str, float | str | None]:
    """Return what the record of a task says of the uncertainty of its labels.

    The survey's noise is the mean of a column of variances, after a logarithm divided by the squared value (delta
    method). Without one it is half the mean squared difference of labels whose points lie in one patch.

    Args:
        table: Rows of labels: `variance`, `raw` (the value before the transform), `label`, `patch_id`, `disc`.
        transform: The task's.
    """
    noise, origin = _noise(table, transform)
    spread = float(table["label"].var(ddof=0))
    return {
        "label_noise": noise, "label_noise_origin": origin,
        "r2_limit": None if noise is None else max(1 - noise / spread, 0.0),
        "patches_a_label": float(table["disc"].str.count("=").mean()),
    }  # fmt: skip


def _noise(table: pd.DataFrame, transform: str) -> tuple[float | None, str]:
    variance = table["variance"].to_numpy(float)
    if np.isfinite(variance).any():
        value = table["raw"].to_numpy(float) + (transform == "log1p")
        return float(np.nanmean(variance if transform == "none" else variance / value**2)), "the variances given"
    groups = table["label"].groupby(table["patch_id"].str.partition(".")[0])
    freedom = len(table) - groups.ngroups
    if freedom < _FEWEST_PAIRS:
        return None, "unknown: too few points share a patch, and no column `variance` is named"
    within = (table["label"] - groups.transform("mean")).pow(2).sum()
    return float(within / freedom), "differences of points within one patch"


def wide_enough(side: BlockChoice, table: pd.DataFrame, settings: LabellingSettings) -> BlockChoice:
    """Widen blocks that were chosen, so that discs of displaced points rarely reach beyond two of them."""
    if "radius_m" not in table or settings.block_m != "auto":
        return side
    least = 2 * float(table["radius_m"].max())
    note = f"blocks are as wide as discs of displaced points, {least:,.0f} m"
    return side if side.block_m >= least else replace(side, block_m=least, origin="bounded", note=note)
