"""Patches of one image on a granule's grid, read one row of the file's blocks at a time."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rankscape.foundation.errors import RasterError
from rankscape.samples.image_pixels import check_reflectance, chosen_bands, radar_places
from rankscape.samples.patches import Grid, patch_id
from rankscape.samples.settings import TileSettings
from rankscape.samples.source import Layout, Piece
from rankscape.samples.virtual_rasters import open_own_raster
from rankscape.scenes.granule_table import COLOURS
from rankscape.scenes.plausibility import (
    PAIRS,
    BackscatterUnit,
    OffsetWatch,
    check_backscatter,
    check_polarisations,
    decibels,
    polarisation,
)
from rankscape.scenes.rasters import CLOUDY, NO_DATA, brief, is_raster, open_raster

_CACHE_MB = 256
"""Decoded blocks that GDAL keeps: more than one row of 512 px blocks of a granule, and no share of a large machine."""
_LEAST_PX = 64
"""Rows that a step reads at least: files of narrower strips would make steps of no weight."""
_MOST_PX = 1024
"""Blocks with more rows are read in part, again and again, since a whole row of them may not fit into memory."""
_ALL_VALID = ([MaskFlags.all_valid],)


@dataclass(frozen=True)
class SceneSource:
    """An open image and, where there is one, its quality raster."""

    scene: Any
    """Open rasterio dataset."""
    quality: Any
    """Open rasterio dataset of the same grid, or None."""
    layout: Layout
    """Which patches there are."""
    step_px: int
    """Rows of pixels that a step reads: whole rows of the file's blocks, so that none is decoded twice."""
    masked: bool
    """Whether the image says which of its pixels hold data; without that, reading a mask would only take time."""
    bands: tuple[int, ...]
    """Numbers of the bands that are taken, from 1."""
    scaled: tuple[float, float] | None
    """Scale and offset that make reflectance of digital numbers; None where the pixels are taken as they are."""
    radar: tuple[int, ...] = ()
    """Places of radar bands, from 0, in the array."""
    unit: BackscatterUnit = "db"
    """Unit of the radar bands in the file; in patches they are decibels."""
    absent: tuple[int, ...] = ()
    """Places of bands of seasons that nobody saw: they are NaN everywhere, and say nothing of the others."""

    def read(self, step: int) -> Iterator[Piece]:
        """Read whole rows of the file's blocks, and cut them into parts of the patches that they touch.

        A pixel is valid where the image's mask says so and it holds a value: no NaN, and not 0 in all bands of a
        image of bytes, in which Sentinel-2's true colour begins at 1.

        Raises:
            RasterError: If the file is broken, or floats are no reflectance.
        """
        side, cols = self.layout.grid.patch_px, self.layout.grid.cols
        top = step * self.step_px
        bottom = min(top + self.step_px, self.layout.grid.rows * side)
        pixels, valid, clouded = self.pixels_of(Window(0, top, cols * side, bottom - top))
        for row in range(top // side, -(-bottom // side)):
            begin, end = max(row * side, top), min((row + 1) * side, bottom)
            part = slice(begin - top, end - top)
            patches = pixels[part].reshape(end - begin, cols, side, -1).transpose(1, 0, 2, 3)
            counts = [_count(valid, part, cols, side, (end - begin) * side), _count(clouded, part, cols, side, 0)]
            yield Piece(row * cols, begin - row * side, np.ascontiguousarray(patches), np.stack(counts, axis=1))

    def pixels_of(self, window: Window) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Read the pixels of a window, shape (rows, columns, bands), and say which are valid, and which clouded.

        Returns:
            Pixels; and masks, shape (rows, columns): None where all are valid, and where none is clouded.

        Raises:
            RasterError: If the file is broken, or floats are no reflectance.
        """
        pixels, flags = self._pixels(window), None if self.quality is None else _read(self.quality, window)[0]
        valid = self._valid(window, pixels, flags)
        if valid is not None:
            pixels[~valid] = np.nan if pixels.dtype.kind == "f" else 0
        if self.scaled is not None:
            pixels = _reflectance(
                pixels, valid, *self.scaled, () if len(self.radar) == pixels.shape[-1] else self.radar
            )
        pixels, valid = self._in_decibels(pixels, valid)
        check_reflectance(pixels, self.scene.name, self.layout.grid.bands)
        clouded = None if flags is None or not (flags == CLOUDY).any() else _and(np.asarray(flags == CLOUDY), valid)
        return pixels, valid, clouded

    def _pixels(self, window: Window) -> np.ndarray:
        """Read all bands, pixel by pixel as patches hold them: shape (rows, columns, bands)."""
        pixels = np.empty((window.height, window.width, len(self.bands)), self.scene.dtypes[0])
        _read(self.scene, window, indexes=list(self.bands), out=pixels.transpose(2, 0, 1))
        return pixels

    def _in_decibels(self, pixels: np.ndarray, valid: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Turn radar bands of another unit into decibels; 0 in all of them is no data that nothing marks.

        Raises:
            RasterError: If they are not in the unit that was stated.
        """
        if not self.radar or pixels.dtype.kind != "f":
            return pixels, valid
        radar = list(self.radar)
        values = pixels[..., radar]
        empty = np.asarray(~values.any(axis=-1))
        if self.unit != "db":
            check_backscatter(values, self.unit, self.scene.name)
            values = decibels(values, self.unit)
            judged = [number for number, place in enumerate(radar) if place not in self.absent]
            empty |= ~np.isfinite(values[..., judged]).all(axis=-1)
        if self.unit == "db" and not empty.any():
            return pixels, valid
        pixels[..., radar] = values
        pixels[empty] = np.nan
        return pixels, _and(np.asarray(~empty), valid)

    def _valid(self, window: Window, pixels: np.ndarray, flags: np.ndarray | None) -> np.ndarray | None:
        """Say which pixels hold data, bool, shape (rows, columns); None where all do, as in most places."""
        there = [place for place in range(pixels.shape[-1]) if place not in self.absent]
        valid = _with_value(pixels[..., there] if self.absent else pixels)
        if self.masked:
            valid = _and(_read(self.scene, window, "dataset_mask") > 0, valid)
        if flags is not None and not flags.all():
            valid = _and(np.asarray(flags != NO_DATA), valid)
        return valid


def _reflectance(
    dn: np.ndarray, valid: np.ndarray | None, scale: float, offset: float, radar: Sequence[int] = ()
) -> np.ndarray:
    """Turn digital numbers into reflectance, float32, and leave radar bands beside them; NaN where there is no data."""
    pixels: np.ndarray = dn.astype(np.float32) * np.float32(scale) + np.float32(offset)
    pixels[..., list(radar)] = dn[..., list(radar)]
    if valid is not None:
        pixels[~valid] = np.nan
    return pixels


def _with_value(pixels: np.ndarray) -> np.ndarray | None:
    if pixels.dtype.kind == "f":
        held = np.isfinite(pixels)
        return None if held.all() else np.logical_and.reduce([held[..., band] for band in range(held.shape[-1])])
    if pixels.min() > 0:
        return None
    return np.asarray(np.bitwise_or.reduce([pixels[..., band] for band in range(pixels.shape[-1])]) != 0)


def _and(one: np.ndarray, other: np.ndarray | None) -> np.ndarray:
    return one if other is None else one & other


def _count(marked: np.ndarray | None, part: slice, cols: int, side: int, else_count: int) -> np.ndarray:
    """Count marked pixels of each patch in some rows, integers, shape (cols,); `else_count` where nothing is marked."""
    if marked is None:
        return np.full(cols, else_count)
    counts: np.ndarray = np.count_nonzero(marked[part].reshape(-1, cols, side), axis=(0, 2))
    return counts


def _read(dataset: Any, window: Window, how: str = "read", **more: Any) -> np.ndarray:
    try:
        pixels: np.ndarray = getattr(dataset, how)(window=window, **more)
    except RasterioError as error:
        raise RasterError(
            f"{dataset.name} cannot be read whole ({brief(error)}): delete it and make it again."
        ) from None
    return pixels


@contextlib.contextmanager
def open_scene(
    path: Path,
    quality: Path | None,
    granule: str,
    settings: TileSettings,
    threads: int = 1,
    beside: Path | None = None,
) -> Iterator[SceneSource]:
    """Open an image to cut.

    Args:
        path: GeoTIFF or JPEG 2000, three bands or more, north up; uint8 or float32 unless a scale is set. Or several
            files, or a .SAFE folder; see `open_own_raster`.
        quality: Raster of one uint8 band on the same grid (0 no data, 1 clear, 2 cloud or shadow); None where
            nothing is known of clouds.
        granule: Granule id.
        settings: `patch_px`; of a raster without quality, which is the user's own, also bands, scale and offset.
        threads: Threads that decode blocks.
        beside: Image of another sensor on the same grid, whose bands follow; None where there is none.

    Raises:
        RasterError: If a file is missing, of another format, type or band count, too large, without CRS, smaller than
            a patch, or if the two differ in grid.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=_CACHE_MB, GDAL_NUM_THREADS=str(threads)))
        scene, flags, scaled = stack.enter_context(open_own_raster(path, settings.bands, beside))
        own = settings if quality is None else TileSettings(patch_px=settings.patch_px)
        bands = chosen_bands(scene, own.bands)
        scaled = scaled if own.scale is None else (own.scale, own.offset)
        names = _bands(scene, bands, own)
        radar = tuple(radar_places(names))
        if radar and scene.dtypes[0] == "float64" and scaled is None:
            scaled = (1.0, 0.0)
        check_polarisations(names, str(path))
        _check_scene(scene, path, own, len(bands), scaled is not None, only_radar=len(radar) == len(bands))
        if own.scale == _SENTINEL2_SCALE and 0 not in radar:
            _check_offset(scene, path, bands, own.offset)
        flags = flags if quality is None else stack.enter_context(open_raster(quality))
        if flags is not None:
            _check_quality(flags, scene)
        step_px, masked = _step_px(scene.block_shapes[0][0]), scene.mask_flag_enums != _ALL_VALID * scene.count
        dtype = np.dtype(scene.dtypes[0] if scaled is None else np.float32)
        layout = _layout(scene, granule, own.patch_px, step_px, names, dtype)
        yield SceneSource(
            scene, flags, layout, step_px, masked, tuple(bands), scaled, radar, own.backscatter or "db",
            _absent(path, beside, names),
        )  # fmt: skip


_SENTINEL2_SCALE = 1e-4
"""Reflectance a digital number of Sentinel-2."""
_LOOKED_AT_PX = 512


def _check_offset(scene: Any, path: Path, bands: Sequence[int], offset: float) -> None:
    """Hold the offset that was stated against the numbers in nine squares of the image.

    Red shows that it was left in, since deserts are bright in it; blue that it was taken off, since water is.

    Raises:
        RasterError: If the numbers contradict it.
    """
    watch = OffsetWatch()
    band, side = bands[2] if offset else bands[0], _LOOKED_AT_PX
    places = [np.unique(np.linspace(0, max(0, length - side), 3).astype(int)) for length in scene.shape]
    for top, left in product(*places):
        window = Window(left, top, min(side, scene.width - left), min(side, scene.height - top))
        dn = _read(scene, window, indexes=band)
        watch.add(dn[(_read(scene, window, "dataset_mask") > 0) & np.isfinite(dn) & (dn != 0)])
    watch.check(round(offset / _SENTINEL2_SCALE), str(path))


def _absent(path: Path, beside: Path | None, names: Sequence[str]) -> tuple[int, ...]:
    """Places of the bands of seasons that composed images say nobody saw."""
    absent: set[str] = set()
    for file in (path, beside):
        if file is None or not is_raster(file):
            continue
        with open_raster(file) as image:
            seasons = json.loads(image.tags().get("SEASONS_MISSING", "[]"))
            absent |= {name for name in image.descriptions if name and name.partition(":")[0] in seasons}
    return tuple(place for place, name in enumerate(names) if name in absent)


def _step_px(block_px: int) -> int:
    """Return how many rows a step reads: as many rows of blocks as make `_LEAST_PX`."""
    return _LEAST_PX if block_px > _MOST_PX else -(-_LEAST_PX // block_px) * block_px


def _check_scene(
    scene: Any, path: Path, settings: TileSettings, bands: int, is_scaled: bool, *, only_radar: bool
) -> None:
    patch_px = settings.patch_px
    if bands < 3 and not only_radar:
        raise RasterError(f"{path} has {bands} band(s); red, green and blue are needed, in this order.")
    if len(set(scene.dtypes)) > 1 or np.dtype(scene.dtypes[0]).kind not in "uif":
        raise RasterError(f"{path} holds {', '.join(sorted(set(scene.dtypes)))}; one type of real numbers is needed.")
    if not is_scaled and set(scene.dtypes) not in ({"uint8"}, {"float32"}):
        raise RasterError(
            f"{path} holds {', '.join(sorted(set(scene.dtypes)))}; uint8 images or float32 reflectance are needed:"
            " set tile.scale (and tile.offset) to make reflectance of digital numbers."
        )
    if scene.crs is None:
        raise RasterError(f"{path} has no CRS: where its pixels lie is not known; write it with one.")
    if scene.transform.b or scene.transform.d or scene.transform.a <= 0 or scene.transform.e >= 0:
        raise RasterError(f"{path} is turned or mirrored (transform {tuple(scene.transform)[:6]}); make it north up.")
    if min(scene.height, scene.width) < patch_px:
        raise RasterError(
            f"A patch of {patch_px} x {patch_px} px is larger than {path}, {scene.height} x {scene.width} px (rows x"
            " columns): set tile.patch_px to less."
        )


def _check_quality(quality: Any, scene: Any) -> None:
    if (quality.count, quality.dtypes[0]) != (1, "uint8"):
        raise RasterError(f"{quality.name} has {quality.count} band(s) of {quality.dtypes[0]}; one of uint8 is needed.")
    if (quality.shape, quality.crs, quality.transform) != (scene.shape, scene.crs, scene.transform):
        raise RasterError(
            f"{quality.name} ({quality.height} x {quality.width} px, {quality.crs}) lies on another grid than"
            f" {scene.name} ({scene.height} x {scene.width} px, {scene.crs}): make both again."
        )


def _layout(scene: Any, granule: str, patch_px: int, step_px: int, names: tuple[str, ...], dtype: np.dtype) -> Layout:
    rows, cols = scene.height // patch_px, scene.width // patch_px
    row, col = np.divmod(np.arange(rows * cols, dtype=np.int32), np.int32(cols))
    grid = Grid(
        scene.crs.to_string(),
        tuple(scene.transform)[:6],
        scene.height,
        scene.width,
        patch_px,
        rows,
        cols,
        names,
    )
    ids = tuple(patch_id(granule, r, c) for r, c in zip(row.tolist(), col.tolist(), strict=True))
    return Layout(granule, ids, row, col, grid, dtype, -(-rows * patch_px // step_px))


def _bands(scene: Any, bands: Sequence[int], settings: TileSettings) -> tuple[str, ...]:
    """Names as the file describes its bands; true colour where it does not, or radar where its unit is stated."""
    described = [str(scene.descriptions[number - 1] or "") for number in bands]
    if settings.backscatter is not None and len(bands) == len(PAIRS[0]) and not any(map(polarisation, described)):
        return PAIRS[0]
    plain = (*COLOURS, *(f"band{number}" for number in bands[3:]))[: len(bands)]
    return tuple(scene.descriptions[number - 1] or other for number, other in zip(bands, plain, strict=True))
