"""Shapes across the seam of a projection: the antimeridian, and the edge of a world map.

A CRS of degrees, and a cylindrical map of the world, come back to the same place after one turn. A shape that crosses
the seam would become a strip around the Earth if each of its vertices were moved by itself. Here vertices follow the
middle of their own shape, and a shape is cut where its coordinates must lie within one turn.
"""

import warnings
from collections.abc import Callable
from functools import lru_cache

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS, Transformer

from rankscape.foundation.errors import RasterError
from rankscape.spatial.geometry import EQUAL_AREA, WGS84, centres, densified

_CYLINDRICAL = {"merc", "webmerc", "cea", "eqc", "mill", "gall", "cc", "tobmerc"}
_WORLD = {
    "moll", "robin", "eqearth", "sinu", "eck1", "eck2", "eck3", "eck4", "eck5", "eck6", "goode", "wintri", "natearth",
    "natearth2", "hammer", "aitoff", "wag4", "wag7", "kav7", "fahey", "patterson", "times", "mbtfps", "vandg",
}  # fmt: skip
"""Maps of the world whose left and right edges are one meridian, which is no straight line on the map."""
_INTERRUPTED = {
    "igh": "interrupted Goode homolosine", "igh_o": "interrupted Goode homolosine of the oceans",
    "imoll": "interrupted Mollweide", "imoll_o": "interrupted Mollweide of the oceans", "healpix": "HEALPix",
    "rhealpix": "rHEALPix", "isea": "icosahedral", "spilhaus": "Spilhaus",
}  # fmt: skip
_TURN = 360.0
_BESIDE = 1e-9
"""Degrees by which a cut stays beside the seam, so that both sides know where they belong."""


@lru_cache(maxsize=64)
def _parameters(wkt: str) -> tuple[str, float]:
    """Name of the projection for PROJ (`longlat` of degrees), and its central meridian in degrees."""
    crs = CRS(wkt)
    if crs.is_geographic:
        return "longlat", 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a PROJ string says less than WKT
        given = crs.to_dict()
    return str(given.get("proj", "")), float(given.get("lon_0", 0.0))


def turn_of(crs: CRS | str) -> float | None:
    """Return how far east of a place the same place lies again, in units of the CRS; None where it does not.

    Raises:
        RasterError: If the projection is interrupted: shapes near its cuts would be torn.
    """
    known = CRS(crs)
    name, middle = _parameters(known.to_wkt())
    if name in _INTERRUPTED:
        raise RasterError(
            f"{known.name} is interrupted ({_INTERRUPTED[name]}), so that shapes near its cuts would be torn: warp the "
            "file to EPSG:4326 or a projection of the region (gdalwarp -t_srs)."
        )
    if name == "longlat":
        return float(2 * np.pi / known.axis_info[0].unit_conversion_factor) if known.axis_info else _TURN
    if name not in _CYLINDRICAL:
        return None
    ends = _transformer(WGS84, known.to_wkt()).transform([middle - 90, middle + 90], [0.0, 0.0])[0]
    return float(2 * (ends[1] - ends[0]))


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def moved(shapes: gpd.GeoSeries, crs: CRS | str) -> gpd.GeoSeries:
    """Reproject shapes so that each stays whole.

    Args:
        shapes: Shapes with a CRS, each smaller than half of the Earth, with vertices enough (`densified`).
        crs: Target.

    Returns:
        Shapes in the target, empty where it cannot hold one. In degrees and on cylindrical maps of the world the
        vertices lie within half a turn of the middle of their shape, so that x may go beyond the seam. On other maps of
        the world a shape is cut at the seam.

    Raises:
        RasterError: If the target is interrupted, or a shape holds a pole that the target shows as a line.
    """
    target = CRS(crs)
    turn, plain = turn_of(target), shapes.to_crs(target)
    name, middle = _parameters(target.to_wkt())
    if CRS(shapes.crs) == target or (turn is None and name not in _WORLD):
        return _whole(plain)
    _refuse_poles(shapes, target)
    if turn is None:
        seam = middle + _TURN / 2
        apart = np.abs((centres(shapes, WGS84)[0] - seam + _TURN / 2) % _TURN - _TURN / 2)
        torn = np.flatnonzero(apart < _widest_degrees(shapes))
        cut = {row: _cut_at_seam(shapes.iloc[[row]], target, seam) for row in torn}
    else:
        bounds, middles = plain.bounds.to_numpy(float), centres(shapes, target)[0]
        torn = np.flatnonzero(bounds[:, 2] - bounds[:, 0] > turn / 2)
        cut = {row: shapely.transform(plain.iloc[row], _around(float(middles[row]), turn)) for row in torn}
    values = plain.to_numpy().copy()
    for row, shape in cut.items():
        values[row] = shape
    return _whole(gpd.GeoSeries(values, index=shapes.index, crs=target))


def _around(x: float, turn: float) -> Callable[[np.ndarray], np.ndarray]:
    def shifted(points: np.ndarray) -> np.ndarray:
        return np.column_stack([x + (points[:, 0] - x + turn / 2) % turn - turn / 2, points[:, 1]])

    return shifted


def _whole(shapes: gpd.GeoSeries) -> gpd.GeoSeries:
    finite = np.isfinite(shapes.bounds).all(axis=1).to_numpy()
    return shapes.where(finite, shapely.Polygon())


def _widest_degrees(shapes: gpd.GeoSeries) -> float:
    """Degrees of longitude that no shape is wider than, generously."""
    bounds = shapes.bounds.to_numpy(float)
    east = _transformer(shapes.crs.to_wkt(), WGS84).transform(bounds[:, ::2].ravel(), np.repeat(bounds[:, 1], 2))[0]
    apart = np.abs((np.diff(east.reshape(-1, 2))[:, 0] + _TURN / 2) % _TURN - _TURN / 2)
    return 4 * float(apart[np.isfinite(apart)].max(initial=0.0)) + 1.0


def _cut_at_seam(shape: gpd.GeoSeries, target: CRS, seam: float) -> shapely.Geometry:
    """One shape, cut at the meridian where the target's edges are, each side reprojected by itself."""
    degrees = moved(shape, WGS84).iloc[0]
    left = degrees.bounds[0]
    edge = seam + _TURN * np.round((left - seam) / _TURN)
    sides = []
    for west, east in ((edge - 180, edge - _BESIDE), (edge + _BESIDE, edge + 180)):
        side = shapely.clip_by_rect(degrees, west, -90, east, 90)
        if not side.is_empty:
            sides.append(gpd.GeoSeries([side], crs=WGS84).segmentize(0.01).to_crs(target).iloc[0])
    return shapely.union_all(sides) if sides else shapely.Polygon()


def _refuse_poles(shapes: gpd.GeoSeries, target: CRS) -> None:
    if CRS(shapes.crs).is_geographic:
        return
    x, y = _transformer(WGS84, shapes.crs.to_wkt()).transform([0.0, 0.0], [90.0, -90.0])
    for pole, place in (("North Pole", 0), ("South Pole", 1)):
        if np.isfinite([x[place], y[place]]).all():
            holds = shapes.intersects(shapely.Point(x[place], y[place])).to_numpy()
            if holds.any():
                raise RasterError(
                    f"{int(holds.sum())} footprints hold the {pole}, which {target.name} shows as a line: warp the "
                    "file to a polar projection such as EPSG:3413 or EPSG:3031 (gdalwarp -t_srs)."
                )


def within_turn(shapes: gpd.GeoSeries, left: float) -> gpd.GeoSeries:
    """Cut shapes that `moved` returned, so that all of them lies within one turn to the east of `left`.

    Args:
        shapes: Shapes in degrees or on a cylindrical map of the world; others stay as they are.
        left: Where the turn begins, such as -180, or the left edge of a raster.

    Returns:
        The shapes, in two parts where they cross the edge.
    """
    turn = turn_of(shapes.crs)
    if turn is None:
        return shapes
    bounds = shapes.bounds.to_numpy(float)
    steps = np.floor((bounds[:, 0] - left) / turn)
    crossing = bounds[:, 2] - steps * turn > left + turn * (1 + 1e-12)
    result = []
    for shape, step, crosses in zip(shapes, steps, crossing, strict=True):
        if shape is None or shape.is_empty or not np.isfinite(step):
            result.append(shape)
        elif not crosses:
            result.append(shape if step == 0 else shapely.transform(shape, _shift(-step * turn)))
        else:
            copies = [shapely.transform(shape, _shift(-(step + more) * turn)) for more in (0, 1)]
            low, high = shape.bounds[1] - 1, shape.bounds[3] + 1
            sides = [shapely.clip_by_rect(copy, left, low, left + turn, high) for copy in copies]
            result.append(shapely.union_all([side for side in sides if not side.is_empty]))
    return gpd.GeoSeries(result, index=shapes.index, crs=shapes.crs)


def _shift(by: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda points: points + np.array([by, 0.0])


def in_degrees(shapes: gpd.GeoSeries) -> gpd.GeoSeries:
    """Reproject small shapes to longitude and latitude from -180 to 180, cut at the antimeridian (RFC 7946, 3.1.9)."""
    return within_turn(moved(shapes, WGS84), -180.0)


def bounds_in_degrees(shapes: gpd.GeoSeries) -> tuple[float, float, float, float]:
    """Return west, south, east, north around small shapes; across the antimeridian west > east (RFC 7946, 5.2)."""
    bounds = moved(shapes, WGS84).bounds.to_numpy(float)
    return union_of_bounds(bounds[np.isfinite(bounds).all(axis=1)])


def union_of_bounds(bounds: np.ndarray) -> tuple[float, float, float, float]:
    """Return the narrowest bounds in degrees around others, shape (n, 4); across the antimeridian west > east."""
    west, south, east, north = np.asarray(bounds, float).T
    east = np.where(east < west, east + _TURN, east)
    # The turn begins behind the widest gap: at the western end from which the others reach least far.
    reach = np.array([(west - one) % _TURN + east - west for one in west])
    first = int(reach.max(axis=1).argmin())
    last = int(reach[first].argmax())
    if reach[first, last] >= _TURN - _BESIDE:
        return -180.0, float(south.min()), 180.0, float(north.max())
    ends = (_canonical(float(west[first])), _canonical(float(east[last])))
    return ends[0], float(south.min()), ends[1], float(north.max())


def _canonical(longitude: float) -> float:
    """A longitude from -180 to 180."""
    while longitude > _TURN / 2:
        longitude -= _TURN
    while longitude < -_TURN / 2:
        longitude += _TURN
    return longitude


def around(shapes: gpd.GeoSeries, region: gpd.GeoSeries) -> gpd.GeoSeries:
    """Bring shapes in degrees to the side of the seam where a region lies: -179 and 181 are one longitude.

    Rings and lines that jump from one side of the antimeridian to the other are taken to cross it.

    Args:
        shapes: Shapes of any size; those in another CRS stay as they are.
        region: Shapes of the region in any CRS.
    """
    if not CRS(shapes.crs).is_geographic or shapes.empty or region.empty:
        return shapes
    turn = turn_of(shapes.crs) or _TURN
    east = centres(region, shapes.crs)[0]
    east = east[np.isfinite(east)]
    if not east.size:
        return shapes
    middle = float(np.angle(np.exp(2j * np.pi * east / turn).mean()) * turn / (2 * np.pi))
    bounds = shapes.bounds.to_numpy(float)
    beside = (
        (bounds[:, 0] < middle - turn / 2)
        | (bounds[:, 2] > middle + turn / 2)
        | (bounds[:, 2] - bounds[:, 0] > turn / 2)
    )
    values = [_beside(shape, middle, turn) if one else shape for shape, one in zip(shapes, beside, strict=True)]
    return gpd.GeoSeries(values, index=shapes.index, crs=shapes.crs)


def _beside(shape: shapely.Geometry, middle: float, turn: float) -> shapely.Geometry:
    parts = []
    for given in shapely.get_parts(shape):
        part = shapely.transform(given, lambda points: _unwrapped(points, turn))
        steps = np.round(((part.bounds[0] + part.bounds[2]) / 2 - middle) / turn)
        parts.append(part if steps == 0 else shapely.transform(part, _shift(-steps * turn)))
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def _unwrapped(points: np.ndarray, turn: float) -> np.ndarray:
    """Vertices without jumps of more than half a turn; as they are if the ring would not close."""
    steps = np.diff(points[:, 0])
    jumps = (np.abs(steps) > turn / 2) & (np.abs(steps) < turn * (1 - 1e-6))
    if not jumps.any():
        return points
    result = points.copy()
    result[1:, 0] -= np.cumsum(np.where(jumps, np.round(steps / turn) * turn, 0.0))
    closed = np.allclose(points[0], points[-1])
    return points if closed and not np.isclose(result[0, 0], result[-1, 0]) else result


def large_areas_m2(shapes: gpd.GeoSeries) -> np.ndarray:
    """Return areas on the ellipsoid of shapes of any size in square metres, float64, shape (shapes,).

    Degrees and cylindrical maps of the world are stretched from south to north alone, so that Russia, Antarctica and
    a band around the Earth keep their width.
    """
    turn, dense = turn_of(shapes.crs), densified(shapes)
    if turn is None:
        return np.asarray(moved(dense, EQUAL_AREA).area.to_numpy(float))
    wide = (turn_of(EQUAL_AREA) or 0.0) / turn
    transformer = _transformer(CRS(shapes.crs).to_wkt(), EQUAL_AREA)

    def stretched(points: np.ndarray) -> np.ndarray:
        return np.column_stack([points[:, 0] * wide, transformer.transform(np.zeros(len(points)), points[:, 1])[1]])

    return np.array([shapely.area(shapely.transform(shape, stretched)) for shape in dense], float)
