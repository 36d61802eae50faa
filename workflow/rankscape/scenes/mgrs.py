"""MGRS granules of Sentinel-2: from an id such as 48RVV to zone, CRS and bounds.

Sources: DMA Technical Manual 8358.1 (the Military Grid Reference System) for letters, bands and the exceptions of
Norway and Svalbard; the tiles' sides and corners follow the tiling grid of the Sentinel-2 Product Specification.
"""

import math
import re
from dataclasses import dataclass
from functools import cache

import numpy as np
from pyproj import Transformer

from rankscape.foundation.errors import GranuleError
from rankscape.scenes.granule_table import MGRS_PATTERN

SIDE_M = 109_800
"""Side of a granule: 10980 pixels of 10 m."""
_SQUARE_M = 100_000
_GRID_M = 60
_CYCLE_M = 2_000_000
_FALSE_NORTHING_M = 10_000_000
_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_ROWS = "ABCDEFGHJKLMNPQRSTUV"
_COLUMNS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")
"""Column letters by zone modulo 3; the first stands for 100 to 200 km of easting."""
_EXCEPTIONS = {
    ("V", 31): (0, 3), ("V", 32): (3, 12),
    ("X", 31): (0, 9), ("X", 32): (0, -1), ("X", 33): (9, 21), ("X", 34): (0, -1), ("X", 35): (21, 33),
    ("X", 36): (0, -1), ("X", 37): (33, 42),
}  # fmt: skip
"""West and east, in degrees, of the zones of Norway and Svalbard that are not six degrees wide; three do not exist."""


@dataclass(frozen=True)
class GranuleGrid:
    """One Sentinel-2 tile."""

    id: str
    """MGRS id, such as 48RVV."""
    zone: int
    """UTM zone, 1 to 60."""
    epsg: int
    """EPSG code of the granule's CRS."""
    bounds_m: tuple[int, int, int, int]
    """Left, bottom, right, top in the CRS."""
    bbox_deg: tuple[float, float, float, float]
    """West, south, east, north; west > east where the granule crosses the antimeridian."""


def granule(identifier: str) -> GranuleGrid:
    """Return the Sentinel-2 tile of an MGRS id.

    The tile is larger than its 100 km square: its upper left corner is the square's, moved outward to the next
    multiple of 60 m, and its side is 109.8 km, so that neighbours overlap.

    Raises:
        GranuleError: If the id is malformed or no such square exists.
    """
    if not re.fullmatch(MGRS_PATTERN, identifier):
        raise GranuleError(f"{identifier!r} is no MGRS granule: two digits of zone, three letters, such as 48RVV.")
    zone, band = int(identifier[:2]), identifier[2]
    epsg = (32600 if band >= "N" else 32700) + zone
    easting_m = _easting_m(identifier, zone)
    northing_m = _northing_m(identifier, zone, epsg, easting_m)
    # South of the equator northings start at 10,000 km, but the steps of 60 m are counted from the equator.
    equator_m = 0 if band >= "N" else _FALSE_NORTHING_M
    left = easting_m // _GRID_M * _GRID_M
    top = math.ceil((northing_m + _SQUARE_M - equator_m) / _GRID_M) * _GRID_M + equator_m
    bounds_m = (left, top - SIDE_M, left + SIDE_M, top)
    return GranuleGrid(identifier, zone, epsg, bounds_m, _bbox_deg(epsg, bounds_m))


def _easting_m(identifier: str, zone: int) -> int:
    letters = _COLUMNS[zone % 3]
    if identifier[3] not in letters:
        raise GranuleError(f"{identifier}: zone {zone} has the columns {letters[0]} to {letters[-1]}: no such square.")
    return (letters.index(identifier[3]) + 1) * _SQUARE_M


def _northing_m(identifier: str, zone: int, epsg: int, easting_m: int) -> int:
    """Row letters repeat every 2,000 km; the latitude band says which repetition is meant."""
    shift = 5 if zone % 2 == 0 else 0
    first = (_ROWS.index(identifier[4]) - shift) % len(_ROWS) * _SQUARE_M
    for northing_m in range(first, _FALSE_NORTHING_M, _CYCLE_M):
        if _exists(identifier, zone, epsg, easting_m, northing_m):
            return northing_m
    raise GranuleError(f"{identifier}: no square of that name lies in zone {zone}, latitude band {identifier[2]}.")


def _exists(identifier: str, zone: int, epsg: int, easting_m: int, northing_m: int) -> bool:
    """Whether the square touches its latitude band and its zone, not necessarily in one point.

    Sentinel-2 has 31VFL: its part in band V lies in zone 32, its part in zone 31 lies in band W.
    """
    steps = np.linspace(0, _SQUARE_M, 26)
    lon, lat = _to_degrees(epsg).transform(*np.meshgrid(easting_m + steps, northing_m + steps))
    in_band = _in_band(lat, identifier[2])
    in_zone = _between(lon, 6 * zone - 186, 6 * zone - 180)
    for band in "VX":
        if (band, zone) in _EXCEPTIONS:
            in_zone = np.where(_in_band(lat, band), _between(lon, *_EXCEPTIONS[band, zone]), in_zone)
    return bool(in_band.any() and in_zone.any())


def _in_band(lat: np.ndarray, band: str) -> np.ndarray:
    # The outermost bands are open: Sentinel-2 has tiles south of 80 S and north of 84 N in UTM as well.
    south = -90 if band == "C" else 8 * _BANDS.index(band) - 80
    north = 90 if band == "X" else 8 * _BANDS.index(band) - 72
    return np.asarray((lat >= south) & (lat <= north))


def _between(lon: np.ndarray, west: float, east: float) -> np.ndarray:
    away = (lon - (west + east) / 2 + 180) % 360 - 180
    return np.asarray(np.abs(away) <= (east - west) / 2)


@cache
def _to_degrees(epsg: int) -> Transformer:
    return Transformer.from_crs(epsg, 4326, always_xy=True)


def _bbox_deg(epsg: int, bounds_m: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    west, south, east, north = _to_degrees(epsg).transform_bounds(*bounds_m, densify_pts=21)
    return (west, south, east, north)
