"""A reference of any kind (raster, points, lines, polygons, table, elevation tiles) brought to a granule's patches."""

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say
from rankscape.foundation.text_tables import TableFormat
from rankscape.foundation.user_tables import as_numbers, rows_where
from rankscape.samples.elevation_tiles import tile_heights
from rankscape.samples.joins import keys_of_patches, read_joined
from rankscape.samples.settings import JoinedTable, ReferenceSettings
from rankscape.samples.validity import validity_of
from rankscape.samples.vector_files import (
    LINES,
    POLYGONS,
    check_kinds,
    check_polygons,
    in_first_shape,
    missing,
    numbers,
    points_beside,
    read_shapes,
)
from rankscape.samples.zonal_statistics import area_means
from rankscape.spatial.geometry import densified, lengths_m
from rankscape.spatial.intersections import cut
from rankscape.spatial.seams import around, large_areas_m2, moved

_TOUCHING = 1e-3
"""Polygons that share less of the smaller one are neighbours with imprecise borders, no overlap."""
_FAR_REGIONS, _FAR_M = 5.0, 100_000.0
"""Features farther away than so many diagonals of the granule, and than so many metres, lie far outside."""
_M_PER_KM, _M2_PER_KM2 = 1e3, 1e6


def reference_values(reference: ReferenceSettings, patches: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return what the reference says of every patch.

    Args:
        reference: The reference.
        patches: Index of one granule's patches: `patch_id`, `granule`, `row`, `col` and footprints with a CRS.

    Returns:
        One row a patch: `value` (float64, not transformed; NaN where nothing is known), `coverage` (float64, the share
        of the footprint that the value speaks of, in [0, 1]); of rasters `lowest` and `highest` of the cells.

    Raises:
        RasterError: If a raster cannot be used; see `area_means`.
        TableError: If points, lines, polygons or a table cannot be used, or have negative values although the transform
            is `log1p`.
    """
    of_kind: dict[str, Callable[[], pd.DataFrame]] = {
        "raster": lambda: area_means(reference, patches.geometry),
        "points": lambda: _of_points(reference, patches.geometry),
        "lines": lambda: _of_lines(reference, patches.geometry),
        "polygons": lambda: _of_polygons(reference, patches.geometry),
        "table": lambda: _of_table(reference, patches),
        "terrarium": lambda: tile_heights(Path(reference.path), reference.zoom, patches.geometry),
    }
    found = of_kind[reference.kind]()
    if reference.transform == "log1p" and (found["value"] < 0).any():
        raise TableError(
            f"{reference.path} gives {found['value'].min():g} at a patch, and transform = log1p takes no negative "
            "values: set `nodata`, `valid_range` or clip: [0, null], or set the transform to none."
        )
    return found


def _of_points(reference: ReferenceSettings, footprints: gpd.GeoSeries) -> pd.DataFrame:
    """Mean, sum or count of the points within each footprint; a point on a shared edge belongs to the first.

    A footprint that touches the convex hull of all points and holds none has count and sum 0, and no mean. The area
    outside the hull was not surveyed, and is not covered.

    Args:
        reference: The file, its column and statistic.
        footprints: Polygons with a CRS, one a patch.

    Returns:
        One row a footprint: `value` (float64, NaN where it is not covered) and `coverage` (1 or 0).

    Raises:
        TableError: As `read_valued`.
    """
    points = read_valued(reference, ("Point",), reference.column)
    point, patch = in_first_shape(Path(reference.path), points.geometry, footprints)
    shapes, value = footprints.to_numpy(), points["value"].to_numpy()[point]
    points = points.set_geometry(points_beside(points.geometry, footprints))
    points = points[~points.is_empty]
    count = np.bincount(patch, minlength=len(shapes))
    total = np.bincount(patch, value, minlength=len(shapes))
    if reference.statistic in ("sum", "count"):
        covered = _surveyed(_beside(points, footprints, reference.path), shapes)
        found = total if reference.statistic == "sum" else count
        return pd.DataFrame({"value": np.where(covered, found, np.nan), "coverage": covered.astype(float)})
    mean = np.divide(total, count, out=np.full(len(shapes), np.nan), where=count > 0)
    return pd.DataFrame({"value": mean, "coverage": (count > 0).astype(float)})


def _of_lines(reference: ReferenceSettings, footprints: gpd.GeoSeries) -> pd.DataFrame:
    """Density of lines such as roads within each footprint: length per area, both on the ellipsoid.

    A footprint that touches the convex hull of all lines and contains none has density 0. The area outside the hull
    was not surveyed, and is not covered.

    Args:
        reference: The file.
        footprints: Polygons with a CRS, one a patch.

    Returns:
        One row a footprint: `value` (km per km², float64, NaN where it is not covered) and `coverage` (1 or 0).

    Raises:
        TableError: As `read_valued`.
    """
    lines = read_valued(reference, LINES, None)
    lines = lines.set_geometry(around(densified(around(lines.geometry, footprints)).to_crs(footprints.crs), footprints))
    lines = lines[np.isfinite(lines.bounds).all(axis=1)]
    shapes = footprints.to_numpy()
    line, patch = shapely.STRtree(shapes).query(lines.geometry.to_numpy(), predicate="intersects")
    pieces = shapely.intersection(lines.geometry.to_numpy()[line], shapes[patch])
    length_m = np.bincount(patch, lengths_m(gpd.GeoSeries(pieces, crs=footprints.crs)), minlength=len(shapes))
    covered = _surveyed(_beside(lines, footprints, reference.path), shapes)
    density = length_m / _M_PER_KM / (large_areas_m2(footprints) / _M2_PER_KM2)
    return pd.DataFrame({"value": np.where(covered, density, np.nan), "coverage": covered.astype(float)})


def _beside(features: gpd.GeoDataFrame, footprints: gpd.GeoSeries, path: str) -> gpd.GeoDataFrame:
    """Features that are not far outside the region, as 0 degrees north and east is: those say nothing of the survey."""
    left, bottom, right, top = footprints.total_bounds
    unit_m = 111_000.0 if footprints.crs.is_geographic else footprints.crs.axis_info[0].unit_conversion_factor
    reach = max(_FAR_REGIONS * np.hypot(right - left, top - bottom), _FAR_M / unit_m)
    near = features.geometry.intersects(
        shapely.box(left - reach, bottom - reach, right + reach, top + reach)
    ).to_numpy()
    if not near.all():
        say(
            f"warning: {int((~near).sum())} of {len(features)} features of {Path(path).name} lie far outside the "
            f"region, such as {features['row'].iloc[int(np.flatnonzero(~near)[0])]}: they do not count as surveyed land"
        )
    return features[near]


def _surveyed(features: gpd.GeoDataFrame, shapes: np.ndarray) -> np.ndarray:
    """Whether shapes touch the convex hull of all features, bool, shape (shapes,)."""
    return np.asarray(shapely.intersects(shapely.convex_hull(shapely.union_all(features.geometry.to_numpy())), shapes))


def _of_polygons(reference: ReferenceSettings, footprints: gpd.GeoSeries) -> pd.DataFrame:
    """Mean of polygons' values by their area within each footprint; of amounts, the amount per km².

    Footprints are cut as `cut` cuts patches at the borders of districts; areas are those on the ground.

    Args:
        reference: The file, its column and statistic.
        footprints: Polygons with a CRS, one a patch.

    Returns:
        One row a footprint: `value` (float64, NaN where no polygon lies) and `coverage` (share of the footprint).

    Raises:
        TableError: As `read_valued`, and if polygons near the footprints are invalid or overlap.
    """
    path = Path(reference.path)
    polygons = read_valued(reference, POLYGONS, reference.column)
    polygons = _near(polygons.set_geometry(around(polygons.geometry, footprints)), footprints)
    check_polygons(path, polygons.geometry.to_numpy(), polygons["row"].tolist(), _TOUCHING)
    value = polygons["value"].to_numpy()
    if reference.statistic == "density":
        value = value / (large_areas_m2(polygons.geometry) / _M2_PER_KM2)
    pieces = cut([footprints.set_axis(range(len(footprints)))], polygons.geometry)
    covered = np.bincount(pieces.patch, pieces.area_m2, minlength=len(footprints))
    total = np.bincount(pieces.patch, pieces.area_m2 * value[pieces.district], minlength=len(footprints))
    mean = np.divide(total, covered, out=np.full(len(footprints), np.nan), where=covered > 0)
    return pd.DataFrame({"value": mean, "coverage": np.clip(covered / large_areas_m2(footprints), 0, 1)})


def _of_table(reference: ReferenceSettings, patches: gpd.GeoDataFrame) -> pd.DataFrame:
    """Look up every patch in a table by its id or its row and column.

    Args:
        reference: The table, its key and its column.
        patches: Index of one granule's patches.

    Returns:
        As `reference_values`; coverage is 1 where the table has a number.

    Raises:
        TableError: If the table cannot be read, holds a key twice, or no key could be that of a patch.
    """
    path, key, column = Path(reference.path), str(reference.key), str(reference.column)
    form = reference.model_dump(include=set(TableFormat.model_fields))
    table = read_joined(
        JoinedTable(path=reference.path, sheet=reference.sheet, key=key, columns=(column,), **form), reference.where
    )
    wanted = keys_of_patches(patches, table[key], path, key)
    cells = as_numbers(table[column], f"{path}: {column}", table[key].tolist())
    known = pd.Series(validity_of(reference).applied(cells), table[key])
    value = known.reindex(wanted).to_numpy(float)
    return pd.DataFrame({"value": value, "coverage": (~pd.isna(value)).astype(float)})


def read_valued(
    reference: ReferenceSettings, kinds: tuple[str, ...], column: str | None, more: tuple[str, ...] = ()
) -> gpd.GeoDataFrame:
    """Read points, lines or polygons with the values of a column.

    Args:
        reference: The file; see `read_shapes`.
        kinds: Types that are taken, such as `Polygon` and `MultiPolygon`.
        column: Column with the values; None where shapes are only counted.
        more: Further columns to keep.

    Returns:
        Columns `value` (float64; rows without one are left out; 1 where `column` is None), `row` (such as `row 3`: the
        file's rows counted from 0), `geometry`, in the file's CRS, and the further columns.

    Raises:
        TableError: If the file cannot be read, has no CRS, no such column, no row with a value, other geometry, or
            words for numbers.
    """
    path = Path(reference.path)
    frame = read_shapes(path, [*([] if column is None else [column]), *more], reference.layer, reference)
    frame = frame[rows_where(path, frame, reference.where)]
    rows = [f"row {row}" for row in frame.index]
    value = np.ones(len(frame))
    if column is not None:
        value = validity_of(reference).applied(numbers(path, column, frame[column], rows))
    about = {"value": value, "row": rows, **{name: frame[name].to_numpy() for name in more}}
    found = gpd.GeoDataFrame(about, geometry=frame.geometry.to_numpy(), crs=frame.crs)
    found = found[np.isfinite(value) & ~missing(found.geometry.to_numpy())]
    if found.empty:
        raise TableError(f"{path} holds no {kinds[0]} with a value: give another file, or another column.")
    check_kinds(path, found.geometry.to_numpy(), found["row"].tolist(), kinds)
    return found


def _near(polygons: gpd.GeoDataFrame, footprints: gpd.GeoSeries) -> gpd.GeoDataFrame:
    """Polygons whose box touches that of the footprints."""
    corners = gpd.GeoSeries([shapely.box(*footprints.total_bounds)], crs=footprints.crs)
    box = moved(corners.segmentize(max(np.ptp(footprints.total_bounds[::2]), 1) / 64), polygons.crs)
    return polygons.iloc[np.sort(polygons.sindex.query(shapely.box(*around(box, footprints).total_bounds)))]
