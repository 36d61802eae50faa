"""One image a granule from one or several scenes: the best scene with its holes filled, or the median.

Images are read and combined window by window, so that memory does not grow with the granule.
"""

import contextlib
from collections.abc import Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.windows import Window

from rankscape.foundation import progress
from rankscape.scenes.layers import ImageGrid, Layers, span_px
from rankscape.scenes.masks import clear_pixels, quality
from rankscape.scenes.rasters import open_raster, windows
from rankscape.scenes.reflectance import SHIFT_DN, observed, reflectance

_WINDOW_VALUES = 1 << 24
"""Values (scenes x bands x pixels) held at once; 64 MiB as float32."""
_DARK_SHARE = 0.25


@dataclass(frozen=True)
class Piece:
    """One window of the composed image."""

    window: Window
    """Where it lies."""
    pixels: np.ndarray
    """uint8 (0 where there is no data) or float32 reflectance (NaN), shape (bands, rows, columns)."""
    mask: np.ndarray
    """uint8, shape (rows, columns); 255 where a scene has data."""
    quality: np.ndarray
    """uint8, shape (rows, columns); 0 no data, 1 clear, 2 cloud or shadow."""


@dataclass(frozen=True)
class View:
    """What one scene, or several together, show in one window."""

    pixels: np.ndarray
    """uint8, or float32 reflectance with NaN where there is no data; shape (bands, rows, columns)."""
    seen: np.ndarray
    """bool, shape (rows, columns); where there is data."""
    clear: np.ndarray
    """bool, the same shape; where there is neither cloud nor cloud shadow."""


def compose_windows(
    scenes: Sequence[Layers], grid: ImageGrid, method: str, cloud_classes: Collection[int]
) -> Generator[Piece, None, None]:
    """Compose the image of a granule, window by window.

    `best`: each pixel from the first scene that shows it clear, else from the first that shows it at all. `median`:
    the median of the clear observations of each band, and as `best` where there is none.

    Args:
        scenes: Files of each scene, best first.
        grid: Their common grid.
        method: `best` or `median`.
        cloud_classes: Classes of the scene classification that count as cloud or cloud shadow.

    Yields:
        Pieces that cover the image once, row-major.

    Raises:
        RasterError: If a file cannot be decoded.
    """
    with contextlib.ExitStack() as stack:
        readers = [_Reader(scene, grid, cloud_classes, stack) for scene in scenes]
        held = len(scenes) if method == "median" else 1
        places = windows(grid.height_px, grid.width_px, _WINDOW_VALUES // (held * readers[0].bands))
        for window in progress.track(places, "compose", unit="window"):
            views = (reader.read(window) for reader in readers)
            view = median(list(views)) if method == "median" else best(views)
            mask = np.where(view.seen, 255, 0).astype(np.uint8)
            yield Piece(window, view.pixels, mask, quality(view.seen, view.clear))
        for reader in readers:
            reader.warn()


def best(views: Iterable[View]) -> View:
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
        found = View(pixels, found.seen | view.seen, found.clear | view.clear)
    return found


def median(views: Sequence[View]) -> View:
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
    return View(pixels, filled.seen, filled.clear)


def _nth(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    inside = np.clip(place, 0, len(values) - 1)
    return np.asarray(np.take_along_axis(values, inside[None, None], axis=0)[0])


class _Reader:
    """Reads one scene window by window, and notices when its offset does not fit its numbers."""

    def __init__(
        self, scene: Layers, grid: ImageGrid, cloud_classes: Collection[int], stack: contextlib.ExitStack
    ) -> None:
        self._scene = scene
        self._grid = grid
        self._cloud_classes = cloud_classes
        self._bands = [stack.enter_context(open_raster(path)) for path in scene.bands]
        self._classes = stack.enter_context(open_raster(scene.classes)) if scene.classes else None
        self._pixels, self._dark, self._darkest = 0, 0, np.inf
        self.bands = sum(dataset.count for dataset in self._bands)

    def read(self, window: Window) -> View:
        """Read the image and what is clear in it."""
        dn = [_read(dataset, self._grid, window) for dataset in self._bands]
        if self._scene.offset_dn is None:
            pixels = dn[0]
            seen = np.asarray(pixels.any(axis=0))
        else:
            seen = np.all([observed(band[0], file.nodata) for band, file in zip(dn, self._bands, strict=True)], axis=0)
            pixels = np.stack([reflectance(band[0], self._scene.offset_dn, seen) for band in dn])
            self._watch(dn[0][0][seen])
        classes = None if self._classes is None else _read(self._classes, self._grid, window)[0]
        return View(pixels, seen, clear_pixels(seen, classes, self._cloud_classes))

    def _watch(self, valid_dn: np.ndarray) -> None:
        if not valid_dn.size:
            return
        self._pixels += valid_dn.size
        self._dark += int(np.count_nonzero(valid_dn < SHIFT_DN))
        self._darkest = min(self._darkest, float(valid_dn.min()))

    def warn(self) -> None:
        """Say so if the numbers contradict the offset: catalogues are known to be wrong about it."""
        if self._scene.offset_dn and self._dark > _DARK_SHARE * self._pixels:
            progress.say(
                f"{self._scene.label}: {self._dark / self._pixels:.0%} of the pixels with data lie below the offset of "
                f"{-self._scene.offset_dn}; the catalogue may have applied it already without saying so."
            )
        if self._scene.offset_dn == 0 and SHIFT_DN <= self._darkest < np.inf:
            progress.say(
                f"{self._scene.label}: no pixel with data lies below {SHIFT_DN}; the offset may not have been applied, "
                "although the item says so or its baseline is older."
            )


def _read(dataset: Any, grid: ImageGrid, window: Window) -> np.ndarray:
    """Read a window of the grid, shape (bands, rows, columns); pixels of a coarser file are repeated."""
    span = span_px(dataset, grid) or 1
    rows = (window.row_off + np.arange(window.height)) // span
    cols = (window.col_off + np.arange(window.width)) // span
    part = Window(cols[0], rows[0], cols[-1] - cols[0] + 1, rows[-1] - rows[0] + 1)
    block = dataset.read(window=part)
    return np.asarray(block if span == 1 else block[:, rows - rows[0]][:, :, cols - cols[0]])
