"""Patches around points: a square of an image each, centred on its point."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from rasterio.windows import Window

from rankscape.foundation.errors import RasterError, TableError
from rankscape.foundation.progress import say
from rankscape.foundation.user_tables import keys
from rankscape.samples.granule_patches import SceneSource, open_scene
from rankscape.samples.settings import TileSettings
from rankscape.samples.source import Layout, Piece
from rankscape.samples.vector_files import check_kinds, in_first_shape, missing, read_shapes

_IDS = ("id", "patch_id", "place", "place_id", "name")


@dataclass(frozen=True)
class PointSource:
    """Squares of an image around points."""

    scene: SceneSource
    """The image."""
    layout: Layout
    """A patch for each point."""
    corners: np.ndarray
    """First row and column of each square in pixels, int64, shape (points, 2)."""

    def read(self, step: int) -> Iterator[Piece]:
        """Read the square around one point; what lies beyond the image holds no data.

        Raises:
            RasterError: If the image is broken.
        """
        (top, left), side = self.corners[step], self.layout.grid.patch_px
        height, width = self.scene.scene.shape
        rows, cols = (slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width)))
        pixels = np.full((side, side, self.layout.shape[3]), 0 if self.layout.dtype.kind == "u" else np.nan, self.layout.dtype)  # noqa: E501  # fmt: skip
        seen = np.zeros((side, side), bool)
        if rows.start < rows.stop and cols.start < cols.stop:
            found, valid, _ = self.scene.pixels_of(
                Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
            )
            inside = slice(rows.start - top, rows.stop - top), slice(cols.start - left, cols.stop - left)
            pixels[inside] = found
            seen[inside] = True if valid is None else valid
        yield Piece(step, 0, pixels[None], np.array([[np.count_nonzero(seen), 0]]))

    def footprints(self) -> gpd.GeoSeries:
        """Return the squares in the image's CRS."""
        at, side = self.scene.scene.transform, self.layout.grid.patch_px
        top, left = self.corners.T
        west, north = at.c + left * at.a, at.f + top * at.e
        shapes = shapely.box(west, north + side * at.e, west + side * at.a, north)
        return gpd.GeoSeries(shapes, crs=self.layout.grid.crs)


@contextlib.contextmanager
def open_points(path: Path, image: Path, granule: str, settings: TileSettings) -> Iterator[PointSource]:
    """Open an image to cut a square around each of some points.

    Args:
        path: Table with longitude and latitude, or a vector file of points.
        image: The image, or tiles of one; see `open_scene`.
        granule: What ids begin with where the file has none.
        settings: `patch_px`, bands, scale and offset.

    Raises:
        InputError: If the points or the image cannot be read, an id stands there twice, or no point lies in the image.
    """
    frame = read_shapes(path, ())
    frame = frame[~missing(frame.geometry.to_numpy())]
    rows = [f"row {row}" for row in frame.index]
    check_kinds(path, frame.geometry.to_numpy(), rows, ("Point",))
    with open_scene(image, None, granule, settings) as scene:
        extent = gpd.GeoSeries([shapely.box(*scene.scene.bounds)], crs=scene.layout.grid.crs)
        inside, _ = in_first_shape(path, frame.geometry, extent)
        if not len(inside):
            raise RasterError(f"No point of {path} lies in {image}: compare the coordinates and the CRS of both.")
        if len(inside) < len(frame):
            say(
                f"{len(frame) - len(inside)} of {len(frame)} points lie outside of {image.name}, and have no embedding."
            )
        yield _source(scene, frame, _ids(path, frame, granule))


def _ids(path: Path, frame: gpd.GeoDataFrame, granule: str) -> tuple[str, ...]:
    name = next((name for name in _IDS if name in frame.columns), None)
    if name is None:
        return tuple(f"{granule}_{row}" for row in frame.index)
    found = keys(frame[name])
    twice = found[found.duplicated()]
    if len(twice):
        raise TableError(f"{path}: {name} {twice.iloc[0]!r} stands in two rows ({len(twice)} such): keep one each.")
    return tuple(map(str, found))


def _source(scene: SceneSource, frame: gpd.GeoDataFrame, ids: tuple[str, ...]) -> PointSource:
    places, side = frame.to_crs(scene.layout.grid.crs).geometry, scene.layout.grid.patch_px
    at = ~scene.scene.transform
    x, y = places.x.to_numpy(), places.y.to_numpy()
    cols, rows = at.a * x + at.c, at.e * y + at.f  # no image is turned
    centres = np.nan_to_num(np.stack([rows, cols], 1), posinf=-1e9, neginf=-1e9)
    corners = np.floor(np.clip(centres, -1e9, 1e9) - side / 2 + 0.5).astype(np.int64)
    number = np.arange(len(ids), dtype=np.int32)
    layout = Layout(
        scene.layout.granule, ids, number, np.zeros_like(number), scene.layout.grid, scene.layout.dtype, len(ids)
    )
    return PointSource(scene, layout, corners)
