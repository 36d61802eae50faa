"""Points, planes and areas on the Earth, whatever projections a region's files lie in."""

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS, Geod, Proj, Transformer
from scipy.spatial import cKDTree

WGS84 = "EPSG:4326"
EQUAL_AREA = "EPSG:6933"
"""Cylindrical equal-area projection of the whole Earth (EASE-Grid 2.0)."""
_STEP_M, _STEP_DEGREES = 1000.0, 0.01
"""Vertices are at most so far apart before reprojection; edges are then true to 2 cm."""


def centres(shapes: gpd.GeoDataFrame | gpd.GeoSeries, crs: CRS | str) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of the bounding boxes of shapes in another CRS.

    The centre is found in the shapes' own CRS, where a footprint is a square.

    Args:
        shapes: Shapes with a CRS.
        crs: CRS of the result, its axes in the order east, north.

    Returns:
        East and north (or longitude and latitude in degrees) of each centre, float64, shape (shapes,); infinite where
        a place cannot be expressed in `crs`.
    """
    bounds = shapes.geometry.bounds.to_numpy(float)
    east, north = (bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2
    if CRS(crs) == CRS(shapes.crs):
        return east, north
    moved = Transformer.from_crs(shapes.crs, crs, always_xy=True).transform(east, north)
    return np.asarray(moved[0], float), np.asarray(moved[1], float)


def on_sphere(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Return places in degrees, each of shape (n,), as points of the unit sphere, float64, shape (n, 3)."""
    east, north = np.radians(longitude), np.radians(latitude)
    return np.column_stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])


def plane_around(projection: str, *parts: gpd.GeoSeries) -> CRS:
    """Return an azimuthal plane in metres around the middle of a region.

    The middle is that of unit vectors, so that a region across the antimeridian has one.

    Args:
        projection: `laea` (equal areas) or `aeqd` (true distances from the middle).
        parts: Shapes of the region, each series with a CRS of its own; each shape counts by the middle of its box.
    """
    points = on_sphere(*np.concatenate([centres(shapes, WGS84) for shapes in parts], axis=1))
    x, y, z = points.mean(axis=0)
    lon_0, lat_0 = np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))
    return CRS.from_proj4(f"+proj={projection} +lat_0={lat_0:.6f} +lon_0={lon_0:.6f} +datum=WGS84 +units=m")


def spacing(x_m: np.ndarray, y_m: np.ndarray) -> float:
    """Return the median distance in metres from a place to its nearest neighbour; 1 where all places are one."""
    xy = np.column_stack([x_m, y_m])
    nearest = cKDTree(xy).query(xy, k=2)[0][:, 1] if len(xy) > 1 else np.zeros(1)
    apart = nearest[np.isfinite(nearest) & (nearest > 0)]
    return float(np.median(apart)) if len(apart) else 1.0


def densified(shapes: gpd.GeoSeries) -> gpd.GeoSeries:
    """Return shapes with vertices enough that their edges stay in place, to 2 cm, when they are reprojected."""
    if shapes.crs.is_geographic:
        return shapes.segmentize(_STEP_DEGREES)
    return shapes.segmentize(_STEP_M / shapes.crs.axis_info[0].unit_conversion_factor)


def small_areas_m2(shapes: gpd.GeoSeries) -> np.ndarray:
    """Return areas on the ellipsoid of shapes that are small beside the Earth.

    An area is divided by the areal scale of the projection where it lies (Snyder 1987, chapter 4).

    Args:
        shapes: Polygons in a projected CRS, each so small that its scale is that of its centroid (patches of 3.4 km in
            UTM: to 1e-8).

    Returns:
        Square metres, float64, shape (shapes,).
    """
    crs = CRS(shapes.crs)
    projection, unit_m = Proj(crs), crs.axis_info[0].unit_conversion_factor
    middle = shapely.centroid(shapes.to_numpy())
    longitude, latitude = projection(shapely.get_x(middle), shapely.get_y(middle), inverse=True)
    scale = projection.get_factors(longitude, latitude).areal_scale if len(shapes) else np.zeros(0)
    return np.asarray(shapely.area(shapes.to_numpy()) * unit_m**2 / scale)


def lengths_m(shapes: gpd.GeoSeries) -> np.ndarray:
    """Return lengths of lines on the ellipsoid in metres, float64, shape (shapes,); 0 of points and empty shapes."""
    geod = Geod(ellps="WGS84")
    degrees = densified(shapes).to_crs(WGS84)
    return np.array([0.0 if one.is_empty else geod.geometry_length(one) for one in degrees], float)
