"""References that are points or polygons: read, checked, and brought to the footprints of patches by exact areas."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from rankscape.foundation.errors import TableError
from rankscape.foundation.settings.evaluation import ReferenceSettings
from rankscape.foundation.tables import read_geotable

_EQUAL_AREA = "EPSG:6933"
"""Areas of whole polygons are measured here (EASE-Grid 2.0; all areas true)."""
_PARTS_OF_A_SIDE = 8
"""Edges of polygons are cut into pieces of that part of a footprint's side before they are bent into another CRS."""
_TOUCHING = 1e-3
"""Polygons that share less of the smaller one are neighbours with imprecise borders, no overlap."""
_M2_PER_KM2 = 1e6


def read_shapes(path: Path, geometry: tuple[str, ...], column: str | None) -> gpd.GeoDataFrame:
    """Read points or polygons and check them.

    Args:
        path: GeoPackage, shapefile, GeoJSON or any other format of GDAL, or GeoParquet.
        geometry: Types that are taken, such as `Polygon` and `MultiPolygon`.
        column: Column with the values; None where shapes are only counted.

    Returns:
        Columns `value` (float64; rows without one are left out; 1 where `column` is None) and `geometry`, in the file's
        CRS; the index counts the file's rows from 0.

    Raises:
        TableError: If the file cannot be read, has no CRS, no such column, other geometry or none, or words for
            numbers.
    """
    frame = _read(path)
    if frame.crs is None:
        raise TableError(f"{path} has no CRS, so that nobody knows where it lies: assign one (ogr2ogr -a_srs).")
    if column is not None and column not in frame.columns:
        has = [name for name in frame.columns if name != frame.geometry.name]
        raise TableError(f"{path} lacks the column {column!r}; it has {has}.")
    value = pd.Series(1.0, frame.index) if column is None else numbers(path, column, frame[column])
    found = gpd.GeoDataFrame({"value": value}, geometry=frame.geometry.to_numpy(), crs=frame.crs)
    found = found[found["value"].notna() & ~(found.geometry.isna() | found.geometry.is_empty)]
    strange = sorted(set(found.geometry.geom_type) - set(geometry))
    if strange or found.empty:
        what = f"{strange[0]}s" if strange else f"no {geometry[0]} with a value"
        raise TableError(
            f"{path} holds {what}; {' or '.join(geometry)} are needed: give another file, or another kind."
        )
    return found


def numbers(path: Path, column: str, given: "pd.Series[float]") -> "pd.Series[float]":
    """Return a column as float64, NaN where it is empty.

    Raises:
        TableError: If it holds something that is no number; the message names it.
    """
    found = pd.to_numeric(given, errors="coerce").astype(float)
    words = given[given.notna() & ~np.isfinite(found)]
    if len(words):
        raise TableError(
            f"{path}: {column} is {words.iloc[0]!r} in row {words.index[0]}, which is no number: leave it empty where "
            "nothing is known."
        )
    return found


def _read(path: Path) -> gpd.GeoDataFrame:
    if path.suffix == ".parquet":
        return read_geotable(path)
    if not path.exists():
        raise TableError(f"{path} does not exist: mend the path.")
    try:
        found = gpd.read_file(path, engine="pyogrio")
    except (RuntimeError, ValueError, OSError) as error:
        raise TableError(f"{path} cannot be read as a vector file ({' '.join(str(error).split())}).") from None
    if not isinstance(found, gpd.GeoDataFrame):
        raise TableError(f"{path} holds a table without geometry: give its places, or kind: table.")
    return found


def of_points(reference: ReferenceSettings, footprints: gpd.GeoSeries) -> pd.DataFrame:
    """Mean, sum or count of the points within each footprint; a point on a shared edge belongs to the first.

    A footprint that touches the convex hull of all points and holds none has count and sum 0, and no mean. Land outside
    the hull was not surveyed, and is not covered.

    Args:
        reference: The file, its column and statistic.
        footprints: Polygons with a CRS, one a patch.

    Returns:
        One row a footprint: `value` (float64, NaN where it is not covered) and `coverage` (1 or 0).
    """
    points = read_shapes(Path(reference.path), ("Point",), reference.column)
    points = points.to_crs(footprints.crs)
    points = points[np.isfinite(shapely.get_coordinates(points.geometry.to_numpy())).all(axis=1)]
    shapes = footprints.to_numpy()
    point, patch = shapely.STRtree(shapes).query(points.geometry.to_numpy(), predicate="intersects")
    point, first = np.unique(point, return_index=True)
    patch, value = patch[first], points["value"].to_numpy()[point]
    count = np.bincount(patch, minlength=len(shapes))
    total = np.bincount(patch, value, minlength=len(shapes))
    if reference.statistic in ("sum", "count"):
        hull = shapely.convex_hull(shapely.union_all(points.geometry.to_numpy()))
        covered = shapely.intersects(hull, shapes)
        found = total if reference.statistic == "sum" else count
        return pd.DataFrame({"value": np.where(covered, found, np.nan), "coverage": covered.astype(float)})
    mean = np.divide(total, count, out=np.full(len(shapes), np.nan), where=count > 0)
    return pd.DataFrame({"value": mean, "coverage": (count > 0).astype(float)})


def of_polygons(reference: ReferenceSettings, footprints: gpd.GeoSeries) -> pd.DataFrame:
    """Mean of polygons' values by their area within each footprint; of amounts, the amount per km².

    Args:
        reference: The file, its column and statistic.
        footprints: Polygons in a CRS in metres, one a patch.

    Returns:
        One row a footprint: `value` (float64, NaN where no polygon lies) and `coverage` (share of the footprint).

    Raises:
        TableError: As `read_shapes`, and if polygons are invalid or overlap.
    """
    path = Path(reference.path)
    polygons = read_shapes(path, ("Polygon", "MultiPolygon"), reference.column)
    _check_valid(path, polygons)
    near = _near(polygons, footprints)
    _check_apart(path, near)
    value = near["value"].to_numpy()
    if reference.statistic == "density":
        value = value / (near.geometry.to_crs(_EQUAL_AREA).area.to_numpy() / _M2_PER_KM2)
    shapes, whole = footprints.to_numpy(), _bent(near, footprints).to_numpy()
    patch, polygon = shapely.STRtree(whole).query(shapes, predicate="intersects")
    area = shapely.area(shapely.intersection(shapes[patch], whole[polygon]))
    covered = np.bincount(patch, area, minlength=len(shapes))
    total = np.bincount(patch, area * value[polygon], minlength=len(shapes))
    mean = np.divide(total, covered, out=np.full(len(shapes), np.nan), where=covered > 0)
    return pd.DataFrame({"value": mean, "coverage": np.clip(covered / shapely.area(shapes), 0, 1)})


def _near(polygons: gpd.GeoDataFrame, footprints: gpd.GeoSeries) -> gpd.GeoDataFrame:
    """Polygons whose box touches that of the footprints."""
    corners = gpd.GeoSeries([shapely.box(*footprints.total_bounds)], crs=footprints.crs)
    box = corners.segmentize(max(np.ptp(footprints.total_bounds[::2]), 1) / 64).to_crs(polygons.crs)
    return polygons.iloc[np.sort(polygons.sindex.query(shapely.box(*box.total_bounds)))]


def _bent(polygons: gpd.GeoDataFrame, footprints: gpd.GeoSeries) -> gpd.GeoSeries:
    """Polygons in the footprints' CRS, their edges densified so that they stay where they are."""
    if polygons.empty or polygons.crs == footprints.crs:
        return polygons.geometry
    side_m = float(np.sqrt(np.median(shapely.area(footprints.to_numpy()))))
    metres = 1.0 if polygons.crs.is_projected else 111_320.0
    return polygons.geometry.segmentize(side_m / _PARTS_OF_A_SIDE / metres).to_crs(footprints.crs)


def _check_valid(path: Path, polygons: gpd.GeoDataFrame) -> None:
    invalid = polygons[~polygons.geometry.is_valid]
    if len(invalid):
        why = shapely.is_valid_reason(invalid.geometry.iloc[0])
        raise TableError(
            f"{path}: the polygon in row {invalid.index[0]} is invalid ({why}), {len(invalid)} in all: mend them "
            "(ogr2ogr -makevalid) and look at the result."
        )


def _check_apart(path: Path, polygons: gpd.GeoDataFrame) -> None:
    shapes = polygons.geometry.to_numpy()
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    one, other = one[one < other], other[one < other]
    shared = shapely.area(shapely.intersection(shapes[one], shapes[other]))
    part = shared / np.minimum(shapely.area(shapes[one]), shapely.area(shapes[other]))
    if (part > _TOUCHING).any():
        worst = int(np.argmax(part))
        rows = polygons.index[one[worst]], polygons.index[other[worst]]
        raise TableError(
            f"{path}: the polygons in rows {rows[0]} and {rows[1]} overlap in {part[worst]:.1%} of the smaller one, so "
            "that land would count twice: mend their borders."
        )
