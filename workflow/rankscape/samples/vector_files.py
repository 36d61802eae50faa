"""Vector files, read and checked: of districts and of references. Nothing is mended silently."""

import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from rankscape.foundation.errors import TableError, brief_list
from rankscape.foundation.tables import has_metadata, is_parquet, read_geotable
from rankscape.foundation.text_tables import TableFormat, strange_text
from rankscape.foundation.user_tables import TABLE_SUFFIXES, as_numbers, keys, read_user_table
from rankscape.spatial.geometry import WGS84, centres
from rankscape.spatial.seams import around

POLYGONS = ("Polygon", "MultiPolygon")
LINES = ("LineString", "MultiLineString")
_ZIPPED = (".shp", ".gpkg", ".geojson", ".json", ".fgb", ".kml")
_BEYOND = 1e-6
_SHOWN = 5
"""Offenders named in a message."""


def read_shapes(
    path: Path, columns: Collection[str], layer: str | None = None, form: TableFormat | None = None
) -> gpd.GeoDataFrame:
    """Read a vector file, or a table of points.

    Args:
        path: GeoPackage, shapefile (zipped too), GeoJSON, FlatGeobuf or any other format of GDAL, GeoParquet, or a
            table with the columns longitude and latitude, or quadkey; capitals in the suffix do not matter.
        columns: Columns that it must have.
        layer: Layer of a file that has several.
        form: Encoding of a shapefile; how a table is written.

    Raises:
        TableError: If it cannot be read, is empty, has no geometry, no CRS or not all columns, has several layers of
            which none is chosen, or holds text that was decoded wrongly.
    """
    form = form or TableFormat()
    suffix = path.suffix.lower()
    if is_parquet(path) and has_metadata(path, "geo"):
        frame = read_geotable(path)
    elif suffix in TABLE_SUFFIXES:
        frame = table_points(path, columns, form)
    else:
        frame = _read(path, layer, form.encoding)
    missing = sorted(set(columns) - set(frame.columns))
    if missing:
        has = [name for name in frame.columns if name != frame.geometry.name]
        raise TableError(f"{path} lacks the columns {missing}; it has {has}.")
    if frame.empty:
        raise TableError(f"{path} has no rows: give another file.")
    if frame.crs is None:
        raise TableError(
            f"{path} has no CRS, so that nobody knows where it lies: assign one (ogr2ogr -a_srs, or a .prj beside a "
            "shapefile)."
        )
    if layer is not None and (suffix in TABLE_SUFFIXES or is_parquet(path)):
        raise TableError(f"{path} has no layers: take `layer` = {layer!r} away.")
    if frame.crs.is_geographic:
        west, south, east, north = frame.total_bounds
        if max(abs(south), abs(north)) > 90 + _BEYOND or max(abs(west), abs(east)) > 360 + _BEYOND:
            raise TableError(
                f"{path} reaches from {west:g} to {east:g} E and from {south:g} to {north:g} N in {frame.crs.name}: "
                "these are no degrees, or latitude and longitude are exchanged: mend the CRS or the coordinates."
            )
    _check_texts(path, frame, columns)
    return frame


def _read(path: Path, layer: str | None, encoding: str | None) -> gpd.GeoDataFrame:
    if not path.exists():
        raise TableError(f"{path} does not exist: make it first, or mend the path.")
    source = _inside(path)
    try:
        layer = _layer(source, path, layer)
        # Only shapefiles leave their encoding open; GDAL reads others as UTF-8 whatever is asked for.
        found = gpd.read_file(
            source, engine="pyogrio", layer=layer, **({} if encoding is None else {"encoding": encoding})
        )
    except (RuntimeError, ValueError, OSError, LookupError) as error:
        raise TableError(f"{path} cannot be read as a vector file ({' '.join(str(error).split())}).") from None
    if not isinstance(found, gpd.GeoDataFrame):
        raise TableError(f"{path} holds a table without geometry: give a file of points, lines or polygons.")
    return found


def _inside(path: Path) -> str:
    """Return GDAL's name of a file, or of the only vector file in a zip archive."""
    if path.suffix.lower() != ".zip":
        return str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if Path(name).suffix.lower() in _ZIPPED]
    except (zipfile.BadZipFile, OSError) as error:
        raise TableError(f"{path} is no zip archive ({error}): get it again.") from None
    names = [name for name in names if not name.startswith("__MACOSX")]
    if len(names) != 1:
        raise TableError(f"{path} holds {brief_list(names) or 'no vector file'}: unpack it, and name one file.")
    return f"/vsizip/{{{path}}}/{names[0]}"


def _layer(source: str, path: Path, wanted: str | None) -> str | None:
    """Return the layer to read: the one that is asked for, or the only one with geometry."""
    layers = [str(name) for name, geometry in pyogrio.list_layers(source) if geometry is not None]
    if wanted is not None and wanted not in layers:
        raise TableError(f"{path} has no layer {wanted!r} with geometry; it has {brief_list(layers)}: mend `layer`.")
    if wanted is None and len(layers) > 1:
        raise TableError(f"{path} has {len(layers)} layers, {brief_list(layers)}: choose one with `layer`.")
    return wanted or (layers[0] if layers else None)


def _check_texts(path: Path, frame: gpd.GeoDataFrame, columns: Collection[str]) -> None:
    """Refuse text that is used and was decoded wrongly, as of a shapefile without a .cpg."""
    for column in columns:
        strange = strange_text(frame[column]) if column != frame.geometry.name else None
        if strange is not None:
            raise TableError(
                f"{path}: {column} holds {strange!r}, which was decoded wrongly: set `encoding`, such as gbk, "
                "cp1251 or latin-1, or save the file as GeoPackage."
            )


_LONGITUDES = ("longitude", "lon", "lng", "long", "longnum", "centre_lon", "center_lon")
_LATITUDES = ("latitude", "lat", "latnum", "centre_lat", "center_lat")
_QUADKEY = "quadkey"


def table_points(path: Path, columns: Collection[str], form: TableFormat) -> gpd.GeoDataFrame:
    """Read a table of places: longitude and latitude in degrees, or the quadkey of a web-mercator tile (its centre).

    Args:
        path: CSV, TSV or xlsx; the columns may be called lon, lng or long, and lat; capitals do not matter.
        columns: Further columns that it must have.
        form: How the table is written.

    Returns:
        The table, with points in EPSG:4326.

    Raises:
        TableError: If it has no such columns, or a coordinate is none.
    """
    return points_of(path, read_user_table(path, columns, form).frame)


def has_points(frame: pd.DataFrame) -> bool:
    """Whether a table says by longitude and latitude, or by quadkey, where its rows lie."""
    called = {str(name).strip().casefold() for name in frame.columns}
    return _QUADKEY in called or all(called.intersection(names) for names in (_LONGITUDES, _LATITUDES))


def points_of(path: Path, frame: pd.DataFrame) -> gpd.GeoDataFrame:
    """Locate the rows of a table that was read; see `table_points`."""
    called = {str(name).strip().casefold(): name for name in frame.columns}
    twice = [names for names in (_LONGITUDES, _LATITUDES) if sum(str(one).casefold() in names for one in frame) > 1]
    if twice:
        raise TableError(f"{path} has several columns of {twice[0][0]}: rename all but one.")
    pair = [next((called[one] for one in names if one in called), None) for names in (_LONGITUDES, _LATITUDES)]
    rows = [f"row {row}" for row in range(len(frame))]
    if pair[0] is not None and pair[1] is not None:
        longitude, latitude = (as_numbers(frame[name], f"{path}: {name}", rows) for name in pair)
    elif _QUADKEY in called:
        longitude, latitude = quadkey_centres(frame[called[_QUADKEY]], f"{path}: {called[_QUADKEY]}")
    else:
        raise TableError(
            f"{path} says of no row where it lies: it needs the columns longitude and latitude in degrees, or "
            f"quadkey; it has {brief_list(frame.columns)}."
        )
    _check_degrees(path, longitude, latitude)
    return gpd.GeoDataFrame(frame, geometry=shapely.points(longitude, latitude), crs="EPSG:4326")


def _check_degrees(path: Path, longitude: np.ndarray, latitude: np.ndarray) -> None:
    if not np.isfinite([longitude, latitude]).all():
        row = int(np.flatnonzero(~np.isfinite([longitude, latitude]).all(axis=0))[0])
        raise TableError(f"{path}: row {row} has no coordinates: fill them in, or take the row out.")
    wrong = (np.abs(latitude) > 90) | (np.abs(longitude) > 360)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        swapped = (np.abs(longitude) <= 90).all() and (np.abs(latitude) <= 360).all()
        advice = "are the two columns exchanged?" if swapped else "degrees are needed, not metres."
        raise TableError(
            f"{path}: row {row} lies at longitude {longitude[row]:g}, latitude {latitude[row]:g}: {advice}"
        )


def quadkey_centres(names: "pd.Series[str]", where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of web-mercator tiles named by quadkeys (Bing Maps Tile System).

    Args:
        names: A digit from 0 to 3 for each zoom level.
        where: File and column, for messages.

    Returns:
        Longitude and latitude in degrees, float64.

    Raises:
        TableError: If one is no quadkey, or they are of several lengths.
    """
    texts = keys(names).fillna("").astype(str)
    lengths = sorted(texts.str.len().unique())
    if len(lengths) > 1:
        raise TableError(
            f"{where} holds quadkeys of {lengths[0]} and of {lengths[-1]} digits: a spreadsheet took zeros from their "
            "start, or they are of several zoom levels; write them as text, of one level."
        )
    wrong = ~texts.str.fullmatch(r"[0-3]{1,30}")
    if wrong.any():
        raise TableError(f"{where} holds {names[wrong].iloc[0]!r}, which is no quadkey (digits 0 to 3).")
    digits = np.array([[int(one) for one in text] for text in texts], np.int64).reshape(len(texts), -1)
    scale = 2 ** np.arange(digits.shape[1])[::-1]
    side = 2 ** digits.shape[1]
    col, row = ((digits & bit > 0) @ scale for bit in (1, 2))
    latitude = np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * (row + 0.5) / side))))
    return 360 * (col + 0.5) / side - 180, latitude


def in_first_shape(path: Path, points: gpd.GeoSeries, shapes: gpd.GeoSeries) -> tuple[np.ndarray, np.ndarray]:
    """Find the shape around each point; a point on a shared edge belongs to the first.

    Args:
        path: File of the points, for messages.
        points: Points with a CRS.
        shapes: Polygons with a CRS, such as footprints of patches.

    Returns:
        Numbers of points, ascending, and of the shape around each, int64; points outside all shapes are left out.

    Raises:
        TableError: If none lies in a shape, and all would if longitude and latitude were exchanged.
    """
    tree = shapely.STRtree(shapes.to_numpy())
    point, shape = tree.query(points_beside(points, shapes).to_numpy(), predicate="intersects")
    if not len(point) and len(points) and points.crs.is_geographic:
        turned = gpd.GeoSeries(shapely.points(points.y.to_numpy(), points.x.to_numpy()), crs=points.crs)
        if len(tree.query(points_beside(turned, shapes).to_numpy(), predicate="intersects")[0]):
            raise TableError(
                f"{path}: no point lies in the region, and some would if longitude and latitude were exchanged, such "
                f"as {points.x.iloc[0]:g} E, {points.y.iloc[0]:g} N: exchange the two columns."
            )
    point, first = np.unique(point, return_index=True)
    return point, shape[first]


def points_beside(points: gpd.GeoSeries, shapes: gpd.GeoSeries) -> gpd.GeoSeries:
    """Return points in the CRS of shapes, on their side of the seam; empty where that CRS cannot hold one."""
    found = around(around(points, shapes).to_crs(shapes.crs), shapes)
    finite = np.isfinite(found.bounds.to_numpy(float)).all(axis=1)
    return found.where(finite, shapely.Point())


def where_they_lie(shape: shapely.Geometry, crs: Any) -> str:
    """Say in degrees where the middle of a shape lies, such as `at 30.1 E, 12.5 S`."""
    longitude, latitude = centres(gpd.GeoSeries([shape], crs=crs), WGS84)
    if not np.isfinite([longitude[0], latitude[0]]).all():
        return "at no place on the Earth"
    east, north = "EW"[int(longitude[0] < 0)], "NS"[int(latitude[0] < 0)]
    return f"at {abs(longitude[0]):.4g} {east}, {abs(latitude[0]):.4g} {north}"


def numbers(path: Path, column: str, given: "pd.Series[float]", names: Sequence[str]) -> np.ndarray:
    """Return a column as float64, NaN where it is empty (see `as_numbers`)."""
    return as_numbers(given, f"{path}: {column}", names)


def check_kinds(path: Path, shapes: np.ndarray, names: Sequence[str], kinds: Collection[str]) -> None:
    """Check that shapes, none of which is missing, are of some types.

    Raises:
        TableError: If one is not; the message names it.
    """
    for name, shape in zip(names, shapes, strict=True):
        if shape.geom_type not in kinds:
            raise TableError(
                f"{path}: {name} is a {shape.geom_type}, and {' or '.join(kinds)} is needed: give another file."
            )


def check_polygons(
    path: Path, shapes: np.ndarray, names: Sequence[str], most: float, setting: str | None = None
) -> None:
    """Check that polygons are valid and do not overlap.

    Args:
        path: The file, for messages.
        shapes: Polygons, shape (n,).
        names: Name of each.
        most: Two may share this part of the smaller one: borders are digitized twice, and not equally.
        setting: Name of the setting that says so.

    Raises:
        TableError: If some are not, or do; the message names them.
    """
    invalid = np.flatnonzero(~shapely.is_valid(shapes))
    if len(invalid):
        why = shapely.is_valid_reason(shapes[invalid[0]])
        which = brief_list((names[int(one)] for one in invalid), _SHOWN)
        raise TableError(
            f"{path}: the polygons of {which} are invalid ({why}): mend them, for instance with "
            "shapely.make_valid or ogr2ogr -makevalid, and look at the result."
        )
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    one, other = one[one < other], other[one < other]
    shared = shapely.area(shapely.intersection(shapes[one], shapes[other]))
    part = shared / np.minimum(shapely.area(shapes[one]), shapely.area(shapes[other]))
    if (part > most).any():
        worst = int(np.argmax(part))
        raise TableError(
            f"{path}: the polygons of {names[one[worst]]} and {names[other[worst]]} overlap in "
            f"{100 * part[worst]:.3g} % of the smaller one, so that the area would count twice: mend the borders"
            f"{'' if setting is None else f', or raise {setting} = {most:g}'}."
        )


def missing(shapes: np.ndarray) -> np.ndarray:
    """Say which shapes are none or empty, bool, shape (n,)."""
    return np.asarray(shapely.is_missing(shapes) | shapely.is_empty(shapes))
