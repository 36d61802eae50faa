"""Elevation from web-mercator tiles of Terrarium's coding (Mapzen, AWS Terrain Tiles): `z/x/y.png`.

Source: tilezen/joerd, docs/formats.md: height in metres = red * 256 + green + blue / 256 - 32768.
"""

import re
from functools import lru_cache
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from exactextract.raster import RasterSource
from pyproj import CRS

from rankscape.foundation.errors import RasterError, brief_list
from rankscape.samples.rendering import open_image
from rankscape.samples.zonal_statistics import cell_statistics
from rankscape.spatial.geometry import densified
from rankscape.spatial.seams import moved, within_turn

_HALF_WORLD_M = np.pi * 6_378_137.0
_MERCATOR = CRS("EPSG:3857")
_NAME = re.compile(r"[0-9]{1,7}")
_SIDES_PX = (256, 512)
_LOWEST_M, _HIGHEST_M = -12_000.0, 9_000.0
_HELD = 64
"""Tiles that are kept decoded."""


def decoded(pixels: np.ndarray) -> np.ndarray:
    """Turn colours into heights.

    Args:
        pixels: uint8, shape (rows, columns, 3 or 4).

    Returns:
        Metres, float64, shape (rows, columns); NaN where pixels are black in all bands, or transparent.
    """
    red, green, blue = (pixels[..., band].astype(float) for band in range(3))
    hidden = ~pixels[..., :3].any(-1) | (pixels[..., 3] == 0 if pixels.shape[-1] > 3 else False)
    return np.where(hidden, np.nan, red * 256 + green + blue / 256 - 32768)


def tile_heights(folder: Path, zoom: int | None, footprints: gpd.GeoSeries) -> pd.DataFrame:
    """Average the elevation over footprints, each cell weighted by the share of it that lies inside.

    Args:
        folder: Folder with `z/x/y.png`.
        zoom: Zoom level; None takes the finest that there is.
        footprints: Polygons with a CRS, one a patch.

    Returns:
        One row a footprint: `value` (metres; NaN where no tile is), `coverage`, `lowest` and `highest`.

    Raises:
        RasterError: If there is no tile of the level, one is broken or of another size, or heights cannot be.
    """
    level = _level(folder, zoom)
    cells = _Tiles(folder / str(level), level)
    shapes = within_turn(moved(densified(footprints), _MERCATOR), -_HALF_WORLD_M)
    operations = {name: name for name in ("mean", "count", "min", "max")}
    found = cell_statistics(folder, cells, shapes, operations).astype(float).fillna({"count": 0.0})
    area = shapely.area(shapes.to_numpy()) / cells.res()[0] ** 2
    coverage = np.divide(found["count"].to_numpy(), area, out=np.zeros(len(area)), where=area > 0)
    names = {"mean": "value", "min": "lowest", "max": "highest"}
    return found.rename(columns=names)[[*names.values()]].assign(coverage=np.clip(coverage, 0, 1))


def _level(folder: Path, zoom: int | None) -> int:
    levels = sorted(int(path.name) for path in folder.glob("*") if path.is_dir() and _NAME.fullmatch(path.name))
    if not levels or (zoom is not None and zoom not in levels):
        there = brief_list(levels) or "none"
        raise RasterError(
            f"{folder} holds no tiles z/x/y.png{'' if zoom is None else f' of zoom {zoom}'}: levels {there}."
        )
    return levels[-1] if zoom is None else zoom


class _Tiles(RasterSource):  # type: ignore[misc]
    """All tiles of a zoom level as one raster of the world."""

    def __init__(self, folder: Path, level: int) -> None:
        super().__init__()
        first = next(iter(sorted(folder.glob("*/*.png"))), None)
        if first is None:
            raise RasterError(f"{folder} holds no tiles x/y.png: get them again.")
        with open_image(first, ("PNG",)) as image:
            self.side, size = image.size[0], image.size
        if size not in [(side, side) for side in _SIDES_PX]:
            raise RasterError(f"{first} has {size[0]} x {size[1]} px: tiles have 256 or 512.")
        self.folder, self.pixels = folder, self.side * 2**level
        self.tile = lru_cache(maxsize=_HELD)(self._tile)
        self.set_name("elevation")

    def res(self) -> tuple[float, float]:
        """Return the sides of a cell in metres."""
        side = 2 * _HALF_WORLD_M / self.pixels
        return side, side

    def extent(self) -> tuple[float, float, float, float]:
        """Return left, bottom, right and top of the world."""
        return -_HALF_WORLD_M, -_HALF_WORLD_M, _HALF_WORLD_M, _HALF_WORLD_M

    def srs_wkt(self) -> str:
        """Return the CRS."""
        return str(_MERCATOR.to_wkt())

    def nodata_value(self) -> None:
        """Say nothing: unknown heights are NaN."""

    def read_window(self, x0: int, y0: int, nx: int, ny: int) -> np.ndarray:
        """Read heights, float64, shape (ny, nx); NaN where no tile is."""
        found = np.full((ny, nx), np.nan)
        for row in range(y0 // self.side, (y0 + ny - 1) // self.side + 1):
            for col in range(x0 // self.side, (x0 + nx - 1) // self.side + 1):
                heights = self.tile(col, row)
                if heights is None:
                    continue
                top, left = row * self.side, col * self.side
                rows = slice(max(y0, top), min(y0 + ny, top + self.side))
                cols = slice(max(x0, left), min(x0 + nx, left + self.side))
                found[rows.start - y0 : rows.stop - y0, cols.start - x0 : cols.stop - x0] = heights[
                    rows.start - top : rows.stop - top, cols.start - left : cols.stop - left
                ]
        return found

    def _tile(self, col: int, row: int) -> np.ndarray | None:
        path = self.folder / str(col) / f"{row}.png"
        if not path.is_file():
            return None
        with open_image(path, ("PNG",)) as image:
            if image.size != (self.side, self.side) or image.mode not in ("RGB", "RGBA"):
                raise RasterError(f"{path} is no tile of {self.side} px with red, green and blue: get it again.")
            heights = decoded(np.asarray(image if image.mode == "RGBA" else image.convert("RGB"), np.uint8))
        if np.nanmin(heights, initial=0) < _LOWEST_M or np.nanmax(heights, initial=0) > _HIGHEST_M:
            raise RasterError(
                f"{path} would hold heights of {np.nanmin(heights):,.0f} to {np.nanmax(heights):,.0f} m: it is no tile"
                " of Terrarium's coding; Mapbox's Terrain-RGB is another one."
            )
        return heights
