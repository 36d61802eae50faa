"""Planes around a piece of land, whatever zones its granules lie in."""

import geopandas as gpd
import numpy as np
from pyproj import CRS

from rankscape.samples.overlap import centres

EQUAL_AREA = "EPSG:6933"
"""Cylindrical equal-area projection of the whole Earth (EASE-Grid 2.0)."""


def plane_around(projection: str, *parts: gpd.GeoSeries) -> CRS:
    """Return an azimuthal plane in metres around the middle of shapes.

    The middle is that of unit vectors, so that land across the antimeridian has one.

    Args:
        projection: `laea`, on which areas are true, or `aeqd`, on which distances from the middle are.
        parts: Shapes, each series with a CRS of its own; each shape counts by the middle of its box.
    """
    east, north = np.radians(np.concatenate([centres(shapes, "EPSG:4326") for shapes in parts], axis=1))
    x, y, z = (np.cos(north) * np.cos(east)).mean(), (np.cos(north) * np.sin(east)).mean(), np.sin(north).mean()
    lon_0, lat_0 = np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))
    return CRS.from_proj4(f"+proj={projection} +lat_0={lat_0:.6f} +lon_0={lon_0:.6f} +datum=WGS84 +units=m")
