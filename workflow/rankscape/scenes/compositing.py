"""One image a granule from one or several scenes: the best scene with its holes filled, or the median.

Images are read and combined window by window, so that memory does not grow with the granule.
"""

import contextlib
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.windows import Window

from rankscape.foundation import progress
from rankscape.foundation.errors import RasterError
from rankscape.scenes.mgrs import GranuleGrid
from rankscape.scenes.rasters import CLEAR, CLOUDY, NO_DATA, open_raster, windows
from rankscape.scenes.sensors.protocol import ArchiveSensor, Product
from rankscape.scenes.warping import covering_grid, read_resampled

_WINDOW_VALUES = 1 << 24
"""Values (scenes x bands x pixels) held at once; 64 MiB as float32."""
_QUALITY_TYPES = ("uint8", "uint16", "int16", "int32", "uint32", "float32", "float64")
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Layers:
    """The files of one scene."""

    label: str
    """Id of the item, for messages."""
    bands: tuple[Path, ...]
    """One file of all bands, or a file of one band each, in the order of the image."""
    quality: Path | None
    """What each pixel shows, such as a scene classification; None where the item has none."""
    origin: Mapping[str, Any]
    """What the record of the download says of the scene: item_id, datetime, platform, and what the decoder needs."""


@dataclass(frozen=True)
class ImageGrid:
    """Where the pixels of an image lie."""

    crs: Any
    """rasterio CRS."""
    transform: Any
    """Affine transform of the pixels."""
    height_px: int
    """Rows."""
    width_px: int
    """Columns."""


@dataclass(frozen=True)
class ComposedWindow:
    """One window of the composed image."""

    window: Window
    """Where it lies."""
    pixels: np.ndarray
    """uint8 (0 where there is no data), or float32 reflectance or decibels (NaN), shape (bands, rows, columns)."""
    mask: np.ndarray
    """uint8, shape (rows, columns); 255 where a scene has data."""
    quality: np.ndarray
    """uint8, shape (rows, columns); 0 no data, 1 clear, 2 cloud or shadow."""


@dataclass(frozen=True)
class SceneView:
    """What one scene, or several together, show in one window."""

    pixels: np.ndarray
    """uint8, or float32 reflectance or power with NaN where there is no data; shape (bands, rows, columns)."""
    seen: np.ndarray
    """bool, shape (rows, columns); where there is data."""
    clear: np.ndarray
    """bool, the same shape; where there is neither cloud nor cloud shadow."""


def compose_windows(
    scenes: Sequence[Layers],
    grid: ImageGrid,
    sensor: ArchiveSensor,
    product: str,
    method: str = "best",
    cloud_classes: Collection[int] | None = None,
    *,
    fills: Sequence[Layers] = (),
    clear_only: bool = False,
    held: int = 0,
) -> Generator[ComposedWindow, None, None]:
    """Compose the image of a granule, window by window.

    `best`: each pixel from the first scene that shows it clear, else from the first that shows it at all. `median`:
    the median of the clear observations of each band, and as `best` where there is none.

    Args:
        scenes: Files of each scene, best first.
        grid: Their common grid.
        sensor: Says what their numbers mean.
        product: Product of the sensor.
        method: `best` or `median`.
        cloud_classes: Classes of the quality asset that count as cloud or cloud shadow; None: those of the sensor.
        fills: Further scenes, composed likewise, which fill what the first ones leave empty, and are mixed with none.
        clear_only: Whether what nobody saw clear is missing.
        held: Scenes that are held at once elsewhere; images that are composed side by side need the same windows.

    Yields:
        Pieces that cover the image once, row-major.

    Raises:
        RasterError: If a file cannot be decoded.
    """
    with contextlib.ExitStack() as stack:
        cloudy = sensor.cloud_classes if cloud_classes is None else cloud_classes
        groups = [
            [_Reader(scene, grid, sensor, product, cloudy, stack) for scene in group]
            for group in (scenes, fills)
            if group
        ]
        readers = [reader for group in groups for reader in group]
        held = max(held, len(scenes), len(fills)) if method == "median" else 1
        for window in progress.track(windows_of(grid, held, readers[0].bands), "compose", unit="window"):
            read = [(reader.read(window) for reader in group) for group in groups]
            view = _filled(*[median(list(views)) if method == "median" else best(views) for views in read])
            seen = view.clear if clear_only else view.seen
            pixels = np.where(seen, view.pixels, np.nan).astype(view.pixels.dtype) if clear_only else view.pixels
            mask = np.where(seen, 255, 0).astype(np.uint8)
            yield ComposedWindow(window, sensor.finish(pixels), mask, _quality(view))
        for doubt in filter(None, (reader.decoder.doubts() for reader in readers)):
            progress.say(doubt)


def windows_of(grid: ImageGrid, held: int, bands: int) -> list[Window]:
    """Return the windows in which an image of so many scenes and bands is composed."""
    return windows(grid.height_px, grid.width_px, _WINDOW_VALUES // (held * bands))


def _filled(view: SceneView, filler: SceneView | None = None) -> SceneView:
    """Take what the first view leaves empty from the second, if there is one."""
    if filler is None:
        return view
    pixels = np.where(view.seen, view.pixels, filler.pixels)
    return SceneView(pixels, view.seen | filler.seen, view.clear | (filler.clear & ~view.seen))


def best(views: Iterable[SceneView]) -> SceneView:
    """Take each pixel from the first scene that shows it clear, else from the first that shows it at all.

    Args:
        views: The scenes in one window, best first, one or more; read only as far as there are holes.
    """
    ordered = iter(views)
    found = next(ordered)
    while not found.clear.all():
        view = next(ordered, None)
        if view is None:
            break
        take = (view.clear & ~found.clear) | (view.seen & ~found.seen)
        pixels = np.where(take, view.pixels, found.pixels)
        found = SceneView(pixels, found.seen | view.seen, found.clear | view.clear)
    return found


def median(views: Sequence[SceneView]) -> SceneView:
    """Take each pixel's median of the clear observations, band by band; where there is none, as `best`.

    The median of an even number is the mean of the two in the middle; 8-bit values are rounded, halves upward.
    """
    filled = best(views)
    count = np.sum([view.clear for view in views], axis=0)
    values = np.stack([np.where(view.clear, view.pixels, np.float32(np.nan)) for view in views])
    values.sort(axis=0)  # NaN comes last, so that the clear observations stand in front
    middle = (_nth(values, (count - 1) // 2) + _nth(values, count // 2)) / 2
    if filled.pixels.dtype == np.uint8:
        middle = np.floor(middle + 0.5)
    pixels = np.where(count > 0, np.nan_to_num(middle), filled.pixels).astype(filled.pixels.dtype)
    return SceneView(pixels, filled.seen, filled.clear)


def _nth(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    inside = np.clip(place, 0, len(values) - 1)
    return np.asarray(np.take_along_axis(values, inside[None, None], axis=0)[0])


def _quality(view: SceneView) -> np.ndarray:
    """Return 0 where there is no data, 1 where it is clear, 2 where only cloud or shadow was seen; uint8."""
    return np.where(view.clear, CLEAR, np.where(view.seen, CLOUDY, NO_DATA)).astype(np.uint8)


class _Reader:
    """Reads one scene window by window."""

    def __init__(
        self,
        scene: Layers,
        grid: ImageGrid,
        sensor: ArchiveSensor,
        product: str,
        cloud_classes: Collection[int],
        stack: contextlib.ExitStack,
    ) -> None:
        self._grid = grid
        self._sensor = sensor
        self._cloud_classes = cloud_classes
        self._files = [stack.enter_context(open_raster(path)) for path in scene.bands]
        self._quality = stack.enter_context(open_raster(scene.quality)) if scene.quality else None
        self.decoder = sensor.decoder(scene.label, product, scene.origin)
        self.bands = sum(dataset.count for dataset in self._files)

    def read(self, window: Window) -> SceneView:
        """Read the image and what is clear in it."""
        if self._sensor.swath:
            grid = self._grid
            pixels, seen = read_resampled(self._files, self.decoder, grid.crs, grid.transform, window)
            return SceneView(pixels, seen, self._sensor.clear(seen, None, self._cloud_classes))
        dn = [_read(dataset, self._grid, window) for dataset in self._files]
        pixels, seen = self.decoder.decode(dn, [file.nodata for file in self._files])
        quality = None if self._quality is None else _read(self._quality, self._grid, window)[0]
        return SceneView(pixels, seen, self._sensor.clear(seen, quality, self._cloud_classes))


def _read(dataset: Any, grid: ImageGrid, window: Window) -> np.ndarray:
    """Read a window of the grid, shape (bands, rows, columns); pixels of a coarser file are repeated."""
    span = span_px(dataset, grid) or 1
    rows = (window.row_off + np.arange(window.height)) // span
    cols = (window.col_off + np.arange(window.width)) // span
    part = Window(cols[0], rows[0], cols[-1] - cols[0] + 1, rows[-1] - rows[0] + 1)
    block = dataset.read(window=part)
    return np.asarray(block if span == 1 else block[:, rows - rows[0]][:, :, cols - cols[0]])


def common_grid(scenes: Sequence[Layers], epsg: int, product: Product) -> ImageGrid:
    """Return the grid that all scenes of a granule share: that of the first band of the first scene.

    Args:
        scenes: Files of each scene.
        epsg: EPSG code of the granule's CRS.
        product: Says which bands and types their files have.

    Raises:
        RasterError: If a file has another CRS, grid, band count or type than its use needs; the message names it.
    """
    grid: ImageGrid | None = None
    for scene in scenes:
        for path in scene.bands:
            grid = _checked(path, grid, epsg, product.file_bands, product.file_types)
        if scene.quality is not None:
            grid = _checked(scene.quality, grid, epsg, 1, _QUALITY_TYPES)
    if grid is None:
        raise RasterError("There is no scene to compose: run the stage fetch again.")
    return grid


def swath_grid(scenes: Sequence[Layers], place: GranuleGrid, product: Product) -> ImageGrid:
    """Return the grid on which scenes of a swath are composed.

    Args:
        scenes: Files of each scene.
        place: The granule.
        product: Says which bands and types their files have.

    Raises:
        RasterError: If a file has another band count or type than its use needs, or no place on the granule.
    """
    paths = [path for scene in scenes for path in scene.bands]
    for path in paths:
        with open_raster(path) as dataset:
            _check_content(path, dataset, product.file_bands, product.file_types)
    transform, height_px, width_px = covering_grid(paths, place)
    return ImageGrid(CRS.from_epsg(place.epsg), transform, height_px, width_px)


def _checked(path: Path, grid: ImageGrid | None, epsg: int, count: int, types: Sequence[str]) -> ImageGrid:
    with open_raster(path) as dataset:
        _check_content(path, dataset, count, types)
        _check_crs(path, dataset, epsg)
        grid = grid or ImageGrid(dataset.crs, dataset.transform, dataset.height, dataset.width)
        if span_px(dataset, grid) is None:
            raise RasterError(
                f"{path} has {_place(dataset.height, dataset.width, dataset.transform)}, but the first scene of its "
                f"granule has {_place(grid.height_px, grid.width_px, grid.transform)}: they must share one grid."
            )
    return grid


def _place(height_px: int, width_px: int, transform: Any) -> str:
    return (
        f"{height_px} x {width_px} pixels of {transform.a:g} x {-transform.e:g} m from {transform.c:.0f}, "
        f"{transform.f:.0f}"
    )


def _check_content(path: Path, dataset: Any, count: int, types: Sequence[str]) -> None:
    if dataset.count != count:
        raise RasterError(f"{path} has {dataset.count} bands where {count} are needed: get the right asset.")
    if dataset.dtypes[0] not in types:
        raise RasterError(f"{path} has values of type {dataset.dtypes[0]} where {' or '.join(types)} is needed.")


def _check_crs(path: Path, dataset: Any, epsg: int) -> None:
    if dataset.crs is None:
        raise RasterError(f"{path} has no CRS, so its place is unknown: get the asset again.")
    if dataset.crs != CRS.from_epsg(epsg):
        raise RasterError(f"{path} is in {dataset.crs.to_string()}, but its granule is in EPSG:{epsg}.")


def span_px(dataset: Any, grid: ImageGrid) -> int | None:
    """Return how many pixels of the grid a pixel of a file spans on each side.

    Args:
        dataset: Open rasterio dataset.
        grid: Grid of the granule's image.

    Returns:
        1 for a file on the grid itself, 2 for one of twice its pixel size, and so on; None if the file does not fit.
    """
    ours, theirs = grid.transform, dataset.transform
    span = max(1, round(theirs.a / ours.a))
    expected = (ours.a * span, ours.b * span, ours.c, ours.d * span, ours.e * span, ours.f)
    near = all(abs(a - b) <= _TOLERANCE * abs(ours.a) for a, b in zip(expected, tuple(theirs)[:6], strict=True))
    whole = (-(-grid.height_px // span), -(-grid.width_px // span))
    return span if near and (dataset.height, dataset.width) == whole else None
